"""When hosts can be booked: working hours of the company, less what they have already."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.meetergo.simulated.shapes import api_time, local_time
from adapters.meetergo.simulated.state import Appointment, Kind, State

OPENS, CLOSES = time(8), time(18)
GRID = timedelta(minutes=30)
MOST_DAYS = 62

Frame = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose time of which kind, within what; `moving` is an appointment that does not block itself."""

    kind: Kind
    host_ids: Sequence[str]
    start: datetime
    end: datetime
    everyone: bool = False
    moving: str | None = None
    with_groups: bool = True


def is_free(
    state: State, kind: Kind, host_ids: Sequence[str], start: datetime, *, moving: str | None
) -> bool:
    """Whether all these hosts can take this kind of meeting then."""
    end = start + timedelta(minutes=kind.minutes)
    wanted = Wanted(kind, host_ids, start, end, everyone=True, moving=moving)
    (common,) = _calendars(state, wanted)
    return any(opens <= start and end <= closes for opens, closes in common)


def availability(state: State, wanted: Wanted, *, now: datetime, zone: str) -> dict[str, Any]:
    """Free times in the current shape."""
    joinable = _joinable(state, wanted) if wanted.with_groups else {}
    calendars = [_from(now, frames) for frames in _calendars(state, wanted)]
    length = timedelta(minutes=wanted.kind.minutes)
    starts = {start for frames in calendars for start in _starts(frames, length)}
    days: dict[str, list[dict[str, Any]]] = {}
    for start in sorted({*starts, *joinable}):
        if max(now, wanted.start) <= start < wanted.end:
            written = local_time(start, zone)
            days.setdefault(written[:10], []).append(_spot(written, wanted.kind, joinable.get(start)))
    frames = _merged(frame for frames in calendars for frame in frames)
    return {
        "timezone": zone,
        "timeframes": [{"start": api_time(opens), "end": api_time(closes)} for opens, closes in frames],
        "dates": [{"date": day, "spots": spots} for day, spots in days.items()],
        "earliestAvailableDate": next(iter(days), None),
    }


def _spot(written: str, kind: Kind, joinable: Appointment | None) -> dict[str, Any]:
    spot: dict[str, Any] = {"startTime": written, "unavailabilityEvents": []}
    if joinable:
        taken = len(joinable.attendees)
        spot["appointment"] = {"id": joinable.id, "totalSpots": kind.spots, "takenSpots": taken}
    return spot


def _joinable(state: State, wanted: Wanted) -> dict[datetime, Appointment]:
    """Appointments of a group with places left, by start."""
    return {
        appointment.start: appointment
        for appointment in state.appointments.values()
        if appointment.is_active
        and appointment.kind_id == wanted.kind.id
        and wanted.kind.is_group
        and set(appointment.host_ids) & set(wanted.host_ids)
        and len(appointment.attendees) < wanted.kind.spots
        and appointment.id != wanted.moving
    }


def _calendars(state: State, wanted: Wanted) -> list[list[Frame]]:
    """The free time of each host, or the one calendar of what all of them have free."""
    of_each = [list(_of_host(state, wanted, host_id)) for host_id in wanted.host_ids]
    if not wanted.everyone:
        return of_each
    common = of_each[0] if of_each else []
    for frames in of_each[1:]:
        crossed = [(max(a, c), min(b, d)) for a, b in common for c, d in frames]
        common = [(opens, closes) for opens, closes in crossed if opens < closes]
    return [common]


def _from(now: datetime, frames: Iterable[Frame]) -> list[Frame]:
    return [(max(opens, now), closes) for opens, closes in frames if closes > now]


def _of_host(state: State, wanted: Wanted, host_id: str) -> Iterator[Frame]:
    busy = sorted(
        (appointment.start, appointment.end)
        for appointment in state.appointments.values()
        if appointment.is_active and host_id in appointment.host_ids and appointment.id != wanted.moving
    )
    for opens, closes in _working_hours(wanted, state.timezone):
        at = opens
        for start, end in busy:
            if end <= at or start >= closes:
                continue
            if start > at:
                yield at, start
            at = max(at, end)
        if at < closes:
            yield at, closes


def _working_hours(wanted: Wanted, zone_name: str) -> Iterator[Frame]:
    zone = ZoneInfo(zone_name)
    day = wanted.start.astimezone(zone).date()
    last = min(wanted.end.astimezone(zone).date(), day + timedelta(days=MOST_DAYS))
    while day <= last:
        if day.weekday() < 5:
            yield _at(day, OPENS, zone), _at(day, CLOSES, zone)
        day += timedelta(days=1)


def _at(day: date, hour: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, hour, zone).astimezone(UTC)


def _merged(frames: Iterable[Frame]) -> list[Frame]:
    merged: list[Frame] = []
    for opens, closes in sorted(frames):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return merged


def _starts(frames: Iterable[Frame], length: timedelta) -> Iterator[datetime]:
    """Starts on the grid of half hours from which a whole meeting fits."""
    for opens, closes in frames:
        start = _next_on_grid(opens)
        while start + length <= closes:
            yield start
            start += GRID


def _next_on_grid(moment: datetime) -> datetime:
    past = timedelta(minutes=moment.minute % 30, seconds=moment.second, microseconds=moment.microsecond)
    return moment if not past else moment - past + GRID
