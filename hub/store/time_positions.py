"""Where the fact stands that gave a booking its present time: who asked first, whatever changed since."""

from typing import Any

from sqlalchemy import ScalarSelect, func, select
from sqlmodel import col

from events import BookingContinues, BookingCreated, BookingReinstated, BookingRescheduled
from hub.store.tables import BookingRow, TimelineRow

_GIVE_A_TIME = tuple(
    kind.event_type() for kind in (BookingCreated, BookingRescheduled, BookingContinues, BookingReinstated)
)

TIME_POSITION: ScalarSelect[Any] = (
    # The sum keeps SQLite from going through all positions backwards for a maximum.
    select(func.max(col(TimelineRow.position) + 0))
    .where(
        col(TimelineRow.generation) == col(BookingRow.generation),
        col(TimelineRow.booking_id) == col(BookingRow.booking_id),
        col(TimelineRow.type).in_(_GIVE_A_TIME),
    )
    .correlate(BookingRow)
    .scalar_subquery()
)
"""Of a row of bookings in a query; NULL where the timeline knows no such fact."""
