"""The mirror contract, on the hub's own memory of documents."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from adapters.api import AdapterContext
from adapters.ics_feed.config import IcsFeedConfig
from adapters.ics_feed.simulator import TOKEN, create_app, simulator
from adapters.ics_feed.sink import IcsFeedSink
from adapters.testing import MirrorContract, SimulatedSide, SimulatorServer


@pytest.fixture(scope="module")
def reader() -> Iterator[SimulatorServer]:
    server = SimulatorServer(create_app())
    server.start()
    yield server
    server.stop()


class TestIcsFeed(MirrorContract):
    secrets = simulator.secrets
    cannot = simulator.cannot
    members: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _served(self, reader: SimulatorServer) -> None:
        self.server = reader

    def other_side(self) -> SimulatedSide:
        return SimulatedSide(self.server, create_app())

    def sink(self, context: AdapterContext) -> IcsFeedSink:
        return IcsFeedSink(IcsFeedConfig.model_validate({"token": TOKEN, **self.members}), context)


class TestIcsFeedThatMarks(TestIcsFeed):
    members: ClassVar[Mapping[str, Any]] = {"on_cancel": "mark", "on_no_show": "keep"}
