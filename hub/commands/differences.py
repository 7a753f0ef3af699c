"""What a provider shows of a booking now, beside what its history says. Pure.

What the provider does not show is unknown and differs from nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from events.snapshot import AttendeeSnapshot, BookingSnapshot
from events.state import Attendee, Booking

_PLAIN = (
    *("title", "location", "link", "channel", "group", "notes", "answers", "metadata", "rescheduled_at"),
    "reschedule_count",
)
_OF_ATTENDEE = ("name", "email", "phone", "timezone", "language")


@dataclass(frozen=True, slots=True)
class Difference:
    """One member that the two show differently."""

    name: str
    hub: Any
    provider: Any


def differences(booking: Booking, shown: BookingSnapshot) -> list[Difference]:
    """Every member that differs, in the order of a booking's members."""
    found = [*_times(booking, shown), *_members(booking, shown, _PLAIN)]
    return [*found, *_people(booking, shown), *_attendees(booking, shown)]


def _times(booking: Booking, shown: BookingSnapshot) -> Iterator[Difference]:
    status = "cancelled" if shown.cancelled else "active"
    if status != booking.status:
        yield Difference("status", booking.status, status)
    for name in ("start", "end"):
        if getattr(booking, name) != getattr(shown, name):
            yield Difference(name, getattr(booking, name), getattr(shown, name))


def _members(
    known: Booking | Attendee, shown: BookingSnapshot | AttendeeSnapshot, names: tuple[str, ...]
) -> Iterator[Difference]:
    for name in names:
        before, after = getattr(known, name), getattr(shown, name)
        if shown.knows(name) and (before or None) != (after or None):
            yield Difference(name, before, after)


def _people(booking: Booking, shown: BookingSnapshot) -> Iterator[Difference]:
    if shown.knows("hosts"):
        ours, theirs = [host.id for host in booking.hosts], [host.id for host in shown.hosts]
        if set(ours) != set(theirs):
            yield Difference("hosts", ours, theirs)
    if shown.knows("guests"):
        known = [guest.email or "" for guest in booking.guests]
        listed = [guest.email for guest in shown.guests]
        if {email.lower() for email in known} != {email.lower() for email in listed}:
            yield Difference("guests", known, listed)


def _attendees(booking: Booking, shown: BookingSnapshot) -> Iterator[Difference]:
    present = {attendee.attendee_id: attendee for attendee in booking.present}
    listed = {attendee.attendee_id: attendee for attendee in shown.attendees}
    for attendee_id in dict.fromkeys((*present, *listed)):
        ours, theirs = present.get(attendee_id), listed.get(attendee_id)
        name = f"attendees.{attendee_id}"
        if ours is None or theirs is None:
            yield Difference(name, _there(ours), _there(theirs))
            continue
        for found in _members(ours, theirs, _OF_ATTENDEE):
            yield Difference(f"{name}.{found.name}", found.hub, found.provider)
        if theirs.no_show is not None and theirs.no_show != ours.no_show:
            yield Difference(f"{name}.no_show", ours.no_show, theirs.no_show)


def _there(attendee: Attendee | AttendeeSnapshot | None) -> str | None:
    return None if attendee is None else attendee.name or attendee.email or "attends"
