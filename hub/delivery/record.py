"""Writing down what became of a task, all of it in one transaction that the claim has to survive.

A result whose claim was lost is discarded: whoever holds the key now decides from what is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from adapters.api import Receipt
from adapters.errors import AuthError, PermanentError, TransientError
from hub.delivery import circuit
from hub.delivery.dispatch import Task, covered_by
from hub.delivery.errors import LostClaimError
from hub.delivery.policy import RetryPolicy, Terms, Tried, Verdict, error_class, error_message, judge
from hub.delivery.queue import let_rest
from hub.store import attempts, claims, drift, receipts, sinks, strays
from hub.store.claims import Failure, Outcome
from hub.store.tables import AttemptRow, DeliveryRow, SinkRow, TargetReceiptRow

UNCHANGED = "unchanged"
"""The outcome of an attempt that found its receipt to say what is wanted, and did not look further."""

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
class StrayGone:
    """An object is removed that no receipt names."""

    external_id: str
    receipt: None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A try that ended in an error; `jitter` is its random number in [0, 1)."""

    error: Exception
    duration: timedelta
    jitter: float
    parts: tuple[PartResult | StrayGone, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try as the booking's story tells it."""

    outcome: str
    duration: timedelta
    message: str | None = None
    url: str | None = None
    parts: tuple[PartResult | StrayGone, ...] = field(default=())


def record_parts(
    session: Session,
    task: Task,
    parts: Sequence[PartResult | StrayGone],
    *,
    until: datetime,
    now: datetime,
) -> None:
    """Keep what some parts of the task led to, so that a crash before the others loses nothing."""
    if not claims.renew(session, task.claim, until=until):
        raise LostClaimError(f"claim on {task.claim.key} at {task.claim.sink} was lost")
    _keep(session, task, parts, now)


def record_success(
    session: Session, task: Task, attempt: Attempt, *, retry: RetryPolicy, now: datetime
) -> bool:
    """The target shows what was wanted: the lead row is delivered, the older ones are covered.

    What was wanted by a configuration that is not the newest any more has to be looked at again. Returns
    whether the circuit was closed by it.
    """
    recovered = circuit.served(session, task.claim.sink, retry=retry, now=now)
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
    _add_attempt(session, task, attempt, now=now)
    if task.is_repair or attempt.outcome != UNCHANGED:
        drift.clear(session, sink=task.claim.sink, key=task.claim.key)
    sinks.record_success(session, task.claim.sink, at=now)
    return recovered


def record_failure(session: Session, task: Task, failed: Failed, terms: Terms, *, now: datetime) -> Verdict:
    """The attempt failed: what was reached is kept, and the rest is judged by how the sink stands by now.

    A lead row that is given up or parked stands for the older ones, so that one question is left open
    for a key and a later event starts with its own, newest state.
    """
    row = sinks.lock(session, task.claim.sink)
    verdict = judge(failed.error, _tried(task.lead, row, now), terms, now=now, jitter=failed.jitter)
    message = error_message(failed.error)
    _keep(session, task, failed.parts, now)
    outcome = Outcome(
        task.lead.event_id,
        verdict.state,
        counted=verdict.attempts > task.lead.attempts,
        due_at=verdict.due_at if verdict.state == "pending" else None,
        failure=Failure(error_class(failed.error), message),
        duration_seconds=failed.duration.total_seconds(),
        reason=message if verdict.state == "uncertain" else None,
        unknown=verdict.unknown,
    )
    older = covered_by(task) if verdict.state in ("parked", "dead") else []
    _finish(session, task, [outcome, *older], now, keep=verdict.rests)
    if verdict.rests:
        let_rest(session, task.claim, until=now + terms.timeout)
    told = Attempt(verdict.outcome, failed.duration, message=_told(message, verdict, now))
    _add_attempt(session, task, told, now=now)
    if row is not None:
        _blame(session, row, task, failed.error, verdict, terms, now)
    return verdict


def is_outdated(session: Session, task: Task) -> bool:
    """Whether the sink works by a newer configuration than the one this task was made by.

    The sink's row is locked, so that a configuration applied at this moment sees the outcome, or this
    sees the configuration.
    """
    if task.revision is None:
        return False
    row = sinks.lock(session, task.claim.sink)
    return row is not None and row.revision != task.revision


def stop_for_credentials(row: SinkRow, *, reason: str, now: datetime) -> None:
    """Nothing goes to this sink until its credentials are proven; a pause by a person stays a pause."""
    circuit.forget(row)
    if row.state != "paused":
        row.since = row.since if row.state == "auth_failed" else now
        row.state, row.reason, row.probe_at = "auth_failed", reason, now + PROBE_EVERY


def _tried(lead: DeliveryRow, row: SinkRow | None, now: datetime) -> Tried:
    """What the row and its sink say of the attempt that has just failed."""
    served_at = row.last_success_at if row is not None else None
    return Tried(
        lead.attempts,
        lead.first_attempt_at or now,
        blameless=row is not None and circuit.is_open(row),
        served_since=bool(lead.error_at and served_at and served_at >= lead.error_at),
    )


def _blame(
    session: Session,
    row: SinkRow,
    task: Task,
    error: Exception,
    verdict: Verdict,
    terms: Terms,
    now: datetime,
) -> None:
    """What the failure says of the target: that it is there, that it is silent, or nothing."""
    message = error_message(error)
    row.last_error_class, row.last_error_message, row.last_error_at = error_class(error), message, now
    if verdict.wait_until is not None:
        row.wait_until = max(row.wait_until or now, verdict.wait_until)
    if isinstance(error, AuthError):
        stop_for_credentials(row, reason=message, now=now)
    elif isinstance(error, PermanentError):
        circuit.answered(session, row, retry=terms.retry, now=now)
    elif isinstance(error, TransientError):
        circuit.unanswered(row, task.claim.key, message=message, now=now)
    if task.probe and circuit.is_open(row):
        circuit.probe_failed(row, now=now)


def _told(message: str, verdict: Verdict, now: datetime) -> str:
    if verdict.state != "pending" or verdict.stops_sink:
        return message
    return f"{message}, again in {(verdict.due_at - now).total_seconds():.0f} s"


def _finish(
    session: Session, task: Task, outcomes: Sequence[Outcome], now: datetime, *, keep: bool = False
) -> None:
    if not claims.finish(session, task.claim, outcomes, now=now, keep=keep):
        raise LostClaimError(f"claim on {task.claim.key} at {task.claim.sink} was lost")


def _keep(session: Session, task: Task, parts: Sequence[PartResult | StrayGone], now: datetime) -> None:
    sink, key = task.claim.sink, task.claim.key
    removed = [result.external_id for result in parts if isinstance(result, StrayGone)]
    if removed:
        strays.forget(session, sink=sink, key=key, external_ids=removed)
    results = [result for result in parts if isinstance(result, PartResult)]
    gone = [result.part for result in results if result.receipt is None]
    if gone:
        receipts.delete_parts(session, sink=sink, key=key, parts=gone)
    for result in results:
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


def _add_attempt(session: Session, task: Task, attempt: Attempt, *, now: datetime) -> None:
    row = AttemptRow(
        sink=task.claim.sink,
        event_id=task.lead.event_id,
        key=task.claim.key,
        booking_id=task.lead.booking_id,
        at=now,
        number=task.lead.attempts + 1,
        outcome=attempt.outcome,
        message=attempt.message,
        duration_seconds=attempt.duration.total_seconds(),
        url=attempt.url,
    )
    attempts.add(session, [row])
