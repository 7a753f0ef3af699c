"""Which of two views of a booking is the newer one.

A version is the provider's `updatedAt`. Webhooks print it in seconds and the API in milliseconds,
so two versions are compared at the coarser precision; equal means: look at the content.
"""

import json
from datetime import datetime
from typing import Any, Literal

from events.ids import instant
from events.snapshot import BookingSnapshot
from events.state import Booking

Standing = Literal["older", "equal", "newer"]


def cut(moment: datetime, digits: int) -> datetime:
    """The moment with only this many digits of its second."""
    unit = 10 ** (6 - min(digits, 6))
    return moment.replace(microsecond=moment.microsecond // unit * unit)


def standing(state: Booking, snapshot: BookingSnapshot) -> Standing:
    """How the snapshot stands to what the history has seen.

    A history without a version is older than any, a snapshot without one (API reads only) is equal.
    """
    if snapshot.version is None:
        return "equal"
    if state.version is None:
        return "newer"
    digits = min(state.version_precision, snapshot.version_precision)
    seen, shown = cut(state.version, digits), cut(snapshot.version, digits)
    if shown == seen:
        return "equal"
    return "newer" if shown > seen else "older"


def outranks(state: Booking, snapshot: BookingSnapshot) -> bool:
    """Whether a payload of an equal version replaces what an earlier payload said.

    The larger of (cancelled, rescheduledAt, canonical content) stays, whichever came first; members
    that the snapshot does not know take no part.
    """
    return _rank(_of_snapshot(snapshot)) > _rank(_of_state(state, snapshot))


def _rank(content: dict[str, Any]) -> tuple[bool, str, str, str]:
    return (
        content["cancelled"],
        content["rescheduled_at"] or "",
        _canonical([content["start"], content["end"], content["attendee_ids"], content["marks"]]),
        _canonical(content["details"]),
    )


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def _of_snapshot(snapshot: BookingSnapshot) -> dict[str, Any]:
    attendees = sorted(snapshot.attendees, key=lambda a: a.attendee_id)
    return {
        "cancelled": snapshot.cancelled,
        "rescheduled_at": instant(snapshot.rescheduled_at),
        "start": instant(snapshot.start),
        "end": instant(snapshot.end),
        "attendee_ids": [a.attendee_id for a in attendees],
        "marks": [bool(a.no_show) for a in attendees if a.knows("no_show")],
        "details": [
            [(a.email, a.name, a.phone) for a in attendees],
            *(getattr(snapshot, field) or None for field in _compared(snapshot)),
        ],
    }


def _of_state(state: Booking, snapshot: BookingSnapshot) -> dict[str, Any]:
    shown = {a.attendee_id: a for a in snapshot.attendees}
    attendees = sorted(state.present, key=lambda a: a.attendee_id)
    marked = [a for a in attendees if a.attendee_id not in shown or shown[a.attendee_id].knows("no_show")]
    return {
        "cancelled": state.status == "cancelled",
        "rescheduled_at": instant(state.rescheduled_at) if snapshot.knows("rescheduled_at") else None,
        "start": instant(state.start),
        "end": instant(state.end),
        "attendee_ids": [a.attendee_id for a in attendees],
        "marks": [a.no_show_flag for a in marked],
        "details": [
            [(a.email, a.name, a.phone) for a in attendees],
            *(getattr(state, field) or None for field in _compared(snapshot)),
        ],
    }


def _compared(snapshot: BookingSnapshot) -> list[str]:
    simple = ("title", "location", "link", "channel", "notes", "answers", "metadata")
    return [field for field in simple if snapshot.knows(field)]
