"""Times as people write them in selectors: `2h`, a date, RFC 3339, or local time of the hub."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*")


@dataclass(frozen=True, slots=True)
class Moment:
    """A resolved time; `assumed` if a zone or the present had to be added to what was written."""

    at: datetime
    assumed: bool


def read_moment(text: str, *, now: datetime, zone: ZoneInfo, ago: bool, end_of_day: bool = False) -> Moment:
    """Read one time; raises ValueError that says what can be written.

    `ago` allows durations before now; `end_of_day` makes a bare date mean the midnight after it.
    """
    text = text.strip()
    duration = _DURATION.fullmatch(text)
    if duration:
        return Moment(_before(now, duration, ago=ago), assumed=True)
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text) + (timedelta(days=1) if end_of_day else timedelta())
            return Moment(datetime.combine(day, time(), tzinfo=zone).astimezone(UTC), assumed=True)
        if not _CLOCK.fullmatch(text):
            raise ValueError("neither")
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return Moment(moment.replace(tzinfo=zone).astimezone(UTC), assumed=True)
        return Moment(moment.astimezone(UTC), assumed=False)
    except (ValueError, OverflowError) as error:
        wanted = (
            "2h, a date such as 2026-10-27, or RFC 3339" if ago else "a date such as 2026-10-27, or RFC 3339"
        )
        raise ValueError(f"{text[:40]!r} is not a time; write {wanted}") from error


def refuse_unclear(text: str, zone: ZoneInfo) -> None:
    """Raise ValueError for a local time that a change of clocks leaves out or brings twice."""
    written = text.strip()
    if not _CLOCK.fullmatch(written) or (moment := datetime.fromisoformat(written)).tzinfo is not None:
        return
    first, second = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first != second:
        happens = "occurs twice" if first > second else "does not occur"  # type: ignore[operator]
        raise ValueError(
            f"{written} {happens} in {zone.key}, where the clocks change; write it with its offset"
        )


def _before(now: datetime, duration: re.Match[str], *, ago: bool) -> datetime:
    if not ago:
        raise ValueError(f"{duration[0]!r}: a duration says nothing here; write a date or RFC 3339")
    try:
        return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    except OverflowError as error:
        raise ValueError(f"{duration[0]!r} is too long ago") from error
