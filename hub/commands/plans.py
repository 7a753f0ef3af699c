"""What each command comes to for a booking as it is known: the requests, whom the provider mails, or why not.

Pure. What was planned is shown first and done only as it was shown; `preview` names it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.provider import NewBooking, Scope
from events.state import Attendee, Booking
from hub.commands.calls import Call, Cancellation, GuestAdded, GuestRemoved, Move, NoShowMark, Note, brings
from hub.commands.errors import RefusedCommandError, invalid

NOTHING = "nothing to do"


@dataclass(frozen=True, slots=True)
class Plan:
    """One command on one booking; without calls there is nothing to ask the provider for.

    `effect` says it without times, which the booking and `start` hold; `new` is a booking that is made
    first; `attendee_id` is whose mark is taken back; `others` may change along with it. `reason` is kept with
    a move, for which the provider has no place.
    """

    command: str
    booking: Booking
    effect: str
    calls: tuple[Call, ...] = ()
    mailed: tuple[str, ...] = ()
    start: datetime | None = None
    reason: str | None = None
    new: NewBooking | None = None
    attendee_id: str | None = None
    others: tuple[Booking, ...] = ()

    @property
    def preview(self) -> str:
        """The same as long as the same would be done to the same state."""
        named = (self.command, self.booking.booking_id, self.booking.position, self.calls, self.start)
        return hashlib.sha256(repr((*named, self.reason, self.new, self.attendee_id)).encode()).hexdigest()[
            :16
        ]


def reschedule(
    booking: Booking, *, start: datetime, ignore_availability: bool = False, reason: str | None = None
) -> Plan:
    """Move in place."""
    require_active(booking)
    if start == booking.start:
        return Plan("reschedule", booking, NOTHING, start=start)
    call = Move(booking.provider_id, start, ignore_availability)
    return Plan("reschedule", booking, "moves", (call,), mailed_of(booking), start, reason)


def cancel(
    booking: Booking,
    *,
    reason: str | None = None,
    attendee: str | None = None,
    everybody: bool = False,
    series: bool = False,
    refund: bool = False,
) -> Plan:
    """Cancel the whole or one attendee's part; a group's has to say which.

    With a refund a booking that is cancelled already is no obstacle: the money may still have to go back.
    """
    if refund and (attendee is not None or series):
        raise invalid("/refund", "a refund goes with a whole booking, not with an attendee or a series")
    if refund and booking.status == "cancelled":
        return Plan("cancel", booking, "is cancelled already, what was paid goes back", reason=reason)
    require_active(booking)
    if attendee is not None and everybody:
        raise invalid("/attendee", "attendee and all exclude each other")
    if attendee is not None:
        return _cancel_attendee(booking, _named(booking, attendee), reason=reason, series=series)
    if is_group(booking) and not everybody:
        raise RefusedCommandError(
            "group-needs-scope",
            f"this is a group booking with {len(booking.present)} attendees; say whom it concerns: "
            "--attendee A, or --all",
            next=f"bookinghub bookings show {booking.booking_id}",
        )
    call = Cancellation(booking.provider_id, reason, Scope(everybody=everybody, series=series))
    effect = "is cancelled, and what is to come of its series" if series else "is cancelled"
    return Plan("cancel", booking, effect, (call,), mailed_of(booking), reason=reason)


def no_show(booking: Booking, *, attendee: str | None, undo: bool = False) -> Plan:
    """Mark somebody, or take the mark back, for which the provider has no call."""
    command = "undo-no-show" if undo else "no-show"
    one = _only(booking, attendee)
    if one.no_show != undo:
        return Plan(command, booking, NOTHING)
    if undo:
        effect = f"{_called(one)} did show up after all"
        return Plan(command, booking, effect, attendee_id=one.attendee_id)
    require_active(booking)
    return Plan(command, booking, f"{_called(one)} did not show up", (NoShowMark(one.attendee_id),))


def note(booking: Booking, *, text: str, append: bool = False) -> Plan:
    """Replace the host's note, or add to it."""
    whole = f"{booking.notes}\n{text}" if append and booking.notes else text
    if whole == booking.notes:
        return Plan("note", booking, NOTHING)
    effect = "its note gets longer" if append else "its note is replaced" if booking.notes else "gets a note"
    return Plan("note", booking, effect, (Note(booking.provider_id, whole),))


