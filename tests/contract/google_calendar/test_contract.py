"""The mirror contract, on our stand-in, in each way an entry can be kept."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from adapters.api import AdapterContext
from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.google_calendar.sink import GoogleCalendarSink
from adapters.testing import MirrorContract, sample_states
from events import Booking
from events.state import Host
from tests.contract.google_calendar.stand_in import TOKEN, CalendarServer, StandIn, sink_on

MARA = Host(id="h-1", email="Mara@studio.example", name="Mara")
DENIZ = Host(id="h-2", email="deniz@studio.example", name="Deniz")
JO = Host(id="h-3", email="jo@studio.example", name="Jo")


class TestGoogleCalendar(MirrorContract):
    secrets = (TOKEN,)
    forbidden: ClassVar[Mapping[str, type[AdapterError]]] = {
        "403 rateLimitExceeded": TransientError,
        "403 userRateLimitExceeded": TransientError,
        "403 quotaExceeded": TransientError,
        "403 forbidden": AuthError,
        "403 insufficientPermissions": AuthError,
        "403 requiredAccessLevel": AuthError,
        "403 forbiddenForNonOrganizer": PermanentError,
    }
    members: ClassVar[Mapping[str, Any]] = {}
    undelete = True

    @pytest.fixture(autouse=True)
    def _served(self, calendar_server: CalendarServer) -> None:
        self.server = calendar_server

    def other_side(self) -> StandIn:
        self.stand_in = StandIn(self.server, undelete=self.undelete)
        return self.stand_in

    def sink(self, context: AdapterContext) -> GoogleCalendarSink:
        return sink_on(self.stand_in, context, **self.members)


class TestGoogleCalendarThatMarks(TestGoogleCalendar):
    members: ClassVar[Mapping[str, Any]] = {"on_cancel": "mark", "on_no_show": "keep"}


class TestGoogleCalendarWithoutUndelete(TestGoogleCalendar):
    undelete = False


class TestGoogleCalendarPerHost(TestGoogleCalendar):
    """Hosts come and go while the booking moves."""

    members: ClassVar[Mapping[str, Any]] = {"per": "host"}

    def states(self) -> Sequence[Booking]:
        hosts = ((MARA, DENIZ), (MARA, DENIZ), (DENIZ, JO), (DENIZ, JO), (JO,))
        return tuple(state.model_copy(update={"hosts": hosts[n]}) for n, state in enumerate(sample_states()))
