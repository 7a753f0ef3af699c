"""The sinks that the reader knows, as rows: every reader of a store makes the same rows of an event.

Read in the transaction that reads the events, so a sink that is added or changed misses and doubles
nothing, whichever hub has its configuration and whichever reads.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from hub.projections.sinks import SinkRegistration
from hub.settings.match import Match
from hub.store import sinks
from hub.store.tables import SinkRow


def registered(session: Session) -> tuple[SinkRegistration, ...]:
    """All sinks for which events make rows, by name."""
    return tuple(_read(row, row.registration) for row in sinks.every(session) if row.registration is not None)


def as_stored(sink: SinkRegistration) -> dict[str, Any]:
    """The registration without name and start, which have columns of their own."""
    return {
        "kind": sink.kind,
        "handles": _listed(sink.handles),
        "events": _listed(sink.events),
        "grace": sink.grace.total_seconds(),
        "max_age": None if sink.max_age is None else sink.max_age.total_seconds(),
        "match": sink.match.written if sink.match else None,
    }


def _read(row: SinkRow, stored: Mapping[str, Any]) -> SinkRegistration:
    max_age = stored["max_age"]
    return SinkRegistration(
        name=row.name,
        kind=stored["kind"],
        start_position=row.start_position,
        handles=_set(stored["handles"]),
        events=_set(stored["events"]),
        grace=timedelta(seconds=stored["grace"]),
        max_age=None if max_age is None else timedelta(seconds=max_age),
        match=Match.model_validate(stored["match"]) if stored["match"] else None,
    )


def _listed(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _set(names: Iterable[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
