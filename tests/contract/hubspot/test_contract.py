"""The contact contract, on our stand-in."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from adapters.api import AdapterContext
from adapters.hubspot.simulator import TOKEN, simulator
from adapters.hubspot.sink import HubSpotSink
from adapters.testing import ContactMirrorContract, SimulatorServer
from tests.contract.hubspot.stand_in import Account, sink_on


class TestHubSpot(ContactMirrorContract):
    secrets = (TOKEN,)
    forbidden = simulator.forbidden
    cannot = simulator.cannot
    contact: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _served(self, hubspot_server: SimulatorServer) -> None:
        self.server = hubspot_server

    def other_side(self) -> Account:
        self.account = Account(self.server)
        return self.account

    def sink(self, context: AdapterContext) -> HubSpotSink:
        return sink_on(self.account, context, **self.contact)

    def left_behind(self, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        return simulator.left_behind(seen)
