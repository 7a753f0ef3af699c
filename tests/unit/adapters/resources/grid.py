"""The rules of the plan once more, slowly: every unit at every hour, everybody in line tried in turn.

Knows nothing of intervals or of which entries matter, so that it is wrong in other places than the code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

HOURS = range(12)


@dataclass
class Meeting:
    """What one booking wants, and what it has."""

    key: str
    line: int
    start: int
    end: int
    needs: Mapping[str, int]
    units: frozenset[str] = frozenset()
    waits: bool = False

    @property
    def hours(self) -> range:
        return range(self.start, self.end)


@dataclass
class Grid:
    """A plan at one moment; `now` is an hour, what ended by then is over."""

    pools: Mapping[str, Sequence[str]]
    now: int = -1
    meetings: dict[str, Meeting] = field(default_factory=dict)

    def bring(self, wanted: Meeting) -> list[str]:
        """Book, move or change one booking; who else got something by it, in order."""
        before = self.meetings.pop(wanted.key, None)
        if before is not None and before.units:
            wanted.units = self._found(wanted, before.units)
        wanted.waits = not wanted.units
        self.meetings[wanted.key] = wanted
        return [key for key in self._serve(asking=wanted.key) if key != wanted.key]

    def release(self, key: str) -> list[str]:
        """Cancel one booking; who got something by it, in order."""
        self.meetings.pop(key, None)
        return self._serve()

    def could_be_met(self) -> list[str]:
        """Who waits although all it needs is free at every hour it wants."""
        return [
            meeting.key
            for meeting in self.meetings.values()
            if meeting.waits and meeting.end > self.now and self._found(meeting)
        ]

    def taken(self, hour: int, unit: str) -> list[str]:
        """Everybody who has this unit at this hour."""
        return [m.key for m in self.meetings.values() if hour in m.hours and unit in m.units]

    def _serve(self, asking: str = "") -> list[str]:
        """Go through the line; who asks just now is tried even for a time that is over."""
        served = []
        for meeting in sorted(self.meetings.values(), key=lambda one: (one.line, one.key)):
            in_time = meeting.end > self.now or meeting.key == asking
            if meeting.waits and in_time and (units := self._found(meeting)):
                meeting.units, meeting.waits = units, False
                served.append(meeting.key)
        return served

    def _found(self, meeting: Meeting, kept: Iterable[str] = ()) -> frozenset[str]:
        chosen: list[str] = []
        for pool, count in meeting.needs.items():
            free = [
                unit for unit in self.pools[pool] if not any(self.taken(hour, unit) for hour in meeting.hours)
            ]
            if len(free) < count:
                return frozenset()
            own = [unit for unit in free if unit in kept]
            chosen += (own + [unit for unit in free if unit not in own])[:count]
        return frozenset(chosen)
