"""New bookings that a command made instead of known ones: whoever sees one first joins it.

The provider may forget what a new booking was made for. Without the link its first sight, be it by webhook,
poll or our own look, would be a second meeting.
"""

from collections.abc import Awaitable, Callable

from events.snapshot import BookingSnapshot
from hub.store import replacements
from hub.store.database import Database

Linked = Callable[[BookingSnapshot], Awaitable[BookingSnapshot]]
"""The first snapshot of a booking, with the link if it was made instead of another one."""


async def as_shown(snapshot: BookingSnapshot) -> BookingSnapshot:
    """Nothing is known but what the provider says."""
    return snapshot


def linked_by(database: Database) -> Linked:
    """Look the link up among the replacements that are under way."""

    async def link(snapshot: BookingSnapshot) -> BookingSnapshot:
        contact_ids = [attendee.contact_id for attendee in snapshot.attendees]
        row = await database.read(
            lambda session: replacements.replaced_by(
                session,
                snapshot.source,
                snapshot.provider_id,
                start=snapshot.start,
                created_at=snapshot.created_at,
                contact_ids=contact_ids,
            )
        )
        if row is None:
            return snapshot
        return snapshot.model_copy(update={"replaces": row.former_id, "reason": row.reason})

    return link
