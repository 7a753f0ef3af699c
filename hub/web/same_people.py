"""Bookings that may go along with one of a series: the provider names no series, so its people do."""

from dataclasses import replace

from sqlmodel import Session, col, select

from events.state import Booking
from hub.commands.plans import Plan
from hub.store import checkpoints
from hub.store.tables import AttendeeRow, BookingRow
from hub.web.present import booking_of
from hub.web.services import HubServices

MOST = 60
"""A weekly series of a year; whatever is beyond shows by its webhooks or the next poll."""


async def later_of_same_people(services: HubServices, plan: Plan) -> Plan:
    """The plan with the later bookings of the same people and meeting type: they are looked at as well."""
    others = await services.database.read(lambda session: _later(session, plan.booking))
    return replace(plan, others=tuple(others))


def _later(session: Session, booking: Booking) -> list[Booking]:
    live = checkpoints.live(session)
    kind = booking.meeting_type.id if booking.meeting_type else None
    if live is None or kind is None:
        return []
    contact_ids = [attendee.contact_id for attendee in booking.present]
    attended = select(AttendeeRow.booking_id).where(
        AttendeeRow.generation == live.generation, col(AttendeeRow.contact_id).in_(contact_ids)
    )
    rows = session.exec(
        select(BookingRow)
        .where(
            BookingRow.generation == live.generation,
            BookingRow.source == booking.source,
            BookingRow.status == "active",
            BookingRow.meeting_type_id == kind,
            col(BookingRow.start) > booking.start,
            col(BookingRow.booking_id).in_(attended),
        )
        .order_by(col(BookingRow.start))
        .limit(MOST)
    ).all()
    return [booking_of(row) for row in rows]
