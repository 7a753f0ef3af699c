"""What another configuration means for the objects of a sink, found by looking at each that matters.

Those are the objects a new sink would take up, and those its target holds; nothing is written here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlmodel import Session, col

from events import Booking, Contact
from hub.projections.current import contact_of
from hub.projections.generations import live_checkpoint
from hub.projections.matching import takes_contact
from hub.projections.sinks import SinkKind, upcoming
from hub.projections.wanted_sinks import WantedSink, changed_keys, is_of_another_kind, turns_away
from hub.settings.match import EVERYTHING, Match
from hub.store.tables import BookingRow, ContactRow, FormerReceiptRow, SinkRow, TargetReceiptRow

KEYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """Keys that a change concerns: new to the target, unwanted there by now, or to be written anew."""

    enter: frozenset[str] = frozenset()
    leave: frozenset[str] = frozenset()
    rewrite: frozenset[str] = frozenset()
    stay_behind: int = 0


def difference(
    session: Session, row: SinkRow, wanted: WantedSink, *, again: Iterable[str] = (), now: datetime
) -> Difference:
    """What follows at the target if the sink works like this; `again` are keys to look at in any case."""
    live = live_checkpoint(session)
    anew = is_of_another_kind(row, wanted)
    if live is None or wanted.kind == "reactor":
        return Difference(stay_behind=_left_behind(session, row.name, None) if anew else 0)
    held = _held(session, row.name, wanted.target)
    before = Match.model_validate(row.applied.get("match", {}))
    elsewhere = anew or turns_away(row, wanted)
    rewritten = any(key != "match" for key in changed_keys(row, wanted))
    asked = _Asked(wanted, before, elsewhere=elsewhere, rewritten=rewritten, again=frozenset(again))
    found: dict[str, set[str]] = {"enter": set(), "leave": set(), "rewrite": set()}
    for state in _states(session, live.generation, wanted, row, held, now):
        verdict = asked.verdict(session, state, held.get(state.key))
        if verdict:
            found[verdict].add(state.key)
    return Difference(
        enter=frozenset(found["enter"]),
        leave=frozenset(found["leave"]),
        rewrite=frozenset(found["rewrite"]),
        stay_behind=_left_behind(session, row.name, wanted.target) if wanted.target is not None else 0,
    )


def taken_up(session: Session, wanted: WantedSink, *, now: datetime) -> int:
    """How many objects a sink that is new takes up."""
    live = live_checkpoint(session)
    if live is None or wanted.kind == "reactor" or wanted.start == "now":
        return 0
    asked = _Asked(wanted, EVERYTHING, elsewhere=True, rewritten=False, again=frozenset())
    new = SinkRow(name=wanted.name, type=wanted.type, first_seen_at=now)
    states = _states(session, live.generation, wanted, new, {}, now)
    return sum(asked.verdict(session, state, None) is not None for state in states)


@dataclass(frozen=True, slots=True)
class _State:
    """One object that could be at the target; `coming` says whether a new sink would take it up."""

    key: str
    state: Booking | Contact
    coming: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """Sorts states by what the change means for them."""

    wanted: WantedSink
    before: Match
    elsewhere: bool
    rewritten: bool
    again: frozenset[str]

    def verdict(self, session: Session, state: _State, held: Mapping[str, str | None] | None) -> str | None:
        if held is None:
            return "enter" if self._enters(session, state) else None
        if not self._takes(session, self.wanted.match, state, held=True):
            return "leave"
        looked_at = state.key in self.again or (self.rewritten and state.coming)
        return "rewrite" if looked_at and self._differs(state, held) else None

    def _enters(self, session: Session, state: _State) -> bool:
        over = isinstance(state.state, Booking) and state.state.status == "cancelled"
        if over or not state.coming or not self._takes(session, self.wanted.match, state, held=False):
            return False
        looked_at = self.elsewhere or state.key in self.again
        if looked_at or not self._takes(session, self.before, state, held=False):
            return True
        return self.rewritten and bool(self.wanted.previewed(state.state))

    def _takes(self, session: Session, match: Match, state: _State, *, held: bool) -> bool:
        if not match.written:
            return True
        if isinstance(state.state, Booking):
            return match.takes(state.state)
        taken = takes_contact(session, match, state.key)
        return held if taken is None else taken

    def _differs(self, state: _State, held: Mapping[str, str | None]) -> bool:
        """Whether something else would be written now; what nobody knows may differ."""
        shown = self.wanted.previewed(state.state)
        return shown is None or dict(shown) != dict(held)


def _states(
    session: Session,
    generation: int,
    wanted: WantedSink,
    row: SinkRow,
    held: Mapping[str, object],
    now: datetime,
) -> Iterator[_State]:
    """Everything that is held, and everything a sink with this start takes up."""
    coming = _coming(wanted, row, generation, now)
    seen: set[str] = set()
    for key, state in _read(session, generation, wanted.kind, coming):
        seen.add(key)
        yield _State(key, state, coming=True)
    rest = sorted(set(held) - seen)
    for at in range(0, len(rest), KEYS_AT_ONCE):
        some = _key(wanted.kind).in_(rest[at : at + KEYS_AT_ONCE])
        for key, state in _read(session, generation, wanted.kind, some):
            yield _State(key, state, coming=False)


def _coming(wanted: WantedSink, row: SinkRow, generation: int, now: datetime) -> ColumnElement[bool]:
    if wanted.start == "beginning":
        return true()
    not_over = upcoming(wanted.kind, generation, now)
    if wanted.start == "upcoming":
        return not_over
    model = BookingRow if wanted.kind == "booking" else ContactRow
    return and_(not_over, col(model.position) > row.start_position)


def _read(
    session: Session, generation: int, kind: SinkKind, wanted: ColumnElement[bool]
) -> Iterator[tuple[str, Booking | Contact]]:
    if kind == "contact":
        contacts = select(ContactRow).where(col(ContactRow.generation) == generation, wanted)
        for row in session.execute(contacts).scalars().all():
            yield row.contact_id, contact_of(row)
        return
    bookings = select(col(BookingRow.booking_id), col(BookingRow.state), col(BookingRow.position))
    rows = session.execute(bookings.where(col(BookingRow.generation) == generation, wanted)).all()
    for key, state, position in rows:
        yield key, Booking.model_validate({**state, "position": position})


def _held(session: Session, sink: str, target: str | None) -> dict[str, dict[str, str | None]]:
    """What the target holds, digests by key and part; receipts set aside count if their target is back."""
    found: dict[str, dict[str, str | None]] = {}
    for model in (FormerReceiptRow, TargetReceiptRow):
        at: ColumnElement[bool] = true()
        if target is not None:
            at = or_(col(model.target) == target, col(model.target).is_(None))
        elif model is FormerReceiptRow:
            continue
        receipts = select(col(model.key), col(model.part), col(model.wanted))
        for key, part, digest in session.execute(receipts.where(col(model.sink) == sink, at)):
            found.setdefault(key, {})[part] = digest
    return found


def _left_behind(session: Session, sink: str, target: str | None) -> int:
    """How many objects are not at this target; None = at any."""
    elsewhere = true() if target is None else col(TargetReceiptRow.target) != target
    counted = select(func.count()).where(col(TargetReceiptRow.sink) == sink, elsewhere)
    count: int = session.execute(counted).scalar_one()
    return count


def _key(kind: SinkKind) -> Any:
    return col(BookingRow.booking_id) if kind == "booking" else col(ContactRow.contact_id)
