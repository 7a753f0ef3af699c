"""Writing down what became of a task, all of it in one transaction that the claim has to survive.

A result whose claim was lost is discarded: whoever holds the key now decides from what is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from adapters.api import Receipt
from hub.delivery.dispatch import Task, covered_by
from hub.delivery.errors import LostClaimError
from hub.delivery.policy import RetryPolicy, Verdict
from hub.delivery.queue import let_rest
from hub.store import attempts, claims, deliveries, receipts, sinks
from hub.store.claims import Failure, Outcome
from hub.store.deliveries import DeliveryFilter
from hub.store.tables import AttemptRow, DeliveryRow, SinkRow, TargetReceiptRow

PROBE_EVERY = timedelta(minutes=5)
"""How often a sink without valid credentials is asked whether they are valid by now."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """What the target holds for one part after a call; `receipt` None = nothing.

    `wanted` is a digest of the object that was wanted, if the adapter shows it.
    """

    part: str
    receipt: Receipt | None
    position: int
    epoch: int
    target: str | None
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try as the booking's story tells it."""

    outcome: str
    duration: timedelta
    message: str | None = None
    url: str | None = None
    parts: tuple[PartResult, ...] = field(default=())


def record_parts(
    session: Session, task: Task, parts: Sequence[PartResult], *, until: datetime, now: datetime
) -> None:
    """Keep what some parts of the task led to, so that a crash before the others loses nothing."""
    if not claims.renew(session, task.claim, until=until):
        raise LostClaimError(f"claim on {task.claim.key} at {task.claim.sink} was lost")
    _keep(session, task, parts, now)


def record_success(
    session: Session, task: Task, attempt: Attempt, *, retry: RetryPolicy, now: datetime
) -> None:
    """The target shows what was wanted: the lead row is delivered, the older ones are covered.

    What was wanted by a configuration that is not the newest any more has to be looked at again.
    """
    outdated = is_outdated(session, task)
    _keep(session, task, attempt.parts, now)
    delivered = Outcome(
        task.lead.event_id,
        "delivered",
        reason=task.reason,
        outcome=attempt.outcome,
        url=attempt.url,
        duration_seconds=attempt.duration.total_seconds(),
    )
    again = Outcome(task.lead.event_id, "pending", counted=False, due_at=now)
    _finish(session, task, [again] if outdated else [delivered, *covered_by(task)], now)
    _add_attempt(session, task, attempt, number=task.lead.attempts + 1, now=now)
    _wake_what_an_outage_parked(session, task, longest_wait=retry.max, now=now)
    sinks.record_success(session, task.claim.sink, at=now)


def record_failure(
    session: Session,
    task: Task,
    attempt: Attempt,
    verdict: Verdict,
    failure: Failure,
    *,
    rest: timedelta,
    now: datetime,
) -> None:
    """The attempt failed: what was reached is kept, and the verdict decides about the rest.

    A lead row that is given up or parked stands for the older ones, so that one question is left open
    for a key and a later event starts with its own, newest state.
    """
    _keep(session, task, attempt.parts, now)
    outcome = Outcome(
        task.lead.event_id,
        verdict.state,
        counted=verdict.attempts > task.lead.attempts,
        due_at=verdict.due_at if verdict.state == "pending" else None,
        failure=failure,
        duration_seconds=attempt.duration.total_seconds(),
        reason=failure.message if verdict.state == "uncertain" else None,
    )
    older = covered_by(task) if verdict.state in ("parked", "dead") else []
    _finish(session, task, [outcome, *older], now, keep=verdict.rests)
    if verdict.rests:
        let_rest(session, task.claim, until=now + rest)
    _add_attempt(session, task, attempt, number=task.lead.attempts + 1, now=now)
    sinks.record_error(
        session, task.claim.sink, error_class=failure.error_class, message=failure.message, at=now
    )
    if verdict.stops_sink:
        stop_for_credentials(session, task.claim.sink, reason=failure.message, now=now)


