"""Reads many bookings by the pages of lists instead of one by one, for requests are few.

Only as long as that is the cheaper way: whatever the lists do not show, the caller fetches by its id.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from adapters.api import Reading
from adapters.errors import RefusalError, TransientError
from adapters.provider import Priority, Provider, Window

FEWEST = 4
"""Bookings of one window that are worth a list."""
_WIDEST_GAP = timedelta(days=2)
_MARGIN = timedelta(minutes=1)
_WASTED_AT_MOST = 2
"""Pages of one window beyond the number of bookings they have shown."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sought:
    """Where a booking probably stands in the provider's lists."""

    start: datetime
    hosts: Sequence[str] = ()


async def gathered(provider: Provider, sought: Mapping[str, Sought]) -> dict[str, Reading]:
    """Those of the bookings, by id, that lists have shown; raises AuthError."""
    found: dict[str, Reading] = {}
    hosts = dict.fromkeys(host for booking in sought.values() for host in booking.hosts)
    for owner in provider.lists_of(tuple(hosts)):
        starts = {
            provider_id: booking.start
            for provider_id, booking in sought.items()
            if provider_id not in found and (owner is None or owner in booking.hosts)
        }
        for window, wanted in _windows(starts, owner):
            try:
                await _read(provider, window, wanted, found)
            except (TransientError, RefusalError) as error:
                # What was shown before counts; the rest is fetched by id and fails for itself.
                _log.warning("list_not_read", error=str(error))
    return found


async def _read(
    provider: Provider, window: Window, wanted: frozenset[str], found: dict[str, Reading]
) -> None:
    shown: set[str] = set()
    pages = 0
    async for page in provider.listed(window, priority=Priority.VERIFICATION):
        pages += 1
        for reading in page:
            if reading.provider_id in wanted and reading.snapshot is not None:
                found[reading.snapshot.provider_id] = reading
                shown.add(reading.snapshot.provider_id)
        if shown == wanted or pages >= len(shown) + _WASTED_AT_MOST:
            return


def _windows(starts: Mapping[str, datetime], owner: str | None) -> Iterator[tuple[Window, frozenset[str]]]:
    """Stretches of time in which enough of the bookings start, with these."""
    stretch: list[str] = []
    for provider_id in (*sorted(starts, key=lambda one: (starts[one], one)), None):
        if stretch and (provider_id is None or starts[provider_id] - starts[stretch[-1]] > _WIDEST_GAP):
            if len(stretch) >= FEWEST:
                begin, end = starts[stretch[0]] - _MARGIN, starts[stretch[-1]] + _MARGIN
                yield Window(begin, end, host=owner), frozenset(stretch)
            stretch = []
        if provider_id is not None:
            stretch.append(provider_id)
