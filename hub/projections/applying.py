"""Applying a configuration of the sinks: one transaction that registers, compares, asks and remembers.

The same look tells beforehand what would happen. Nothing is done to a target here: rows are made, and
whoever works by an older configuration is fenced off by the sink's revision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from hub.projections.difference import Difference, difference, taken_up
from hub.projections.effects import BACK, DISABLED, ENABLED, GONE, NEW, RENAMED, Effect
from hub.projections.generations import live_checkpoint
from hub.projections.registered import as_stored
from hub.projections.sinks import SinkKind, choose_start, register_sink
from hub.projections.wanted_sinks import WantedSink, changed_keys, is_of_another_kind
from hub.projections.wanting import is_too_much, want_again, withdraw
from hub.store import deliveries, former, renaming, sinks
from hub.store.deliveries import DeliveryFilter
from hub.store.tables import SinkRow, TargetReceiptRow

CONFIG = "config:"
"""How the cause of a row begins that a changed configuration asked for; the sink's revision follows."""

OF_ANOTHER_KIND = "the sink was of another kind"
"""Why a row is skipped that waited when its sink got another type."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, and the sinks as they are known now."""

    effects: tuple[Effect, ...]
    rows: Mapping[str, SinkRow]


def foresee(session: Session, wanted: Sequence[WantedSink], *, now: datetime) -> tuple[Effect, ...]:
    """What applying this configuration would do now; reads only."""
    found = []
    for sink in wanted:
        row = _row(session, sink)
        changes = _changes(row, sink)
        if changes and row is None:
            found.append(_first_effect(session, sink, changes, now=now))
        elif changes and row is not None:
            what = difference(session, row, sink, now=now) if sink.enabled else Difference()
            held = _would_hold(session, row, sink, what, now)
            found.append(Effect.of(sink.name, sink.kind, changes, what, held=held))
    return (*found, *(_gone(session, row) for row in _newly_gone(session, wanted)))


def apply(session: Session, wanted: Sequence[WantedSink], *, log_position: int, now: datetime) -> Applied:
    """Make the sinks work like this from now on; the same again changes nothing."""
    # First of all: no reader is in the middle of a batch with the sinks as they were.
    live_checkpoint(session, lock=True)
    effects = []
    for sink in wanted:
        effect = _apply(session, sink, log_position=log_position, now=now)
        if effect is not None:
            effects.append(effect)
    for row in _newly_gone(session, wanted):
        effects.append(_gone(session, row))
        _retire(session, row, GONE)
    session.flush()
    session.expire_all()
    return Applied(tuple(effects), {row.name: row for row in sinks.every(session)})


def _apply(session: Session, wanted: WantedSink, *, log_position: int, now: datetime) -> Effect | None:
    changes = _changes(_row(session, wanted), wanted)
    if wanted.renamed_from is not None:
        renaming.carry_over(session, old=wanted.renamed_from, new=wanted.name)
    row = sinks.get(session, wanted.name)
    if row is None:
        return _begin(session, wanted, changes, log_position=log_position, now=now) if changes else None
    if not wanted.enabled:
        _retire(session, row, DISABLED)
        return Effect.of(wanted.name, wanted.kind, changes, Difference(), held=0) if changes else None
    if is_of_another_kind(row, wanted):
        _clear(session, row, wanted, log_position=log_position, now=now)
    effect = _change(session, row, wanted, changes, now) if changes or not row.applied else None
    sinks.register(session, wanted.name, as_stored(wanted.registration))
    return effect


def _begin(
    session: Session, wanted: WantedSink, changes: tuple[str, ...], *, log_position: int, now: datetime
) -> Effect:
    """First sight: the sink's start is chosen and its first rows are made."""
    effect = _first_effect(session, wanted, changes, now=now)
    register_sink(
        session,
        wanted.name,
        type=wanted.type,
        kind=wanted.kind,
        start=wanted.start,
        log_position=log_position,
        now=now,
    )
    sinks.register(session, wanted.name, as_stored(wanted.registration))
    retired = {} if wanted.enabled else {DISABLED: True}
    sinks.apply(session, wanted.name, applied={**wanted.applied, **retired})
    return effect


