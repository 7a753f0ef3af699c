"""Facts that come from the hub's own commands and that no provider shows: each is one step from a state.

A provider may never show the mark of a no-show, has no call that takes one back, and forgets which
booking a new one was made for. What a person did through the hub is therefore recorded as it was done.
"""

from datetime import datetime

from events.booking import AttendeeNoShow, AttendeeNoShowReverted, BookingReplacementRequested
from events.facts import fact_after
from events.state import Attendee, Booking


def missed(state: Booking, attendee: Attendee, *, at: datetime) -> AttendeeNoShow:
    """The attendee was marked by us. The flag stays as the provider showed it: its showing adds nothing."""
    marked = attendee.marked(start=state.start, at=at, present=True)
    after = state.with_attendee(marked.model_copy(update={"no_show_flag": attendee.no_show_flag}))
    about = attendee.attendee_id
    return fact_after(AttendeeNoShow, after, at=at, about=about, attendee_id=about, start=state.start)


def showed_up(state: Booking, attendee: Attendee, *, at: datetime) -> AttendeeNoShowReverted:
    """A person takes the mark back. The provider holds it, shown or not: only its change counts again."""
    after = state.with_attendee(
        attendee.unmarked(start=state.start).model_copy(update={"no_show_flag": True})
    )
    about = attendee.attendee_id
    return fact_after(AttendeeNoShowReverted, after, at=at, about=about, attendee_id=about, start=state.start)


def replacement_requested(
    state: Booking, *, start: datetime, command_id: str, at: datetime
) -> BookingReplacementRequested:
    """A new booking is about to be made instead of this one; nothing has changed yet."""
    return fact_after(
        BookingReplacementRequested, state, at=at, about=command_id, start=start, command_id=command_id
    )
