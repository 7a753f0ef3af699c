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

from adapters.api import BookingMirror, ContactMirror, SafeFor
from events import Booking, Contact
from hub.delivery import circuit, queue
from hub.delivery.allowance import Allowance
from hub.delivery.outlook import admission
from hub.delivery.policy import may_repeat
from hub.delivery.sinks import LoadBooking, LoadContact, RunningSink
from hub.delivery.steps import STATE_BEHIND, Act, Cover, Wait, is_repair, mirror_step, reactor_step
from hub.store import checkpoints, claims, receipts, sinks, strays
from hub.store.claims import Claim, Failure, Outcome
from hub.store.deliveries import NOT_MATCHED
from hub.store.tables import DeliveryRow, SinkRow, StrayRow, TargetReceiptRow

log = structlog.get_logger(__name__)

SET_ASIDE = timedelta(minutes=1)
TOO_LATE = "an attempt came to no answer, and it is too late to repeat it safely"
BEFORE_ALL = 0
"""Where a row stands that is about no fact: it removes what belongs to no booking that is known."""

Desired = Mapping[str, Booking | Contact | None]


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed key whose lead row is marked as being sent, and all that is needed to act on it.

    A `probe` finds out whether a target that was down serves again. Without `desired` nothing is wanted
    there, for `reason`; `unknown` is then a state that an attempt without known effect may have written.
    `strays` are objects that a repair removes beside what the receipts name. `revision` is the
    configuration that decided.
    """

    claim: Claim
    lead: DeliveryRow
    probe: bool = False
    older: tuple[DeliveryRow, ...] = ()
    desired: Booking | Contact | None = None
    held: Mapping[str, TargetReceiptRow] = field(default_factory=dict)
    strays: tuple[StrayRow, ...] = ()
    reason: str | None = None
    unknown: Booking | Contact | None = None
    revision: int | None = None

    @property
    def rows(self) -> tuple[DeliveryRow, ...]:
        """All rows this settles."""
        return (self.lead, *self.older)

    @property
    def is_repair(self) -> bool:
        """Whether the target has to be looked at, whatever the receipts say."""
        return any(is_repair(row) for row in self.rows)


class Dispatch:
    """Hands out the tasks of one sink."""

    def __init__(
        self, sink: RunningSink, *, epoch: int, load_booking: LoadBooking, load_contact: LoadContact
    ) -> None:
        self._sink = sink
        self._pace = sink.pace
        self._epoch = epoch
        self._load_booking = load_booking
        self._load_contact = load_contact

    def take(self, session: Session, keys: Sequence[str], *, owner: str, now: datetime) -> list[Task]:
        """Claim as many of the keys as are free and admitted, the first ones first, and mark their rows.

        Keys that have nothing to call for are settled here and given back.
        """
        row = sinks.get(session, self._sink.name)
        if row is not None and (self._pace is not None or circuit.is_open(row)):
            row = sinks.lock(session, self._sink.name)
        if row is None or self._is_outdated(row):
            return []
        admitted = admission(row, self._pace, free=len(keys), now=now)
        claimed = self._claim(session, keys[: admitted.most], owner=owner, now=now) if admitted.most else {}
        if not claimed:
            return []
        tasks = [
            task
            for task in self._decide(session, claimed, probe=admitted.probe, now=now)
            if not self._is_lost_too_often(session, task, now)
        ]
        if tasks:
            self._begin(session, row, tasks, now)
        return tasks

    def _begin(self, session: Session, row: SinkRow, tasks: Sequence[Task], now: datetime) -> None:
        queue.mark_sending(
            session, [task.lead for task in tasks], [older for task in tasks for older in task.older], now=now
        )
        held = [task.claim.key for task in tasks if task.held]
        if held:
            receipts.doubt(session, sink=self._sink.name, keys=held)
        if self._pace is not None:
            self._pace.spend(row, len(tasks), now)
        if tasks[0].probe:
            # Nobody else asks before this one must have come to its end.
            row.probe_at = now + self._sink.longest_attempt

    def set_aside(self, session: Session, key: str, failure: Failure, *, owner: str, now: datetime) -> None:
        """A key that nobody can decide about waits a while, so that it is not in the way of the others."""
        for claim in self._claim(session, [key], owner=owner, now=now).values():
            outcomes = [
                Outcome(row.event_id, "pending", counted=False, due_at=now + SET_ASIDE, failure=failure)
                for row in queue.open_rows(session, self._sink.name, [key]).get(key, [])[:1]
            ]
            claims.finish(session, claim, outcomes, now=now)

    def _claim(self, session: Session, keys: Sequence[str], *, owner: str, now: datetime) -> dict[str, Claim]:
        name, repeat = self._sink.name, self._sink.terms.repeat
        if isinstance(repeat, SafeFor):
            claims.recover(session, sink=name, now=now, first_before=now - repeat.window)
        else:
            claims.recover(session, sink=name, now=now, state="pending" if repeat == "safe" else "uncertain")
        return queue.claim_keys(session, name, keys, owner=owner, until=now + self._sink.lease)

    def _is_outdated(self, row: SinkRow) -> bool:
        """Whether another configuration than ours was applied, here or by another hub."""
        outdated = self._sink.revision not in (None, row.revision)
        if outdated:
            log.warning("another configuration of the sink is in force", sink=row.name)
        return outdated

    def _decide(
        self, session: Session, claimed: Mapping[str, Claim], *, probe: bool, now: datetime
    ) -> list[Task]:
        if self._sink.acts_once_per_event:
            return self._reactor_tasks(session, claimed, probe=probe, now=now)
        return self._mirror_tasks(session, claimed, probe=probe, now=now)

    def _mirror_tasks(
        self, session: Session, claimed: Mapping[str, Claim], *, probe: bool, now: datetime
    ) -> list[Task]:
        live = checkpoints.live(session)
        desired = self._desired(session, claimed)
        rows = queue.open_rows(session, self._sink.name, list(claimed))
        held = queue.held_receipts(session, self._sink.name, list(claimed))
        allowance = Allowance(session, self._sink.name, guard=self._sink.guard, now=now)
        stray = strays.of_keys(session, sink=self._sink.name, keys=list(claimed))
        tasks = []
        for key, claim in claimed.items():
            state, there = desired[key], held.get(key, {})
            step = mirror_step(
                rows.get(key, []),
                reached=live.position if live is not None and state is not None else BEFORE_ALL,
                ended=isinstance(state, Contact) or (state is not None and state.status == "cancelled"),
                now=now,
                probe=probe,
            )
            if state is not None and self._target_is_newer(there, state.position):
                step = Wait(now + STATE_BEHIND)
            if not isinstance(step, Act):
                _give_back(session, claim, step, now)
                continue
            left = tuple(stray.get(key, ()))
            task = Task(claim, step.lead, probe, step.older, state, there, left, revision=self._sink.revision)
            if state is not None and not self._sink.wants(session, state, bool(there)):
                # Without a receipt, what an attempt may have left is looked for where it would be.
                task = replace(
                    task, desired=None, reason=NOT_MATCHED, unknown=None if there or left else state
                )
            if self._is_to_be_done(session, task, allowance, now):
                tasks.append(task)
        return tasks

    def _is_to_be_done(self, session: Session, task: Task, allowance: Allowance, now: datetime) -> bool:
        """Whether the target is to be called; a task that is not is settled here and given back."""
        nothing_there = not (task.held or task.strays)
        if task.desired is None and nothing_there and not queue.may_have_written(session, task.claim):
            skipped = Outcome(task.lead.event_id, "skipped", counted=False, reason=task.reason)
            claims.finish(session, task.claim, [skipped, *covered_by(task)], now=now)
            return False
        until = allowance.wait_for(task.rows, changes=not nothing_there)
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
        self, session: Session, claimed: Mapping[str, Claim], *, probe: bool, now: datetime
    ) -> list[Task]:
        rows = queue.open_rows(session, self._sink.name, list(claimed))
        tasks = []
        for key, claim in claimed.items():
            lead = self._next_event(session, claim, rows.get(key, []), probe=probe, now=now)
            if lead is not None:
                tasks.append(Task(claim, lead, probe))
            else:
                _give_back(session, claim, None, now)
        return tasks

    def _next_event(
        self, session: Session, claim: Claim, rows: list[DeliveryRow], *, probe: bool, now: datetime
    ) -> DeliveryRow | None:
        """The row to act on; those before it that need no act any more are settled on the way."""
        while rows:
            booking = self._load_booking(session, rows[0].booking_id)
            active = booking is not None and booking.status == "active"
            step = reactor_step(rows, active=active, now=now, probe=probe)
            if step is None:
                return None
            if isinstance(step, Act) and not self._is_too_late(step.lead, now):
                return step.lead
            claims.finish(session, claim, [_without_a_call(step)], now=now, keep=True)
            rows = rows[1:]
        return None

    def _is_too_late(self, row: DeliveryRow, now: datetime) -> bool:
        """Whether the other side may have forgotten by now that an earlier attempt had its effect."""
        if row.unknown_since is None:
            return False
        return not may_repeat(self._sink.terms.repeat, row.first_attempt_at or row.unknown_since, at=now)

    def _is_lost_too_often(self, session: Session, task: Task, now: datetime) -> bool:
        """Whether no attempt ever came to a result: what ends its process must not go on doing so."""
        if task.lead.attempts < self._sink.retry.attempts or task.lead.state == "parked":
            return False
        failure = Failure("WorkerLostError", "the attempts are used up, the hub ended during the last")
        parked = Outcome(task.lead.event_id, "parked", counted=False, failure=failure)
        claims.finish(session, task.claim, [parked, *covered_by(task)], now=now)
        return True


def _without_a_call(step: Act | Cover) -> Outcome:
    if isinstance(step, Cover):
        return Outcome(step.row.event_id, "covered", counted=False, reason=step.reason)
    return Outcome(step.lead.event_id, "uncertain", counted=False, reason=TOO_LATE)


def covered_by(task: Task) -> list[Outcome]:
    """What becomes of the older rows once the lead row stands for them."""
    reason = f"covered by position {task.lead.position}"
    return [Outcome(row.event_id, "covered", counted=False, reason=reason) for row in task.older]


def _give_back(session: Session, claim: Claim, step: Wait | None, now: datetime) -> None:
    if step is None:
        claims.release(session, claim)
    else:
        claims.postpone(session, claim, due_at=step.until, now=now, counted=False)
