"""A log in memory, and the time at which it is read."""

import pytest

from hub.clock import ManualClock
from tests.contract.projections.kit import NOW, MemoryLog


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)
