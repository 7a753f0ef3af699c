"""The mirror contract, on our stand-in, in each way an entry can be kept and in each way servers differ."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from adapters.api import AdapterContext
from adapters.caldav.simulator import CALENDAR, simulator
from adapters.caldav.sink import CalDavSink
from adapters.testing import MirrorContract, sample_states
from events import Booking
from events.state import Host
from tests.contract.caldav.stand_in import CalendarServer, StandIn, sink_on

MARA = Host(id="h-1", email="Mara@studio.example", name="Mara")
DENIZ = Host(id="h-2", email="deniz@studio.example", name="Deniz")
JO = Host(id="h-3", email="jo@studio.example", name="Jo")


class TestCalDav(MirrorContract):
    secrets = simulator.secrets
    forbidden = simulator.forbidden
    cannot = simulator.cannot
    members: ClassVar[Mapping[str, Any]] = {}
    switches: ClassVar[Mapping[str, Any]] = {}
    calendars: ClassVar[Sequence[str]] = (CALENDAR,)

    @pytest.fixture(autouse=True)
    def _served(self, calendar_server: CalendarServer) -> None:
        self.server = calendar_server

    def other_side(self) -> StandIn:
        self.stand_in = StandIn(self.server, *self.calendars, **self.switches)
        return self.stand_in

    def sink(self, context: AdapterContext) -> CalDavSink:
        return sink_on(self.stand_in, context, **self.members)


class TestCalDavThatMarks(TestCalDav):
    members: ClassVar[Mapping[str, Any]] = {"on_cancel": "mark", "on_no_show": "keep"}


class TestCalDavThatRewrites(TestCalDav):
    switches: ClassVar[Mapping[str, Any]] = {"rewrites": True, "conflict": 412}


class TestCalDavPerHost(TestCalDav):
    """Hosts come and go while the booking moves."""

    calendars = ("mara", "deniz", "jo")

    def states(self) -> Sequence[Booking]:
        hosts = ((MARA, DENIZ), (MARA, DENIZ), (DENIZ, JO), (DENIZ, JO), (JO,))
        return tuple(state.model_copy(update={"hosts": hosts[n]}) for n, state in enumerate(sample_states()))

    def sink(self, context: AdapterContext) -> CalDavSink:
        calendars = {f"{name}@studio.example": f"{self.stand_in.url}/dav/{name}" for name in self.calendars}
        return sink_on(self.stand_in, context, per="host", calendars=calendars)
