"""A webhook and a row of the API, held against each other."""

from collections.abc import Iterator
from datetime import datetime

from events import BookingSnapshot
from events.versions import cut
from tests.contract.meetergo.stand_in import at
from tests.factories import contact_of


def with_contacts(snapshot: BookingSnapshot) -> BookingSnapshot:
    """As the pipeline completes it."""
    people = {
        "attendees": tuple(
            one.model_copy(update={"contact_id": contact_of(one.attendee_id, one.email)})
            for one in snapshot.attendees
        )
    }
    if snapshot.knows("guests"):
        people["guests"] = tuple(
            one.model_copy(update={"contact_id": contact_of("", one.email)}) for one in snapshot.guests
        )
    return snapshot.model_copy(update=people)


def disagreements(webhook: BookingSnapshot, api: BookingSnapshot) -> Iterator[str]:
    """Members that both know and show differently; times at the webhook's precision."""
    for name in webhook.model_fields_set & api.model_fields_set - {"origin", "hint", "version_precision"}:
        one, other = getattr(webhook, name), getattr(api, name)
        if isinstance(one, datetime) and isinstance(other, datetime):
            one, other = cut(one, 0), cut(other, 0)
        if name == "attendees":
            one, other = (
                [(a.attendee_id, a.email, a.name, a.phone, a.timezone) for a in b] for b in (one, other)
            )
        if name == "cancel" and one and other:
            one, other = (c.model_copy(update={"at": cut(c.at, 0)}) for c in (one, other))
        if one != other:
            yield f"{name}: {one} in the webhook, {other} in the API"


def newer(snapshot: BookingSnapshot) -> BookingSnapshot:
    """The same content of a later version, so that all of it is weighed."""
    later = at(31, 0)
    return snapshot.model_copy(update={"version": later, "updated_at": later})
