"""What a poll and a backfill read, as spans of time; pure, so that any calendar can be tried."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from adapters.provider import Window

OVERLAP = timedelta(minutes=15)
"""So much of what was created before the last poll is read again: clocks differ, and lists lag behind."""
AHEAD_OF_US = timedelta(days=1)
"""How much later than ours the provider's clock may be."""

_DECEMBER = 12


def poll_window(
    now: datetime, *, past: timedelta, ahead: timedelta, last: datetime | None, host: str | None
) -> Window:
    """The meetings a poll looks at. After a time without polls it reaches back to where the last one did."""
    since = now if last is None else min(now, last)
    return Window(since - past, now + ahead, by="start", host=host)


def created_window(now: datetime, *, since: datetime, host: str | None) -> Window:
    """What was booked since the last poll, whenever it takes place."""
    return Window(min(since, now) - OVERLAP, now + AHEAD_OF_US, by="created", host=host)


def months(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The calendar months (UTC) between two moments, the first and the last cut at them."""
    while begin < end:
        until = min(next_month(begin), end)
        yield begin, until
        begin = until


def next_month(moment: datetime) -> datetime:
    """The first moment of the month after."""
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if first.month == _DECEMBER:
        return first.replace(year=first.year + 1, month=1)
    return first.replace(month=first.month + 1)
