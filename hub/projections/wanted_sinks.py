"""A sink as the configuration wants it, beside what the store remembers of how it works now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from events import Booking, Contact
from hub.projections.sinks import SinkKind, SinkRegistration, SinkStart
from hub.settings.match import EVERYTHING, Match
from hub.store.tables import SinkRow

Previewed = Callable[[Booking | Contact], Mapping[str, str] | None]
"""A digest of the wanted object per part; None if the adapter does not show what it would write."""


def not_shown(_: Booking | Contact) -> None:
    """This adapter does not say what it would write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSink:
    """A sink as the configuration wants it.

    `leaves` are digests of the settings that decide what stands at the target, by key. `target` is None
    where the adapter cannot name it before it is opened.
    """

    registration: SinkRegistration
    type: str
    start: SinkStart
    enabled: bool = True
    guard: int | None = None
    renamed_from: str | None = None
    target: str | None = None
    leaves: Mapping[str, str] = field(default_factory=dict)
    previewed: Previewed = not_shown

    @property
    def name(self) -> str:
        return self.registration.name

    @property
    def kind(self) -> SinkKind:
        return self.registration.kind

    @property
    def match(self) -> Match:
        return self.registration.match or EVERYTHING

    @property
    def applied(self) -> dict[str, Any]:
        """What is remembered once the sink works like this."""
        return {
            "type": self.type,
            "match": self.match.written,
            "leaves": dict(self.leaves),
            "target": self.target,
        }


def changed_keys(row: SinkRow, wanted: WantedSink) -> tuple[str, ...]:
    """What of the sink is configured otherwise than it works now, as keys below the sink's entry."""
    applied = row.applied
    if "match" not in applied:
        return ()
    changed = ["type"] if applied["type"] != wanted.type else []
    if applied["match"] != wanted.match.written:
        changed.append("match")
    before, after = applied["leaves"], wanted.leaves
    changed += [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return tuple(changed)


def turns_away(row: SinkRow, wanted: WantedSink) -> bool:
    """Whether the sink writes to another target from now on, as far as that is known."""
    before = row.applied.get("target") or row.target
    return wanted.target is not None and before is not None and before != wanted.target


def is_of_another_kind(row: SinkRow, wanted: WantedSink) -> bool:
    """Whether what waits for the sink was meant for another kind; a reactor that is retired has none."""
    before = row.registration["kind"] if row.registration else "reactor"
    return bool(row.applied) and before != wanted.kind