def is_outdated(session: Session, task: Task) -> bool:
    """Whether the sink works by a newer configuration than the one this task was made by.

    The sink's row is locked, so that a configuration applied at this moment sees the outcome, or this
    sees the configuration.
    """
    if task.revision is None:
        return False
    row = sinks.lock(session, task.claim.sink)
    return row is not None and row.revision != task.revision


def stop_for_credentials(session: Session, sink: str, *, reason: str, now: datetime) -> None:
    """Nothing goes to this sink until its credentials are proven; a pause by a person stays a pause."""
    row = sinks.get(session, sink)
    if row is not None and row.state != "paused":
        sinks.set_state(
            session, sink, state="auth_failed", reason=reason, now=now, probe_at=now + PROBE_EVERY
        )


def parked_by_outage(
    session: Session, row: SinkRow, *, longest_wait: timedelta, now: datetime
) -> DeliveryRow | None:
    """A row to ask the target with, after an outage that parked everything so that nobody asks any more."""
    if row.last_error_at is None or now - row.last_error_at < longest_wait:
        return None
    since = (row.last_success_at or row.first_seen_at) + longest_wait
    wanted = DeliveryFilter(sink=row.name, states=("parked",), since=since)
    page = deliveries.listing(session, wanted, limit=1)
    return page.items[0] if page.items else None


def wake_parked(session: Session, row: DeliveryRow, *, now: datetime) -> None:
    """Let this one row try again from the start."""
    wanted = DeliveryFilter(sink=row.sink, event_id=row.event_id, key=row.key, states=("parked",))
    deliveries.retry(session, wanted, now=now)


def _wake_what_an_outage_parked(
    session: Session, task: Task, *, longest_wait: timedelta, now: datetime
) -> None:
    """The target answers again: what was parked long after its last success is due now.

    A row that was parked while others went through failed for a reason of its own and stays parked.
    """
    since = task.quiet_since + longest_wait
    if now > since:
        wanted = DeliveryFilter(sink=task.claim.sink, states=("parked",), since=since)
        deliveries.retry(session, wanted, now=now)


def _finish(
    session: Session, task: Task, outcomes: Sequence[Outcome], now: datetime, *, keep: bool = False
) -> None:
    if not claims.finish(session, task.claim, outcomes, now=now, keep=keep):
        raise LostClaimError(f"claim on {task.claim.key} at {task.claim.sink} was lost")


def _keep(session: Session, task: Task, parts: Sequence[PartResult], now: datetime) -> None:
    gone = [result.part for result in parts if result.receipt is None]
    if gone:
        receipts.delete_parts(session, sink=task.claim.sink, key=task.claim.key, parts=gone)
    for result in parts:
        if result.receipt is not None:
            receipts.put(session, _receipt_row(task, result, result.receipt, now))


def _receipt_row(task: Task, result: PartResult, receipt: Receipt, now: datetime) -> TargetReceiptRow:
    return TargetReceiptRow(
        sink=task.claim.sink,
        key=task.claim.key,
        part=result.part,
        target=result.target,
        external_id=receipt.external_id,
        etag=receipt.etag,
        fingerprint=receipt.fingerprint,
        position=result.position,
        epoch=result.epoch,
        url=receipt.url,
        detail=receipt.detail,
        data=receipt.data,
        updated_at=now,
        wanted=result.wanted,
    )


def _add_attempt(session: Session, task: Task, attempt: Attempt, *, number: int, now: datetime) -> None:
    row = AttemptRow(
        sink=task.claim.sink,
        event_id=task.lead.event_id,
        key=task.claim.key,
        booking_id=task.lead.booking_id,
        at=now,
        number=number,
        outcome=attempt.outcome,
        message=attempt.message,
        duration_seconds=attempt.duration.total_seconds(),
        url=attempt.url,
    )
    attempts.add(session, [row])
