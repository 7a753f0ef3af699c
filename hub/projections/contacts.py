"""The people behind the bookings, with counters that are folded anew whenever a booking of theirs changes.

Reads what `bookings` and `attendees` wrote before it in the same transaction. Nothing is incremented,
so a fact applied twice, or a count the provider corrects, leaves no trace.
"""

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    String,
    bindparam,
    case,
    func,
    null,
    select,
    type_coerce,
)
from sqlalchemy import cast as sql_cast
from sqlmodel import Session, col

from events import Booking, ContactErased
from events.contact import Contribution, contribution, fold_contact, touched_contacts
from hub.projections.attendees import booked_by
from hub.projections.base import Batch, Projection
from hub.projections.bulk import Values, write_rows
from hub.store.statements import table_of
from hub.store.tables import AttendeeRow, BookingRow, ContactRow

# PostgreSQL takes 65,535 parameters in a statement, SQLite 32,766.
CONTACTS_PER_QUERY = 1000


class Contacts(Projection):
    """One row per person; `position` is that of the newest event that touched them."""

    name = "contacts"
    version = 1
    tables = (ContactRow,)

    def apply_batch(self, batch: Batch, session: Session, generation: int) -> None:
        if (erased := batch.erased) is not None:
            positions = _touched_by_erasure(erased, batch.envelopes[0].position, session, generation)
        else:
            positions = _touched(batch)
        contacts = sorted(positions)
        for first in range(0, len(contacts), CONTACTS_PER_QUERY):
            some = contacts[first : first + CONTACTS_PER_QUERY]
            write_rows(session, ContactRow, list(_folded(some, positions, session, generation)))


def _touched(batch: Batch) -> Mapping[str, int]:
    positions: dict[str, int] = {}
    for new in batch.newest.values():
        for contact_id in touched_contacts(new.booking):
            positions[contact_id] = max(new.position, positions.get(contact_id, 0))
    return positions


def _touched_by_erasure(
    erased: ContactErased, position: int, session: Session, generation: int
) -> Mapping[str, int]:
    """The forgotten contact, and those who attended what it booked, for a reason given there is gone."""
    attended = select(col(AttendeeRow.contact_id)).where(
        col(AttendeeRow.generation) == generation,
        col(AttendeeRow.booking_id).in_(booked_by(erased.contact_id, generation)),
    )
    known = session.execute(
        select(col(ContactRow.contact_id), col(ContactRow.position)).where(
            col(ContactRow.generation) == generation,
            col(ContactRow.contact_id).in_(attended) | (col(ContactRow.contact_id) == erased.contact_id),
        )
    )
    return {
        contact_id: position if contact_id == erased.contact_id else before for contact_id, before in known
    }


def _folded(
    contact_ids: Sequence[str], positions: Mapping[str, int], session: Session, generation: int
) -> Iterator[Values]:
    found = _contributions(contact_ids, session, generation)
    for contact_id in contact_ids:
        position = positions[contact_id]
        # Whoever handed all bookings over to a corrected address stays, with zeros.
        handed_over = Contribution(booking_id="", position=position, attended=False)
        contact = fold_contact(contact_id, (*found[contact_id], handed_over))
        assert contact is not None  # noqa: S101 - it had a contribution
        yield {"generation": generation, **contact.model_dump(), "position": position}


def _contributions(
    contact_ids: Sequence[str], session: Session, generation: int
) -> Mapping[str, list[Contribution]]:
    connection = session.connection()
    wanted = {"generation": generation, "contacts": list(contact_ids)}
    rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for found in connection.execute(_query(connection.dialect.name), wanted).mappings():
        row = dict(found)
        rows[row.pop("contact_id"), row["booking_id"]].append(row)
    contributions: dict[str, list[Contribution]] = defaultdict(list)
    for (contact_id, booking_id), mine in rows.items():
        if len(mine) == 1:
            contributions[contact_id].append(Contribution.model_validate(mine[0] | {"attended": True}))
        else:
            # Two places of one person in one booking share marks, which rows do not tell apart.
            state = session.get_one(BookingRow, (generation, booking_id))
            booking = Booking.model_validate({**state.state, "position": state.position})
            contributions[contact_id].append(contribution(booking, contact_id))
    return contributions


@functools.cache
def _query(dialect: str) -> Select[Any]:
    """The members of a contribution by their names; moments as pydantic reads them fastest.

    Composed once: for a few contacts that costs more than the search.
    """
    attendee, booking = table_of(AttendeeRow).c, table_of(BookingRow).c

    def moment(column: Column[Any]) -> ColumnElement[Any]:
        return type_coerce(column, String).concat("+00:00") if dialect == "sqlite" else column

    cancelled_at: ColumnElement[Any] = type_coerce(booking.state, JSON)["cancel", "at"].as_string()
    if dialect == "postgresql":
        cancelled_at = sql_cast(cancelled_at, DateTime(timezone=True))
    # Only a cancellation with a reason is asked for its time; the others need no look into the state.
    reasoned = case((attendee.last_cancellation_reason.is_not(None), cancelled_at), else_=null())
    query: Any = select(
        attendee.contact_id,
        attendee.booking_id,
        booking.position,
        attendee.email,
        attendee.phone,
        attendee.name,
        attendee.cancellations,
        attendee.reschedules,
        attendee.no_shows,
        moment(attendee.last_no_show_at).label("last_no_show_at"),
        func.coalesce(reasoned, moment(attendee.removed_at)).label("cancelled_at"),
        attendee.last_cancellation_reason.label("cancellation_reason"),
        moment(attendee.joined_at).label("first_seen_at"),
        moment(attendee.last_seen_at).label("last_seen_at"),
    )
    generation = bindparam("generation", type_=Integer)
    same_booking = (booking.generation == generation) & (booking.booking_id == attendee.booking_id)
    return cast(
        "Select[Any]",
        query.join_from(table_of(AttendeeRow), table_of(BookingRow), same_booking).where(
            attendee.generation == generation, attendee.contact_id.in_(bindparam("contacts", expanding=True))
        ),
    )
