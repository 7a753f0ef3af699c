"""What a look at the provider's makes of the marks that led to it; pure.

A webhook is a hint. If the provider shows less than the hint says (a replica lags, or the webhook is forged),
it is asked again after 2, 10 and 60 seconds. Then the hint is kept as unconfirmed; with no answer at all that
can be used, the receipt goes into quarantine.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from events.snapshot import BookingSnapshot
from events.versions import cut
from hub.ingest.trust import is_far_ahead
from hub.log.inbox_log import StoredReceipt
from hub.store.tables import DirtyRow

REPEATS = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60))
"""When it is asked again, counted from the answer before."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A receipt that waits, and what its payload says; without a snapshot it says only "look"."""

    receipt: StoredReceipt
    snapshot: BookingSnapshot | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """These marks are looked at again at this time."""

    receipt_ids: tuple[str, ...]
    due_at: datetime
    reason: str


@dataclass(slots=True)
class Verdict:
    """What becomes of the marks of one booking, to be written in one go."""

    cleared: list[str] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)
    refused: list[tuple[StoredReceipt, str]] = field(default_factory=list)
    unconfirmed: tuple[str, str] | None = None
    """Receipt id and detail of the newest hint that nothing confirms."""
    confirmed: bool = False
    position: int = 0


def shortfall(shown: BookingSnapshot, hint: Hint) -> str | None:
    """What the provider's answer lacks of what a webhook says; None if nothing."""
    said = hint.snapshot
    if said is None:
        return None
    if said.cancelled and not shown.cancelled:
        return "active where the webhook says cancelled"
    if said.version is None or shown.version is None:
        return None
    if is_far_ahead(said, moment=hint.receipt.received_at):
        # Forged, or a wrong clock: no answer could ever be as new.
        return None
    digits = min(said.version_precision, shown.version_precision)
    return "older than the webhook" if cut(shown.version, digits) < cut(said.version, digits) else None


def weighed(
    rows: Sequence[DirtyRow], hints: Mapping[str, Hint], shown: BookingSnapshot, *, now: datetime
) -> Verdict:
    """The provider shows this booking. `now` is when it was asked: marks due later are not counted yet."""
    found = {
        row.receipt_id: shortfall(shown, hints[row.receipt_id]) for row in rows if row.receipt_id in hints
    }
    lacking = {receipt_id: reason for receipt_id, reason in found.items() if reason is not None}
    verdict = Verdict(
        cleared=[row.receipt_id for row in rows if row.receipt_id not in lacking], confirmed=not lacking
    )
    given_up = _repeat(verdict, rows, lacking, now)
    if given_up:
        newest = max(given_up, key=lambda row: (row.marked_at, row.receipt_id)).receipt_id
        verdict.unconfirmed = (newest, lacking[newest])
    return verdict


def fruitless(rows: Sequence[DirtyRow], hints: Mapping[str, Hint], reason: str, *, now: datetime) -> Verdict:
    """The provider shows nothing that can be used: no such booking, not allowed to see it, unreadable."""
    verdict = Verdict()
    given_up = _repeat(verdict, rows, {row.receipt_id: reason for row in rows}, now)
    verdict.refused = _receipts(given_up, hints, reason)
    return verdict


def hopeless(rows: Sequence[DirtyRow], hints: Mapping[str, Hint], reason: str) -> Verdict:
    """Asking again is of no use: what is shown can never be stored, or asking for just this always fails."""
    return Verdict(cleared=[row.receipt_id for row in rows], refused=_receipts(rows, hints, reason))


def cause_of(rows: Sequence[DirtyRow], hints: Iterable[Hint]) -> str:
    """The receipt that brought what is fetched: the first of those that show the newest version."""
    known = [(hint.snapshot.version, hint) for hint in hints if hint.snapshot and hint.snapshot.version]
    if not known:
        return rows[0].receipt_id
    newest = max(version for version, _ in known)
    receipts = [hint.receipt for version, hint in known if version == newest]
    return min(receipts, key=lambda receipt: (receipt.received_at, receipt.receipt_id)).receipt_id


def _repeat(
    verdict: Verdict, rows: Iterable[DirtyRow], lacking: Mapping[str, str], now: datetime
) -> list[DirtyRow]:
    """Have what lacks something asked for again; those that were asked for often enough, now cleared."""
    due = [row for row in rows if row.receipt_id in lacking and row.due_at <= now]
    for tried, pause in enumerate(REPEATS):
        ids = tuple(row.receipt_id for row in due if row.attempts == tried)
        if ids:
            verdict.again.append(Again(ids, now + pause, lacking[ids[0]]))
    given_up = [row for row in due if row.attempts >= len(REPEATS)]
    verdict.cleared += [row.receipt_id for row in given_up]
    return given_up


def _receipts(
    rows: Iterable[DirtyRow], hints: Mapping[str, Hint], reason: str
) -> list[tuple[StoredReceipt, str]]:
    return [(hints[row.receipt_id].receipt, reason) for row in rows if row.receipt_id in hints]
