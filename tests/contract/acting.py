"""Drives a mirror of bookings as the hub does: the newest state, again while it fails in passing."""

from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.api import AdapterContext, BookingMirror, Receipt
from adapters.errors import TransientError
from events import Booking

NOON = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
MOST_TRIES = 5


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


def context(
    clock: Clock | None = None, *, installation: str = "installation-1", epoch: int = 1
) -> AdapterContext:
    return AdapterContext(
        instance="team-calendar",
        installation_id=installation,
        clock=clock or Clock(),
        epoch=epoch,
        timezone="Europe/Berlin",
        timeout=timedelta(seconds=5),
    )


async def bring(
    sink: BookingMirror[Any], booking: Booking | None, receipt: Receipt | None = None, *, part: str = ""
) -> Receipt | None:
    """The receipt it ends with; every failed try starts from the same receipt, as after a crash."""
    for _ in range(MOST_TRIES - 1):
        try:
            return await sink.sync(booking, part, receipt)
        except TransientError:
            continue
    return await sink.sync(booking, part, receipt)


async def made(sink: BookingMirror[Any], booking: Booking, receipt: Receipt | None = None) -> Receipt:
    """As `bring`, where something has to be there at the end."""
    brought = await bring(sink, booking, receipt)
    assert brought is not None
    return brought


async def leave(sink: BookingMirror[Any]) -> None:
    await sink.close()
    await sink.context.http.aclose()
