"""Claiming keys and deciding what to do with each, in one transaction.

The order of reading matters on PostgreSQL, where each statement sees what was committed before it:
claims, checkpoint, states, rows. So every fact a state shows has its row among those read, and a fact
that came meanwhile is only synced once more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from adapters.api import BookingMirror, ContactMirror
from events import Booking, Contact
from hub.delivery import queue
from hub.delivery.allowance import Allowance
from hub.delivery.sinks import LoadBooking, LoadContact, RunningSink
from hub.delivery.steps import STATE_BEHIND, Act, Cover, Wait, mirror_step, reactor_step
from hub.store import checkpoints, claims, sinks
from hub.store.claims import Claim, Failure, Outcome
from hub.store.deliveries import NOT_MATCHED
from hub.store.tables import DeliveryRow, SinkRow, TargetReceiptRow

log = structlog.get_logger(__name__)

SET_ASIDE = timedelta(minutes=1)

Desired = Mapping[str, Booking | Contact | None]


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed key whose lead row is marked as being sent, and all that is needed to act on it.

    `quiet_since` is the sink's last success (or its first sight) when the key was claimed. Without
    `desired` nothing is wanted there, for `reason`; `unknown` is then a state that an attempt without
    known effect may have written. `revision` is the configuration that decided.
    """

    claim: Claim
    lead: DeliveryRow
    quiet_since: datetime
    older: tuple[DeliveryRow, ...] = ()
    desired: Booking | Contact | None = None
    held: Mapping[str, TargetReceiptRow] = field(default_factory=dict)
    reason: str | None = None
    unknown: Booking | Contact | None = None
    revision: int | None = None

    @property
    def rows(self) -> tuple[DeliveryRow, ...]:
        """All rows this settles."""
        return (self.lead, *self.older)


