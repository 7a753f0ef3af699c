"""What people do to deliveries and sinks; every function belongs into one transaction.

Retrying and dropping rows are `deliveries.retry` and `deliveries.drop` of the store. Whoever calls
any of these wakes the engine afterwards, or it finds out at its next poll.
"""

from datetime import datetime

from sqlmodel import Session

from hub.store import sinks


def pause_sink(session: Session, name: str, *, reason: str, now: datetime) -> bool:
    """Start no call for this sink any more; its rows keep their place. False if unknown."""
    return sinks.set_state(session, name, state="paused", reason=reason, now=now)


def resume_sink(session: Session, name: str, *, now: datetime) -> bool:
    """Go on. A sink stopped for its credentials has to prove them first, at once. False if unknown."""
    row = sinks.get(session, name)
    if row is None:
        return False
    if row.state == "auth_failed":
        return sinks.set_state(session, name, state="auth_failed", reason=row.reason, now=now, probe_at=now)
    return sinks.set_state(session, name, state="running", reason=None, now=now)
