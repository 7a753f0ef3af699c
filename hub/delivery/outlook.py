"""What a sink may begin at this moment, and if it is nothing, until when.

The same rules are applied twice: to choose keys without disturbing anybody, and again under the lock
in the transaction that claims them.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from hub.delivery import circuit
from hub.delivery.pace import Pace
from hub.delivery.queue import due_keys, waiting_key
from hub.delivery.sinks import RunningSink
from hub.store import deliveries, sinks
from hub.store.tables import DeliveryRow, SinkRow


@dataclass(frozen=True, slots=True)
class Admission:
    """How many keys may be begun; if none, `again` says when to ask anew (None: when something changes).

    `probe`: the circuit is open, and this one key finds out whether it may be closed.
    """

    most: int
    again: datetime | None = None
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """The keys to take, or when there may be some; `probe` as in Admission.

    `parked` is a row that nobody but a question moves on. `pointless`: the circuit is open and nothing
    is left to ask with.
    """

    keys: tuple[str, ...] = ()
    again: datetime | None = None
    probe: bool = False
    parked: DeliveryRow | None = None
    pointless: bool = False


def admission(row: SinkRow, pace: Pace | None, *, free: int, now: datetime) -> Admission:
    """What the sink's state, a wait the target asked for, its rate and its circuit allow."""
    if row.state not in ("running", circuit.OPEN):
        return Admission(0)
    if row.wait_until is not None and row.wait_until > now:
        return Admission(0, again=row.wait_until)
    if pace is not None:
        free = min(free, pace.allowed(row, now))
        if not free:
            return Admission(0, again=pace.ready_at(row, now))
    if not circuit.is_open(row):
        return Admission(free)
    if row.probe_at is not None and row.probe_at > now:
        return Admission(0, again=row.probe_at)
    return Admission(min(free, 1), probe=True)


def look(session: Session, sink: RunningSink, *, free: int, busy: int, now: datetime) -> Outlook:
    """What to take next with so many hands free; `busy` keys are in work already and may be among them."""
    row = sinks.get(session, sink.name)
    if row is None:
        return Outlook()
    admitted = admission(row, sink.pace, free=free, now=now)
    if not admitted.most:
        return Outlook(again=admitted.again)
    if admitted.probe:
        return _ask_with(session, sink, row, busy=busy, now=now)
    # A claim of ours that ran out while its call still runs is not for this process to take again.
    in_order, limit = sink.acts_once_per_event, admitted.most + busy
    keys = due_keys(session, sink.name, in_order=in_order, now=now, limit=limit)
    if keys:
        return Outlook(keys=tuple(keys))
    return Outlook(
        again=deliveries.next_due(session, after=now, sinks=[sink.name]),
        parked=circuit.parked_in_silence(session, row, retry=sink.retry, now=now),
    )


def _ask_with(session: Session, sink: RunningSink, row: SinkRow, *, busy: int, now: datetime) -> Outlook:
    """The keys that may ask whether the target is back, those it has not failed in this silence first."""
    in_order, limit = sink.acts_once_per_event, circuit.MOST_KEYS + busy + 1
    due = due_keys(session, sink.name, in_order=in_order, now=now, limit=limit)
    if due:
        return Outlook(keys=tuple(sorted(due, key=lambda key: key in row.failing_keys)), probe=True)
    waiting = waiting_key(session, sink.name, in_order=in_order, now=now)
    if waiting is not None:
        return Outlook(keys=(waiting,), probe=True)
    parked = deliveries.longest_parked(session, sink.name)
    if parked is not None:
        return Outlook(keys=(parked.key,), probe=True)
    again = deliveries.next_due(session, after=now, sinks=[sink.name])
    return Outlook(again=again, pointless=not deliveries.has_open(session, sink.name))
