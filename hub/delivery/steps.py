"""What a worker does next with the rows of one key: pure, decided under the claim, from stored rows only.

A mirror needs one call for all rows its newest state covers; a reactor takes one row after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from events import BookingCancelled
from hub.store.tables import DeliveryRow

WAITING = ("pending", "sending")
REPLAY = "replay:"
"""How the cause of a row begins that a person wanted delivered again; the operation's id follows."""

APPROVED = "approved:"
"""How the cause of a row begins that a person has let through; who that was follows."""

DRIFT = "drift:"
REPAIRS = ("apply:", DRIFT)
"""How the cause of a row begins that repairs a target; the operation's id follows."""

STATE_BEHIND = timedelta(seconds=1)
"""How long rows wait whose state the live projection does not show yet."""


@dataclass(frozen=True, slots=True)
class Act:
    """Call the target: `lead` gets the outcome, `older` rows are covered by it (a reactor has none)."""

    lead: DeliveryRow
    older: tuple[DeliveryRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Cover:
    """Close one row without a call, then look again."""

    row: DeliveryRow
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing of this key is due before `until`."""

    until: datetime


def mirror_step(
    rows: Sequence[DeliveryRow], *, reached: int, ended: bool, now: datetime, probe: bool = False
) -> Act | Wait | None:
    """The next step of a mirror's key, given its open rows by position.

    The state shows every fact up to the position `reached` (0: there is no state). `ended` says
    that it may be taken back within the grace: a cancellation that is still held then holds every
    earlier row as well, or that row would announce it early. A `probe` may ask with a parked row.
    """
    leading = (*WAITING, "parked") if probe else WAITING
    waiting = [row for row in rows if row.state in leading]
    if not waiting:
        return None
    held = [row for row in waiting if row.hold and row.due_at > now]
    if ended and held:
        return Wait(held[-1].due_at)
    shown = [row for row in rows if row.position <= reached]
    lead = next((row for row in reversed(shown) if row.state in leading), None)
    if lead is None:
        return Wait(now + STATE_BEHIND)
    return Act(lead, tuple(row for row in shown if row is not lead))


def reactor_step(
    rows: Sequence[DeliveryRow], *, active: bool, now: datetime, probe: bool = False
) -> Act | Cover | None:
    """The next step of a reactor's key, given its open rows by position: the first, and none before it.

    `active` is the newest state of the booking that row is about. A parked row holds those behind it,
    for they would overtake it. A `probe` may ask with it, or with one whose next attempt is not due.
    """
    if not rows:
        return None
    head = rows[0]
    waits = head.state == "parked" or (head.state == "pending" and head.due_at > now)
    if waits and (head.hold or not probe):
        return None
    if head.event_type == BookingCancelled.event_type() and active and operation_of(head) is None:
        return Cover(head, "the booking went on")
    return Act(head)


def is_repair(row: DeliveryRow) -> bool:
    """Whether the target was found to differ, so that what a receipt says of it cannot be relied on."""
    return row.cause is not None and row.cause.startswith(REPAIRS)


def is_approved(row: DeliveryRow) -> bool:
    """Whether a person has let through what the adapter would not do by itself."""
    return row.cause is not None and row.cause.startswith(APPROVED)


def operation_of(row: DeliveryRow) -> str | None:
    """The replay that wants this row delivered again; part of its idempotency key."""
    if row.cause is None or not row.cause.startswith(REPLAY):
        return None
    return row.cause.removeprefix(REPLAY)
