"""The selectors of lists and of acts: each means one thing everywhere, an unknown one is an error."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from hub.web.moments import read_moment
from hub.web.problems import ProblemError
from hub.web.wire import LONGEST, is_text

KNOWN = frozenset(
    {
        "from",
        "to",
        "since",
        "until",
        "booking",
        "contact",
        "sink",
        "source",
        "type",
        "host",
        "meeting_type",
        "state",
        "event",
    }
)
NOT_YET = frozenset({"as_of"})
PAGING = frozenset({"limit", "cursor"})
TIMES = ("from", "to", "since", "until")
LIMIT = 50
MOST = 1000

BOOKING_STATES = ("active", "cancelled")
DELIVERY_STATES = ("pending", "sending", "delivered", "covered", "parked", "dead", "uncertain", "skipped")
HELD = "held"
"""Selects the deliveries that wait for a person because of the guard; their state is pending."""
RECEIPT_STATES = ("accepted", "duplicate", "ignored", "quarantined")
OPERATION_STATES = ("running", "done", "partly", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for: any of the values of one selector, and all selectors together.

    `written` holds times as the caller wrote them, `read_as` shows, in full, those that were completed
    with a zone or the present.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    read_as: Mapping[str, str] = field(default_factory=dict)
    limit: int = LIMIT
    cursor: str | None = None

    def any_of(self, name: str) -> tuple[str, ...]:
        """The values of a selector; empty = not selected by it."""
        return self.values.get(name, ())

    @property
    def named(self) -> dict[str, list[str]]:
        """The selectors without paging, as written, so that `2h` stays the same from page to page."""
        chosen = {name: sorted(values) for name, values in self.values.items()}
        chosen |= {name: [text] for name, text in self.written.items()}
        return dict(sorted(chosen.items()))

    @property
    def given(self) -> bool:
        """Whether anything narrows the choice."""
        return bool(self.values or self.times)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the selectors of one request, collecting every problem before it refuses."""

    allowed: frozenset[str]
    states: Sequence[str]
    now: datetime
    zone: ZoneInfo

    def read(self, given: Iterable[tuple[str, str]]) -> Selection:
        """Turn name and value pairs into a selection; raises ProblemError `invalid`."""
        errors: list[dict[str, str]] = []
        values: dict[str, tuple[str, ...]] = {}
        for shown, value in given:
            name = shown.replace("-", "_")
            problem = self._problem_with(name, shown, value)
            if problem:
                errors.append({"pointer": f"/{shown}", "detail": problem})
            elif value not in values.get(name, ()):
                values[name] = (*values.get(name, ()), value)
        limit = self._limit(values.pop("limit", ()), errors)
        cursor = values.pop("cursor", ("",))[-1] or None
        written = {name: values.pop(name)[-1] for name in TIMES if name in values}
        times, read_as = self._times(written, errors)
        if errors:
            raise ProblemError("invalid", "; ".join(error["detail"] for error in errors), errors=errors)
        return Selection(values, times, written, read_as, limit, cursor)

    def _problem_with(self, name: str, written: str, value: str) -> str | None:
        if name in PAGING & self.allowed:
            return None
        if name not in self.allowed:
            return self._unknown(name, written)
        if not is_text(value):
            return f"{written} needs a value of 1 to {LONGEST} characters"
        if name == "state" and value not in self.states:
            return f"state {value[:40]!r} is none of {', '.join(self.states)}"
        return None

    def _unknown(self, name: str, written: str) -> str:
        shown = written[:40]
        if name in NOT_YET:
            return f"{shown}: not yet"
        if name in KNOWN:
            return f"the selector {shown} does not apply here; use {', '.join(sorted(self.allowed))}"
        nearest = difflib.get_close_matches(name, sorted(self.allowed), n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        return f"unknown selector {shown!r}{hint}"

    def _limit(self, written: tuple[str, ...], errors: list[dict[str, str]]) -> int:
        if not written:
            return LIMIT
        text = written[-1]
        if len(text) < 10 and text.isascii() and text.isdigit() and 1 <= int(text) <= MOST:
            return int(text)
        errors.append({"pointer": "/limit", "detail": f"limit is a whole number from 1 to {MOST}"})
        return LIMIT

    def _times(
        self, written: Mapping[str, str], errors: list[dict[str, str]]
    ) -> tuple[dict[str, datetime], dict[str, str]]:
        times: dict[str, datetime] = {}
        read_as: dict[str, str] = {}
        for name, text in written.items():
            try:
                moment = read_moment(
                    text,
                    now=self.now,
                    zone=self.zone,
                    ago=name in ("since", "until"),
                    end_of_day=name in ("to", "until"),
                )
            except ValueError as error:
                errors.append({"pointer": f"/{name}", "detail": f"{name}: {error}"})
                continue
            times[name] = moment.at
            if moment.assumed:
                read_as[name] = moment.at.astimezone(self.zone).isoformat()
        return times, read_as
