"""From what a source shows to what happened: `derive(state, snapshot) -> facts`.

Pure and law-abiding: for every k, `derive(fold(history + facts[:k]), snapshot) == facts[k:]`. Facts
come in a fixed order, each computed on the state that the one before left, and only the last one
settles the version; so a derivation that was cut off anywhere is completed by the next snapshot.
All hard semantics of all sources live here; a source only says what it sees.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from events.base import BookingEvent
from events.booking import (
    AttendeeAdded,
    AttendeeDetailsChanged,
    AttendeeNoShow,
    AttendeeNoShowReverted,
    AttendeeRemoved,
    BookingCancelled,
    BookingContinues,
    BookingCreated,
    BookingDetailsChanged,
    BookingReinstated,
    BookingRescheduled,
)
from events.details import (
    changed_details,
    joined_attendees,
    shown_details,
    with_attendee_details,
    with_details,
)
from events.facts import event_after, fact_after, latest
from events.snapshot import AttendeeSnapshot, BookingSnapshot
from events.state import Attendee, Booking, Cancel
from events.versions import cut, outranks, standing

Step = Callable[[Booking, BookingSnapshot], Iterator[BookingEvent]]


def fold(history: Sequence[BookingEvent]) -> Booking | None:
    """The state after a history: that of its newest event, since every event carries it."""
    return history[-1].booking if history else None


def derive(state: Booking | None, snapshot: BookingSnapshot) -> tuple[BookingEvent, ...]:
    """The facts that lead from this state to what the snapshot shows; none if it shows nothing newer."""
    if state is None:
        created = _created(snapshot)
        return _settled((created, *_differences(created.booking, snapshot)), snapshot)
    if not _counts(state, snapshot):
        return ()
    newer = standing(state, snapshot) == "newer"
    facts = tuple(_differences(_unsettled(state, snapshot), snapshot))
    if not facts and newer:
        facts = (_details_changed(_unsettled(state, snapshot), snapshot, ("updated_at",)),)
    return _settled(facts, snapshot)


def unconfirmed(state: Booking | None, snapshot: BookingSnapshot) -> bool:
    """Whether the snapshot says more than it may: a payload cannot bring a cancelled booking back."""
    return (
        state is not None
        and _is_same_half(state, snapshot)
        and _would_reinstate(state, snapshot)
        and snapshot.origin == "payload"
        and standing(state, snapshot) == "newer"
    )


def continue_chain(former: Booking, snapshot: BookingSnapshot) -> tuple[BookingEvent, ...]:
    """Join a replacement to the booking it replaces; the facts belong into one atomic batch, in this order.

    `former` is the folded state of the half that counts now. The new id's history opens with
    `BookingContinues`, the former half's ends with `BookingRescheduled(replaced_by)`. Attendees are
    matched by contact across halves; a cancellation of the former half turns out to be none.
    """
    occurred_at = snapshot.created_at or snapshot.seen_at
    joined = _joined(former, snapshot, occurred_at)
    later = tuple(_differences(joined, snapshot))
    carried = joined if later else _settle(joined, snapshot)
    continues = BookingContinues(
        occurred_at=occurred_at, provider_id=snapshot.provider_id, booking=carried, root=former.booking_id
    )
    moved = BookingRescheduled(
        occurred_at=occurred_at,
        provider_id=former.provider_id,
        booking=carried,
        previous_start=former.start,
        previous_end=former.end,
        start=snapshot.start,
        end=snapshot.end,
        reason=snapshot.reason,
        replaced_by=snapshot.provider_id,
    )
    return (continues, moved, *_settled(later, snapshot))


def _joined(former: Booking, snapshot: BookingSnapshot, occurred_at: datetime) -> Booking:
    active = former.reinstated() if former.status == "cancelled" else former
    moved = active.moved(start=snapshot.start, end=snapshot.end, previous_start=former.start)
    joined = moved.model_copy(
        update={
            "provider_id": snapshot.provider_id,
            "provider_ids": (*former.provider_ids, snapshot.provider_id),
            "attendees": joined_attendees(moved.attendees, snapshot),
            "rescheduled_at": occurred_at,
            "last_reason": snapshot.reason or former.last_reason,
            "fact_at": latest(former.fact_at, occurred_at),
        }
    )
    return _unsettled(with_details(joined, snapshot, changed_details(joined, snapshot)), snapshot)


def _counts(state: Booking, snapshot: BookingSnapshot) -> bool:
    if not _is_same_half(state, snapshot):
        return False
    age = standing(state, snapshot)
    if age == "older" or (_would_reinstate(state, snapshot) and snapshot.origin == "payload"):
        return False
    if age == "newer" or not state.settled or snapshot.origin == "api":
        return True
    return state.version_origin == "payload" and outranks(state, snapshot)


def _is_same_half(state: Booking, snapshot: BookingSnapshot) -> bool:
    return state.source == snapshot.source and state.provider_id == snapshot.provider_id


def _would_reinstate(state: Booking, snapshot: BookingSnapshot) -> bool:
    return state.status == "cancelled" and not snapshot.cancelled


def _unsettled(state: Booking, snapshot: BookingSnapshot) -> Booking:
    if snapshot.version is None:
        return state.model_copy(update={"settled": False})
    return state.model_copy(
        update={
            "settled": False,
            "version": snapshot.version,
            "version_precision": snapshot.version_precision,
            "version_origin": snapshot.origin,
            "updated_at": snapshot.updated_at or state.updated_at,
        }
    )


def _settle(state: Booking, snapshot: BookingSnapshot) -> Booking:
    return _unsettled(state, snapshot).model_copy(update={"settled": True})


def _settled(facts: tuple[BookingEvent, ...], snapshot: BookingSnapshot) -> tuple[BookingEvent, ...]:
    if not facts:
        return ()
    *before, last = facts
    return (*before, last.model_copy(update={"booking": _settle(last.booking, snapshot)}))


def _differences(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    for step in _STEPS:
        for fact in step(state, snapshot):
            state = fact.booking
            yield fact


def _changed_at(snapshot: BookingSnapshot) -> datetime:
    return snapshot.updated_at or snapshot.version or snapshot.seen_at


def _created(snapshot: BookingSnapshot) -> BookingCreated:
    at = snapshot.created_at or snapshot.seen_at
    start = _previous_start(snapshot) or snapshot.start
    related = (snapshot.replaces,) if snapshot.replaces else ()
    booking = Booking(
        source=snapshot.source,
        provider_id=snapshot.provider_id,
        booking_id=snapshot.provider_id,
        provider_ids=(snapshot.provider_id,),
        start=start,
        end=start + (snapshot.end - snapshot.start),
        attendees=tuple(_new_attendee(shown, added_at=at) for shown in snapshot.attendees),
        booker=snapshot.booker or next((a.contact_id for a in snapshot.attendees), None),
        related=related,
        created_at=at,
    )
    return event_after(BookingCreated, _unsettled(shown_details(booking, snapshot), snapshot), at=at)


def _previous_start(snapshot: BookingSnapshot) -> datetime | None:
    return None if snapshot.previous_start == snapshot.start else snapshot.previous_start


def _new_attendee(shown: AttendeeSnapshot, *, added_at: datetime) -> Attendee:
    new = Attendee(attendee_id=shown.attendee_id, contact_id=shown.contact_id, added_at=added_at)
    return with_attendee_details(new, shown)[0]


def _reinstate(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    if _would_reinstate(state, snapshot):
        yield fact_after(BookingReinstated, state.reinstated(), at=_changed_at(snapshot))


def _move(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    later = _is_moved_later(state, snapshot)
    if snapshot.start == state.start and not later:
        return
    previous = _previous_start(snapshot) or (state.start if state.start != snapshot.start else None)
    after = state.moved(start=snapshot.start, end=snapshot.end, previous_start=previous)
    after = after.model_copy(
        update={
            "rescheduled_at": snapshot.rescheduled_at if later else state.rescheduled_at,
            "last_reason": snapshot.reason or state.last_reason,
            "reschedule_count": _reschedule_count(after, snapshot),
        }
    )
    members = {
        "previous_start": after.previous_start,
        "previous_end": after.previous_end,
        "start": after.start,
        "end": after.end,
        "rescheduled_at": after.rescheduled_at,
        "reason": snapshot.reason,
    }
    if later:
        yield event_after(
            BookingRescheduled, after, at=snapshot.rescheduled_at or snapshot.seen_at, **members
        )
    else:
        about = after.start.isoformat()
        yield fact_after(BookingRescheduled, after, at=_changed_at(snapshot), about=about, **members)


def _is_moved_later(state: Booking, snapshot: BookingSnapshot) -> bool:
    """A `rescheduledAt` later than any in this history proves a move, even back to the same start."""
    if snapshot.rescheduled_at is None:
        return False
    return state.rescheduled_at is None or cut(snapshot.rescheduled_at, 0) > cut(state.rescheduled_at, 0)


def _reschedule_count(after: Booking, snapshot: BookingSnapshot) -> int:
    given = snapshot.reschedule_count if len(after.provider_ids) == 1 else None
    return after.reschedule_count if given is None else given


def _leave(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    shown = {attendee.attendee_id for attendee in snapshot.attendees}
    at = _changed_at(snapshot)
    for attendee in sorted(state.present, key=lambda a: a.attendee_id):
        if attendee.attendee_id not in shown:
            removals = attendee.removals + (not attendee.cancelled)
            gone = attendee.model_copy(update={"removed": True, "removed_at": at, "removals": removals})
            fact = fact_after(
                AttendeeRemoved,
                state.with_attendee(gone),
                at=at,
                about=attendee.attendee_id,
                attendee_id=attendee.attendee_id,
            )
            state = fact.booking
            yield fact


def _join(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    at = _changed_at(snapshot)
    for shown in sorted(snapshot.attendees, key=lambda a: a.attendee_id):
        known = state.attendee(shown.attendee_id)
        if known is None or known.removed:
            back = known and known.model_copy(update={"removed": False, "removed_at": None})
            joined = with_attendee_details(back, shown)[0] if back else _new_attendee(shown, added_at=at)
            fact = fact_after(
                AttendeeAdded,
                state.with_attendee(joined),
                at=at,
                about=shown.attendee_id,
                attendee_id=shown.attendee_id,
            )
            state = fact.booking
            yield fact


def _attendee_details(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    for shown in sorted(snapshot.attendees, key=lambda a: a.attendee_id):
        known = state.attendee(shown.attendee_id)
        if known is None:
            continue
        after, changed = with_attendee_details(known, shown)
        if changed:
            fact = fact_after(
                AttendeeDetailsChanged,
                state.with_attendee(after),
                at=_changed_at(snapshot),
                about=shown.attendee_id,
                attendee_id=shown.attendee_id,
                changed=changed,
                previous_contact_id=known.contact_id if known.contact_id != after.contact_id else None,
            )
            state = fact.booking
            yield fact


def _marks(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    for shown in sorted(snapshot.attendees, key=lambda a: a.attendee_id):
        known = state.attendee(shown.attendee_id)
        if known is None or shown.no_show is None or shown.no_show == known.no_show_flag:
            continue
        fact = _mark(state, known, shown, snapshot) if shown.no_show else _unmark(state, known, snapshot)
        state = fact.booking
        yield fact


def _mark(
    state: Booking, known: Attendee, shown: AttendeeSnapshot, snapshot: BookingSnapshot
) -> BookingEvent:
    """A mark not later than the last move belongs to an earlier start: counted, not standing now.

    One that stands already came from our own command; then there is only the flag to remember.
    """
    if known.no_show:
        return _flag_changed(state, known, snapshot, flag=True)
    at = shown.no_show_at or snapshot.seen_at
    moved_at = state.rescheduled_at
    present = shown.no_show_at is None or moved_at is None or cut(shown.no_show_at, 0) > cut(moved_at, 0)
    start = state.start if present else state.previous_start
    return fact_after(
        AttendeeNoShow,
        state.with_attendee(known.marked(start=start, at=at, present=present)),
        at=at,
        about=known.attendee_id,
        attendee_id=known.attendee_id,
        start=start,
    )


def _unmark(state: Booking, known: Attendee, snapshot: BookingSnapshot) -> BookingEvent:
    """The flag went down: reverts a standing mark; after a move there is only the flag to remember."""
    at = _changed_at(snapshot)
    about = known.attendee_id
    if known.no_show:
        after = state.with_attendee(known.unmarked(start=state.start))
        return fact_after(
            AttendeeNoShowReverted, after, at=at, about=about, attendee_id=about, start=state.start
        )
    return _flag_changed(state, known, snapshot, flag=False)


def _flag_changed(
    state: Booking, known: Attendee, snapshot: BookingSnapshot, *, flag: bool
) -> AttendeeDetailsChanged:
    return fact_after(
        AttendeeDetailsChanged,
        state.with_attendee(known.model_copy(update={"no_show_flag": flag})),
        at=_changed_at(snapshot),
        about=known.attendee_id,
        attendee_id=known.attendee_id,
        changed=("no_show_flag",),
    )


def _details(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    changed = changed_details(state, snapshot)
    if changed:
        yield _details_changed(with_details(state, snapshot, changed), snapshot, changed)


def _details_changed(
    after: Booking, snapshot: BookingSnapshot, changed: tuple[str, ...]
) -> BookingDetailsChanged:
    return fact_after(BookingDetailsChanged, after, at=_changed_at(snapshot), changed=changed)


def _cancel(state: Booking, snapshot: BookingSnapshot) -> Iterator[BookingEvent]:
    if state.status == "cancelled" or not snapshot.cancelled:
        return
    cancel = snapshot.cancel or Cancel()
    at = cancel.at or _changed_at(snapshot)
    yield fact_after(
        BookingCancelled,
        state.cancelled(cancel),
        at=at,
        cancelled_at=cancel.at,
        actor=cancel.actor,
        by=cancel.by,
        reason=cancel.reason,
    )


_STEPS: tuple[Step, ...] = (
    _reinstate,
    _move,
    _leave,
    _join,
    _attendee_details,
    _marks,
    _details,
    _cancel,
)