def _clear(session: Session, row: SinkRow, wanted: WantedSink, *, log_position: int, now: datetime) -> None:
    """What waited for a sink of another kind is none of this one's, which begins like any new one."""
    deliveries.drop(session, DeliveryFilter(sink=row.name), now=now, reason=OF_ANOTHER_KIND, sending=True)
    live = live_checkpoint(session)
    read = live.position if live is not None else 0
    row.start_position = choose_start(wanted.kind, wanted.start, read=read, log_position=log_position)
    session.flush()


def _change(
    session: Session, row: SinkRow, wanted: WantedSink, changes: tuple[str, ...], now: datetime
) -> Effect | None:
    """A known sink works otherwise from now on; what an earlier change asked for is decided anew."""
    name = wanted.name
    again = withdraw(session, name, cause=CONFIG, reason="the configuration changed again", now=now)
    what = difference(session, row, wanted, again=again, now=now) if row.applied else Difference()
    if wanted.target is not None:
        former.turn_to(session, name, target=wanted.target, now=now)
    sinks.see(session, name, type=wanted.type, start_position=row.start_position, now=now)
    revision = sinks.apply(session, name, applied=wanted.applied)
    asked = want_again(
        session,
        name,
        wanted.kind,
        what.enter | what.leave | what.rewrite,
        harmful=what.leave | what.rewrite,
        cause=f"{CONFIG}{revision}",
        guard=wanted.guard,
        now=now,
    )
    return Effect.of(name, wanted.kind, changes, what, held=asked.held) if changes else None


def _first_effect(session: Session, wanted: WantedSink, changes: tuple[str, ...], *, now: datetime) -> Effect:
    enter = taken_up(session, wanted, now=now) if wanted.enabled else 0
    return Effect(sink=wanted.name, kind=wanted.kind, changes=changes, enter=enter)


def _retire(session: Session, row: SinkRow, mark: str) -> None:
    """Nobody works for it any more; a mirror goes on collecting what it will have to catch up."""
    if row.registration is not None and row.registration["kind"] == "reactor":
        sinks.register(session, row.name, None)
    if not row.applied.get(mark):
        sinks.apply(session, row.name, applied={**row.applied, mark: True})


def _row(session: Session, wanted: WantedSink) -> SinkRow | None:
    """What is known of the sink, under its former name if it has not been carried over yet."""
    row = sinks.get(session, wanted.name)
    if row is None and wanted.renamed_from is not None:
        row = sinks.get(session, wanted.renamed_from)
    return row


def _changes(row: SinkRow | None, wanted: WantedSink) -> tuple[str, ...]:
    """How the sink differs from what is known of it; empty = in nothing that matters."""
    if row is None:
        if wanted.enabled:
            return (NEW,)
        return () if wanted.kind == "reactor" else (NEW, DISABLED)
    changes = [f"{RENAMED}{row.name}"] if row.name != wanted.name else []
    if row.applied.get(GONE):
        changes.append(BACK)
    if bool(row.applied.get(DISABLED)) == wanted.enabled:
        changes.append(ENABLED if wanted.enabled else DISABLED)
    return (*changes, *(changed_keys(row, wanted) if wanted.enabled else ()))


def _would_hold(session: Session, row: SinkRow, wanted: WantedSink, what: Difference, now: datetime) -> int:
    harmful = len(what.leave) + len(what.rewrite)
    if wanted.guard is None or not is_too_much(session, row.name, harmful, guard=wanted.guard, now=now):
        return 0
    return harmful


def _newly_gone(session: Session, wanted: Sequence[WantedSink]) -> list[SinkRow]:
    """Sinks that work, and that the configuration does not name any more under either name."""
    named = {sink.name for sink in wanted}
    named |= {row.name for sink in wanted if (row := _row(session, sink)) is not None}
    return [row for row in sinks.every(session) if row.name not in named and not row.applied.get(GONE)]


def _gone(session: Session, row: SinkRow) -> Effect:
    held = select(func.count()).where(col(TargetReceiptRow.sink) == row.name)
    kind: SinkKind = row.registration["kind"] if row.registration else "reactor"
    count = session.execute(held).scalar_one()
    return Effect(sink=row.name, kind=kind, changes=(GONE,), stay_behind=count)
