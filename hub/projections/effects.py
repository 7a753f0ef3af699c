"""What a changed configuration does to one sink, told in numbers and as a line for people."""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.projections.difference import Difference
from hub.projections.sinks import SinkKind

NEW, GONE, BACK, ENABLED, DISABLED, RENAMED = "new", "gone", "back", "enabled", "disabled", "renamed from "
_WORDS = {NEW, BACK, ENABLED, DISABLED}
_SHOWN_KEYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What becomes of a sink; counts are bookings or contacts, `stay_behind` objects at a target.

    `changes` are words of this module, or keys below the sink's entry. `held` of them wait for a person.
    """

    sink: str
    kind: SinkKind
    changes: tuple[str, ...]
    enter: int = 0
    leave: int = 0
    rewrite: int = 0
    stay_behind: int = 0
    held: int = 0

    @classmethod
    def of(
        cls, sink: str, kind: SinkKind, changes: tuple[str, ...], what: Difference, *, held: int
    ) -> "Effect":
        """The effect of these changes."""
        return cls(
            sink=sink,
            kind=kind,
            changes=changes,
            enter=len(what.enter),
            leave=len(what.leave),
            rewrite=len(what.rewrite),
            stay_behind=what.stay_behind,
            held=held,
        )

    @property
    def touches(self) -> int:
        """How many objects at the target are made, changed or removed."""
        return self.enter + self.leave + self.rewrite

    @property
    def text(self) -> str:
        """The effect as a line for people."""
        return f"{self.sink}: {_told(self.changes)}: {'; '.join(self._said())}"

    def _said(self) -> Iterator[str]:
        counts = list(self._counts())
        if counts:
            yield ", ".join(counts)
        if self.stay_behind:
            where = "its target" if GONE in self.changes else "the former target"
            one = self.stay_behind == 1
            yield f"{self.stay_behind} object{'' if one else 's'} {'stays' if one else 'stay'} at {where}"
        if self.held:
            yield f"the guard holds {self.held}, see: bookinghub sinks resume {self.sink} --dry-run"
        if not counts and not self.stay_behind:
            acts = self.kind == "reactor" and not {GONE, DISABLED} & set(self.changes)
            yield "it acts on what happens from now on" if acts else "nothing changes at the target"

    def _counts(self) -> Iterator[str]:
        """The numbers, the first with its noun."""
        noun = f" {'contact' if self.kind == 'contact' else 'booking'}"
        for count, verb, verbs in (
            (self.enter, "enters", "enter"),
            (self.leave, "leaves", "leave"),
            (self.rewrite, "is written again", "are written again"),
        ):
            if count:
                yield f"{count}{noun and noun + ('' if count == 1 else 's')} {verb if count == 1 else verbs}"
                noun = ""


def _told(changes: tuple[str, ...]) -> str:
    """`new`, `match changed`, `config.calendar and match changed`."""
    words = [_word(change) for change in changes if change in _WORDS or change == GONE or _is_rename(change)]
    keys = [
        change for change in changes if change not in _WORDS and change != GONE and not _is_rename(change)
    ]
    if len(keys) > _SHOWN_KEYS:
        keys = [*keys[: _SHOWN_KEYS - 1], f"{len(keys) - _SHOWN_KEYS + 1} more"]
    if keys:
        words.append(f"{', '.join(keys[:-1])} and {keys[-1]} changed" if keys[1:] else f"{keys[0]} changed")
    return ", ".join(words)


def _word(change: str) -> str:
    return "not in the configuration any more" if change == GONE else change


def _is_rename(change: str) -> bool:
    return change.startswith(RENAMED)
