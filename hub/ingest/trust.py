"""What `verify: trust` cannot take on trust."""

from datetime import datetime, timedelta

from events.snapshot import BookingSnapshot

FURTHEST_AHEAD = timedelta(hours=24)


def objection(snapshot: BookingSnapshot, *, received_at: datetime) -> str | None:
    """Why a payload may not become facts unverified; None if it may.

    Without a version it cannot be put in order. A version far in the future, forged or from a wrong
    clock, would make everything after it look old and freeze the booking.
    """
    if snapshot.version is None:
        return "no version: updatedAt, createdAt, rescheduledAt and the time of cancellation are all missing"
    if is_far_ahead(snapshot, moment=received_at):
        return "its version lies more than 24 h after its receipt"
    return None


def is_far_ahead(snapshot: BookingSnapshot, *, moment: datetime) -> bool:
    """Whether a snapshot seen at this moment claims to be of a much later one."""
    return snapshot.version is not None and snapshot.version - moment > FURTHEST_AHEAD