def add_guests(booking: Booking, *, emails: Sequence[str], attendee: str | None = None) -> Plan:
    """Have people come along with an attendee; those who do already are left out."""
    require_active(booking)
    one = _only(booking, attendee)
    new = [email for email in dict.fromkeys(emails) if not brings(booking, email)]
    calls = tuple(GuestAdded(booking.provider_id, one.attendee_id, email) for email in new)
    effect = f"{', '.join(new)} come along with {_called(one)}" if new else NOTHING
    return Plan("add-guest", booking, effect, calls, tuple(new))


def remove_guest(booking: Booking, *, email: str, attendee: str | None = None, listed: bool = True) -> Plan:
    """Have somebody not come along any more; unless guests are `listed`, the address is taken as given."""
    require_active(booking)
    one = _only(booking, attendee)
    written = next((g.email for g in booking.guests if (g.email or "").lower() == email.lower()), None)
    if written is None and listed:
        return Plan("remove-guest", booking, NOTHING)
    written = written or email
    call = GuestRemoved(booking.provider_id, one.attendee_id, written)
    return Plan("remove-guest", booking, f"{written} does not come along any more", (call,))


def require_active(booking: Booking) -> None:
    """Refuse what makes no sense for a cancelled booking."""
    if booking.status == "cancelled":
        raise RefusedCommandError(
            "already-cancelled",
            "the booking is cancelled, which is for good; a new one can be made instead of it",
            next=f"bookinghub bookings rebook {booking.booking_id} --dry-run",
        )


def is_group(booking: Booking) -> bool:
    """Whether others attend independently of each other, as far as is known."""
    return bool(booking.group) or len(booking.present) > 1


def mailed_of(booking: Booking) -> tuple[str, ...]:
    """Whom a provider writes to about the whole booking."""
    attendees = [attendee.email for attendee in booking.present]
    guests = [guest.email for guest in booking.guests]
    return tuple(dict.fromkeys(email for email in (*attendees, *guests) if email))


def chosen_attendee(booking: Booking, attendee: str | None) -> Attendee:
    """The attendee that is meant; nobody has to be named where there is only one."""
    return _only(booking, attendee)


def _cancel_attendee(booking: Booking, attendee: Attendee, *, reason: str | None, series: bool) -> Plan:
    if attendee.removed:
        raise RefusedCommandError("already-cancelled", f"{_called(attendee)} has left the booking already")
    scope = Scope(attendee_id=attendee.attendee_id, series=series)
    call = Cancellation(booking.provider_id, reason, scope)
    mailed = (attendee.email,) if attendee.email else ()
    last = len(booking.present) == 1
    effect = f"{_called(attendee)} leaves" + (", and nobody is left" if last else ", the others stay")
    return Plan("cancel", booking, effect, (call,), mailed, reason=reason)


def _only(booking: Booking, attendee: str | None) -> Attendee:
    if attendee is not None:
        named = _named(booking, attendee)
        if named.removed:
            raise invalid("/attendee", f"{_called(named)} has left the booking")
        return named
    if len(booking.present) == 1:
        return booking.present[0]
    raise invalid("/attendee", f"the booking has {len(booking.present)} attendees; say whom you mean")


def _named(booking: Booking, attendee: str) -> Attendee:
    """By id or mail, else by a part of the name, else by a prefix of the id; who has left comes last."""
    text = attendee.strip().lower()
    everybody = sorted(booking.attendees, key=lambda one: one.removed)
    tests = (
        lambda one: text in (one.attendee_id.lower(), (one.email or "").lower(), one.contact_id.lower()),
        lambda one: bool(text) and text in (one.name or "").lower(),
        lambda one: len(text) >= 6 and one.attendee_id.lower().startswith(text),
    )
    for test in tests:
        hits = [one for one in everybody if test(one)]
        there = [one for one in hits if not one.removed] or hits
        if len(there) == 1:
            return there[0]
        if there:
            raise invalid("/attendee", f"{attendee!r} matches {len(there)} attendees; give an id or a mail")
    raise invalid("/attendee", f"no attendee of this booking matches {attendee!r}")


def _called(attendee: Attendee) -> str:
    return attendee.name or attendee.email or attendee.phone or attendee.attendee_id
