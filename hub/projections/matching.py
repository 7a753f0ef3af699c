"""Which bookings and contacts a sink takes, asked of the live projections.

A contact is taken if any of its bookings is, also one that is over: the counters of a contact are
about all of them. A contact no booking names any more stays where it is held and goes nowhere new.
"""

from collections.abc import Callable, Iterator

from sqlalchemy import select
from sqlmodel import Session, col

from events import Booking, Contact
from hub.settings.match import Match
from hub.store.tables import AttendeeRow, BookingRow, CheckpointRow

Wants = Callable[[Session, Booking | Contact, bool], bool]
"""Whether a sink wants this state at its target, given whether the target holds something for it."""


def everything(_: Session, __: Booking | Contact, ___: bool) -> bool:
    """A sink without `match`."""
    return True


def wants(match: Match | None) -> Wants:
    """The question a sink with this `match` is asked."""
    if match is None or not match.written:
        return everything

    def wanted(session: Session, state: Booking | Contact, held: bool) -> bool:
        if isinstance(state, Booking):
            return match.takes(state)
        taken = takes_contact(session, match, state.contact_id)
        return held if taken is None else taken

    return wanted


def takes_contact(session: Session, match: Match, contact_id: str) -> bool | None:
    """Whether any booking of the contact is taken; None if none names the contact."""
    taken: bool | None = None
    for booking in bookings_of(session, contact_id):
        if match.takes(booking):
            return True
        taken = False
    return taken


def bookings_of(session: Session, contact_id: str) -> Iterator[Booking]:
    """The bookings somebody attends or attended, the newest first."""
    states = session.execute(
        select(col(BookingRow.state))
        .join(CheckpointRow, col(CheckpointRow.generation) == col(BookingRow.generation))
        .join(
            AttendeeRow,
            (col(AttendeeRow.generation) == col(BookingRow.generation))
            & (col(AttendeeRow.booking_id) == col(BookingRow.booking_id)),
        )
        .where(col(CheckpointRow.live).is_(True), col(AttendeeRow.contact_id) == contact_id)
        .order_by(col(BookingRow.position).desc())
    )
    for state in states.scalars().all():
        yield Booking.model_validate(state)
