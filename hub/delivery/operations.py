"""What people do to deliveries and sinks; every function belongs into one transaction.

Retrying and dropping rows are `deliveries.retry` and `deliveries.drop` of the store. Whoever calls
any of these wakes the engine afterwards, or it finds out at its next poll.
"""

from datetime import datetime

from sqlmodel import Session

from hub.delivery import circuit
from hub.store import sinks


def pause_sink(session: Session, name: str, *, reason: str, now: datetime) -> bool:
    """Start no call for this sink any more; its rows keep their place. False if unknown."""
    return sinks.set_state(session, name, state="paused", reason=reason, now=now)


def resume_sink(session: Session, name: str, *, now: datetime) -> bool:
    """Go on, whatever the target asked for. False if unknown.

    A sink stopped for its credentials, or because its target was down, has to prove itself first, at once.
    """
    row = sinks.lock(session, name)
    if row is None:
        return False
    row.wait_until = None
    if row.state == "auth_failed" or circuit.is_open(row):
        row.probe_at = now
        return True
    return sinks.set_state(session, name, state="running", reason=None, now=now)
