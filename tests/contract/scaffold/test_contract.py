"""The mirror contract on the stand-in of the board."""

from collections.abc import Iterator

import pytest

from adapters.api import AdapterContext
from adapters.scaffold.config import BoardConfig
from adapters.scaffold.simulator import Board, config, simulator
from adapters.scaffold.sink import BoardSink
from adapters.testing import MirrorContract, SimulatedSide, SimulatorServer


@pytest.fixture(scope="module")
def board_server() -> Iterator[SimulatorServer]:
    server = SimulatorServer(Board())
    server.start()
    yield server
    server.stop()


class TestBoard(MirrorContract):
    secrets = simulator.secrets
    forbidden = simulator.forbidden

    @pytest.fixture(autouse=True)
    def _served(self, board_server: SimulatorServer) -> None:
        self.server = board_server

    def other_side(self) -> SimulatedSide:
        return SimulatedSide(self.server, Board())

    def sink(self, context: AdapterContext) -> BoardSink:
        return BoardSink(BoardConfig.model_validate(config(self.server.url)), context)
