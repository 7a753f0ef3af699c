"""A day's plan of a sink that gives out units: every unit with who has it when, and who waits.

Read from the sink's ledger, whatever adapter keeps it, so that a hub that does not run can show it too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import Response

from adapters.ledger import LedgerEntry, Pools
from events.state import Booking
from hub.store import checkpoints, ledger
from hub.store.tables import BookingRow
from hub.web.hub_objects import SlotObject
from hub.web.paging import respond
from hub.web.present import booking_of, dumped
from hub.web.problems import ProblemError, invalid
from hub.web.selectors import Selection
from hub.web.services import HubServices

PARAMETERS: dict[str, Any] = {
    "parameters": [{"name": "day", "in": "query", "required": False, "schema": {"type": "string"}}]
}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Day:
    """A day in some time zone, from midnight to midnight."""

    day: date
    since: datetime
    until: datetime

    def shows(self, entry: LedgerEntry) -> bool:
        """Whether it takes place then; what lasts no time belongs to the day in which it begins."""
        return entry.meets(self.since, self.until) or self.since <= entry.busy_from < self.until


async def answer(request: Request, services: HubServices, sink: str) -> Response:
    """The plan as a list that is never cut; `limit` is taken and means nothing."""
    query = request.query_params
    for name in query:
        if name not in ("day", "limit"):
            raise invalid(f"/{name}", f"unknown selector {name[:40]!r}; this list takes day")
    zone = ZoneInfo(services.settings.hub.timezone)
    written = query.get("day")
    day = read_day(written or services.clock.now().astimezone(zone).date().isoformat(), zone)
    slots = await services.database.read(lambda session: read_slots(session, sink, day))
    if slots is None:
        raise ProblemError(
            "not-supported",
            f"{sink} gives out no rooms or other units, or has not begun to",
            next="bookinghub sinks list",
        )
    read_as = {} if written else {"day": day.day.isoformat()}
    return respond(request, dumped(slots), next=None, selection=Selection(read_as=read_as))


def read_day(text: str, zone: ZoneInfo) -> Day:
    """A date of that zone; raises ProblemError `invalid`."""
    try:
        if not _DATE.fullmatch(text):
            raise ValueError("not written like a date")
        day = date.fromisoformat(text)
        since, until = (
            datetime.combine(at, time(), tzinfo=zone).astimezone(UTC) for at in (day, day + timedelta(days=1))
        )
    except (ValueError, OverflowError) as error:
        raise invalid("/day", f"{text[:40]!r} is not a day; write a date such as 2026-10-27") from error
    return Day(day, since, until)


def read_slots(session: Session, sink: str, day: Day) -> list[SlotObject] | None:
    """The lines of the plan, pools and units in the order of the settings; None if there is no ledger."""
    pools = ledger.pools_of(session, sink)
    if pools is None:
        return None
    found = ledger.within(session, sink, since=day.since, until=day.until)
    entries = sorted((entry for entry in found if day.shows(entry)), key=lambda entry: entry.busy_from)
    bookings = _bookings(session, [entry.key for entry in entries])
    plan = _Plan(sink, day.day.isoformat(), entries, bookings)
    return list(plan.lines(_with_former(pools, entries)))


@dataclass(frozen=True, slots=True)
class _Plan:
    """The entries of one day, earliest first, and the bookings behind them."""

    sink: str
    day: str
    entries: Sequence[LedgerEntry]
    bookings: Mapping[str, Booking]

    def lines(self, pools: Pools) -> Iterator[SlotObject]:
        for pool, units in pools.items():
            for unit in units:
                holders = [entry for entry in self.entries if unit in entry.units.get(pool, ())]
                yield from (self._taken(pool, entry, unit) for entry in holders)
                if not holders:
                    yield self._free(pool, unit)
            waiting = [one for one in self.entries if one.state == "waiting" and pool in one.needs]
            for entry in sorted(waiting, key=lambda entry: entry.line):
                yield self._taken(pool, entry, None)

    def _free(self, pool: str, unit: str) -> SlotObject:
        nothing = dict.fromkeys(("booking_id", "title", "busy_from", "busy_until", "start", "end", "since"))
        return SlotObject(
            sink=self.sink,
            day=self.day,
            pool=pool,
            unit=unit,
            state="free",
            attendees=[],
            needs={},
            **nothing,
        )

    def _taken(self, pool: str, entry: LedgerEntry, unit: str | None) -> SlotObject:
        booking = self.bookings.get(entry.key)
        people = booking.present if booking else ()
        return SlotObject(
            sink=self.sink,
            day=self.day,
            pool=pool,
            unit=unit,
            state="waiting" if unit is None else "held",
            booking_id=entry.key,
            title=booking.title if booking else None,
            attendees=[name for one in people if (name := one.name or one.email)],
            busy_from=entry.busy_from,
            busy_until=entry.busy_until,
            start=entry.start,
            end=entry.end,
            needs=dict(entry.needs),
            since=entry.since,
        )


def _with_former(pools: Pools, entries: Sequence[LedgerEntry]) -> Pools:
    """The units there are, and behind them those that are held although the settings name them no more."""
    every: dict[str, list[str]] = {pool: list(units) for pool, units in pools.items()}
    for entry in entries:
        for pool, units in entry.units.items():
            named = every.setdefault(pool, [])
            named.extend(unit for unit in units if unit not in named)
        for pool in entry.needs:
            every.setdefault(pool, [])
    return every


def _bookings(session: Session, keys: Sequence[str]) -> dict[str, Booking]:
    live = checkpoints.live(session)
    rows = session.exec(
        select(BookingRow).where(
            BookingRow.generation == (live.generation if live else 0), col(BookingRow.booking_id).in_(keys)
        )
    )
    return {row.booking_id: booking_of(row) for row in rows}