class Dispatch:
    """Hands out the tasks of one sink."""

    def __init__(
        self, sink: RunningSink, *, epoch: int, load_booking: LoadBooking, load_contact: LoadContact
    ) -> None:
        self._sink = sink
        self._epoch = epoch
        self._load_booking = load_booking
        self._load_contact = load_contact

    def take(self, session: Session, keys: Sequence[str], *, owner: str, now: datetime) -> list[Task]:
        """Claim those of the keys that are still free and mark their rows; nothing if the sink does not run.

        Keys that have nothing to call for are settled here and given back.
        """
        row = sinks.get(session, self._sink.name)
        if row is None or row.state != "running" or self._is_outdated(row):
            return []
        claimed = self._claim(session, keys, owner=owner, now=now)
        if not claimed:
            return []
        quiet_since = row.last_success_at or row.first_seen_at
        tasks = [
            task
            for task in self._decide(session, claimed, quiet_since=quiet_since, now=now)
            if not self._is_lost_too_often(session, task, now)
        ]
        queue.mark_sending(
            session, [task.lead for task in tasks], [row for task in tasks for row in task.older], now=now
        )
        return tasks

    def set_aside(self, session: Session, key: str, failure: Failure, *, owner: str, now: datetime) -> None:
        """A key that nobody can decide about waits a while, so that it is not in the way of the others."""
        for claim in self._claim(session, [key], owner=owner, now=now).values():
            outcomes = [
                Outcome(row.event_id, "pending", counted=False, due_at=now + SET_ASIDE, failure=failure)
                for row in queue.open_rows(session, self._sink.name, [key]).get(key, [])[:1]
            ]
            claims.finish(session, claim, outcomes, now=now)

    def _claim(self, session: Session, keys: Sequence[str], *, owner: str, now: datetime) -> dict[str, Claim]:
        name = self._sink.name
        if self._sink.repeatable:
            claims.recover(session, sink=name, now=now, state="pending")
        else:
            claims.recover(session, sink=name, now=now, state="uncertain")
        return queue.claim_keys(session, name, keys, owner=owner, until=now + self._sink.lease)

    def _is_outdated(self, row: SinkRow) -> bool:
        """Whether another configuration than ours was applied, here or by another hub."""
        outdated = self._sink.revision not in (None, row.revision)
        if outdated:
            log.warning("another configuration of the sink is in force", sink=row.name)
        return outdated

    def _decide(
        self, session: Session, claimed: Mapping[str, Claim], *, quiet_since: datetime, now: datetime
    ) -> list[Task]:
        if self._sink.acts_once_per_event:
            return self._reactor_tasks(session, claimed, quiet_since=quiet_since, now=now)
        return self._mirror_tasks(session, claimed, quiet_since=quiet_since, now=now)

    def _mirror_tasks(
        self, session: Session, claimed: Mapping[str, Claim], *, quiet_since: datetime, now: datetime
    ) -> list[Task]:
        live = checkpoints.live(session)
        desired = self._desired(session, claimed)
        rows = queue.open_rows(session, self._sink.name, list(claimed))
        held = queue.held_receipts(session, self._sink.name, list(claimed))
        allowance = Allowance(session, self._sink.name, guard=self._sink.guard, now=now)
        tasks = []
        for key, claim in claimed.items():
            state, receipts = desired[key], held.get(key, {})
            step = mirror_step(
                rows.get(key, []),
                reached=live.position if live is not None and state is not None else None,
                ended=isinstance(state, Contact) or (state is not None and state.status == "cancelled"),
                now=now,
            )
            if state is not None and self._target_is_newer(receipts, state.position):
                step = Wait(now + STATE_BEHIND)
            if not isinstance(step, Act):
                _give_back(session, claim, step, now)
                continue
            task = Task(
                claim, step.lead, quiet_since, step.older, state, receipts, revision=self._sink.revision
            )
            if state is not None and not self._sink.wants(session, state, bool(receipts)):
                # Without a receipt, what an attempt may have left is looked for where it would be.
                task = replace(task, desired=None, reason=NOT_MATCHED, unknown=None if receipts else state)
            if self._is_to_be_done(session, task, allowance, now):
                tasks.append(task)
        return tasks

    def _is_to_be_done(self, session: Session, task: Task, allowance: Allowance, now: datetime) -> bool:
        """Whether the target is to be called; a task that is not is settled here and given back."""
        if task.desired is None and not task.held and not queue.may_have_written(session, task.claim):
            skipped = Outcome(task.lead.event_id, "skipped", counted=False, reason=task.reason)
            claims.finish(session, task.claim, [skipped, *covered_by(task)], now=now)
            return False
        until = allowance.wait_for(task.rows, changes=bool(task.held))
        if until is not None:
            claims.postpone(session, task.claim, due_at=until, now=now, counted=False)
        return until is None

    def _desired(self, session: Session, claimed: Mapping[str, Claim]) -> Desired:
        if isinstance(self._sink.adapter, ContactMirror):
            return {key: self._load_contact(session, key) for key in claimed}
        assert isinstance(self._sink.adapter, BookingMirror)  # noqa: S101 - the third contract is no mirror
        return {key: self._load_booking(session, key) for key in claimed}

    def _target_is_newer(self, held: Mapping[str, TargetReceiptRow], position: int) -> bool:
        """Whether the target has seen a later state of this log than the projection shows now."""
        return any(receipt.position > position and receipt.epoch == self._epoch for receipt in held.values())

    def _reactor_tasks(
        self, session: Session, claimed: Mapping[str, Claim], *, quiet_since: datetime, now: datetime
    ) -> list[Task]:
        rows = queue.open_rows(session, self._sink.name, list(claimed))
        tasks = []
        for key, claim in claimed.items():
            step = self._reactor_step(session, claim, rows.get(key, []), now)
            if isinstance(step, Act):
                tasks.append(Task(claim, step.lead, quiet_since))
            else:
                _give_back(session, claim, None, now)
        return tasks

    def _reactor_step(
        self, session: Session, claim: Claim, rows: list[DeliveryRow], now: datetime
    ) -> Act | None:
        while rows:
            booking = self._load_booking(session, rows[0].booking_id)
            step = reactor_step(rows, active=booking is not None and booking.status == "active", now=now)
            if not isinstance(step, Cover):
                return step
            covered = Outcome(step.row.event_id, "covered", counted=False, reason=step.reason)
            claims.finish(session, claim, [covered], now=now, keep=True)
            rows = rows[1:]
        return None

    def _is_lost_too_often(self, session: Session, task: Task, now: datetime) -> bool:
        """Whether no attempt ever came to a result: what ends its process must not go on doing so."""
        if task.lead.attempts < self._sink.retry.attempts:
            return False
        failure = Failure("WorkerLostError", "the attempts are used up, the hub ended during the last")
        parked = Outcome(task.lead.event_id, "parked", counted=False, failure=failure)
        claims.finish(session, task.claim, [parked, *covered_by(task)], now=now)
        return True


def covered_by(task: Task) -> list[Outcome]:
    """What becomes of the older rows once the lead row stands for them."""
    reason = f"covered by position {task.lead.position}"
    return [Outcome(row.event_id, "covered", counted=False, reason=reason) for row in task.older]


def _give_back(session: Session, claim: Claim, step: Wait | None, now: datetime) -> None:
    if step is None:
        claims.release(session, claim)
    else:
        claims.postpone(session, claim, due_at=step.until, now=now, counted=False)
