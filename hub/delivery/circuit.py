"""Whether a target is down, or one booking fails by itself: one account of both, kept in the sink's row.

From the first failure in vain until somebody is served or refused again the target is silent. A
silence over several bookings is an outage: the circuit opens, one key at a time asks, and nobody's
attempts are used up. A silence over few bookings proves nothing: each waits by its own schedule, and
one that was parked in it asks now and then. What comes next ends both. See docs/adr/0011.
"""

from datetime import datetime, timedelta

from sqlmodel import Session

from hub.delivery.policy import RetryPolicy, delay
from hub.store import deliveries, sinks
from hub.store.deliveries import DeliveryFilter
from hub.store.tables import DeliveryRow, SinkRow

OPEN = "circuit_open"

PROOF_KEYS = 5
"""So many different keys have to fail in one silence before it counts as an outage."""
PROOF_TIME = timedelta(seconds=5)
"""And so long it has to last: what is under way at one moment fails for one reason."""
MOST_KEYS = 20
"""Keys remembered of one silence; the next one to ask is preferably another."""

PROBING = RetryPolicy(first=timedelta(seconds=5), max=timedelta(minutes=1))
"""How often a target that is down is asked."""


def is_open(row: SinkRow) -> bool:
    """Whether the target is down, as far as anybody knows."""
    return row.state == OPEN


def is_proven(row: SinkRow, now: datetime) -> bool:
    """Whether the silence is an outage."""
    if row.failing_since is None or len(row.failing_keys) < PROOF_KEYS:
        return False
    return now - row.failing_since >= PROOF_TIME


def unanswered(row: SinkRow, key: str, *, message: str, now: datetime) -> None:
    """The target was asked for this key in vain; opens the circuit of a sink that runs if that proves it."""
    row.failing_since = row.failing_since or now
    if key not in row.failing_keys:
        row.failing_keys = [*row.failing_keys, key][-MOST_KEYS:]
    if row.state == "running" and is_proven(row, now):
        _open(row, message, now, probe_at=now + PROBING.first)


def not_opened(row: SinkRow, *, message: str, next_try: datetime, now: datetime) -> None:
    """The adapter could not even be opened, which is no matter of any booking."""
    row.failing_since = row.failing_since or now
    if row.state == "running" and now - row.failing_since >= PROOF_TIME:
        _open(row, message, now, probe_at=next_try)
    elif is_open(row):
        row.reason, row.probe_at = message, next_try


def opened(row: SinkRow, *, now: datetime) -> None:
    """The adapter could be opened: an end of the silence if nothing else was wrong, else time to ask."""
    if is_open(row) and row.failing_keys:
        row.probe_at = now
    elif is_open(row):
        _close(row, now)
    elif not row.failing_keys:
        row.failing_since = None


def probe_failed(row: SinkRow, *, now: datetime) -> None:
    """The key that asked was not served; the next one asks later."""
    row.probes += 1
    row.probe_at = now + delay(PROBING, row.probes + 1, jitter=0.0)


def served(session: Session, sink: str, *, retry: RetryPolicy, now: datetime) -> bool:
    """The target has served somebody; whether that closed the circuit."""
    row = sinks.get(session, sink)
    # Looked at without the lock first, for there is hardly ever anything to change.
    if row is None or (row.failing_since is None and not is_open(row)):
        return False
    row = sinks.lock(session, sink)
    return row is not None and answered(session, row, retry=retry, now=now)


def answered(session: Session, row: SinkRow, *, retry: RetryPolicy, now: datetime) -> bool:
    """The target has served or refused somebody: its silence is over; whether that closed the circuit.

    After an outage, or a silence longer than anybody waits, what failed in it is tried again now, and
    what was parked once more: a booking that fails by itself is parked again at once.
    """
    since, was_open = row.failing_since, is_open(row)
    forget(row)
    if was_open:
        _close(row, now)
    if since is not None and (was_open or now - since >= retry.max):
        deliveries.go_on(session, row.name, since=since, attempts=max(0, retry.attempts - 1), now=now)
    return was_open


def forget(row: SinkRow) -> None:
    """The silence is over, or its reason is known by now."""
    row.failing_since, row.failing_keys, row.probes = None, [], 0


def parked_in_silence(
    session: Session, row: SinkRow, *, retry: RetryPolicy, now: datetime
) -> DeliveryRow | None:
    """A row to ask the target with, where everything that failed is parked so that nobody asks any more."""
    if row.failing_since is None or row.last_error_at is None:
        return None
    if not is_proven(row, now) and now - row.last_error_at < retry.max:
        return None
    return deliveries.longest_parked(session, row.name, since=row.failing_since)


def ask_again(session: Session, parked: DeliveryRow, *, retry: RetryPolicy, now: datetime) -> None:
    """Open the circuit of a proven outage; else let this row try once more."""
    row = sinks.lock(session, parked.sink)
    if row is None or row.state != "running":
        return
    if is_proven(row, now):
        _open(row, row.last_error_message or "no answer", now, probe_at=now)
        return
    wanted = DeliveryFilter(sink=parked.sink, event_id=parked.event_id, key=parked.key, states=("parked",))
    deliveries.retry(session, wanted, now=now, attempts=max(0, retry.attempts - 1))


def ask_nobody(session: Session, sink: str, *, now: datetime) -> None:
    """Close the circuit, since nothing is left that could ask; the next row will find out."""
    row = sinks.lock(session, sink)
    if row is not None and is_open(row) and not deliveries.has_open(session, sink):
        forget(row)
        _close(row, now)


def _open(row: SinkRow, message: str, now: datetime, *, probe_at: datetime) -> None:
    row.state, row.reason, row.since, row.probe_at, row.probes = OPEN, message, now, probe_at, 0


def _close(row: SinkRow, now: datetime) -> None:
    forget(row)
    row.state, row.reason, row.since, row.probe_at = "running", None, now, None
