"""Adds to a snapshot who its people are: the contact ids, which only the holder of a secret can compute."""

from typing import Protocol

from events.snapshot import AttendeeSnapshot, BookingSnapshot
from events.state import Attendee, Booking


class Identities(Protocol):
    """Computes contact ids."""

    def contact_id(
        self, source: str, attendee_id: str | None, *, email: str | None = None, phone: str | None = None
    ) -> str:
        """The same person's id everywhere."""
        ...


def with_contacts(
    snapshot: BookingSnapshot, state: Booking | None, identities: Identities
) -> BookingSnapshot:
    """The snapshot with a contact for everybody in it, and for the texts typed into a new booking."""
    source = snapshot.source
    attendees = tuple(
        shown.model_copy(
            update={"contact_id": _contact(shown, _known(state, shown.attendee_id), source, identities)}
        )
        for shown in snapshot.attendees
    )
    guests = tuple(
        guest.model_copy(update={"contact_id": identities.contact_id(source, None, email=guest.email)})
        for guest in snapshot.guests
    )
    added: dict[str, object] = {"attendees": attendees}
    if snapshot.knows("guests"):
        added["guests"] = guests
    if state is None:
        # Without any attendee the texts still need an owner, or they would be stored unsealed.
        first = next((shown.contact_id for shown in attendees), None)
        added["booker"] = first or identities.contact_id(source, f"booking {snapshot.provider_id}")
    return snapshot.model_copy(update=added)


def _known(state: Booking | None, attendee_id: str) -> Attendee | None:
    return state.attendee(attendee_id) if state else None


def _contact(shown: AttendeeSnapshot, known: Attendee | None, source: str, identities: Identities) -> str:
    """A payload without address or number says nothing about who it is: what is known stays."""
    email, phone = shown.email, shown.phone
    if known is not None:
        email = email if shown.knows("email") else known.email
        phone = phone if shown.knows("phone") else known.phone
        if (email, phone) == (known.email, known.phone):
            return known.contact_id
    return identities.contact_id(source, shown.attendee_id, email=email, phone=phone)
