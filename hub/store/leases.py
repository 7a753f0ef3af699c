"""Leases: of several processes one does a thing at a time, and another takes over if it dies."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update
from sqlmodel import Session, col

from hub.store.statements import table_of, upsert
from hub.store.tables import LeaseRow


def acquire(session: Session, name: str, *, owner: str, now: datetime, length: timedelta) -> bool:
    """Take a lease that is free, past its time or ours already; False if somebody else holds it.

    One that would last longer than twice its length was taken by a clock that is wrong, and is free too.
    """
    columns = table_of(LeaseRow).c
    values = {"name": name, "owner": owner, "until": now + length}
    free = or_(columns.until <= now, columns.until > now + 2 * length, columns.owner == owner)
    return bool(upsert(session, LeaseRow, [values], where=free))


def renew(session: Session, name: str, *, owner: str, now: datetime, length: timedelta) -> bool:
    """Hold our lease longer; False if it was lost, past its time included: then stop at once."""
    return bool(
        session.exec(
            update(LeaseRow)
            .where(col(LeaseRow.name) == name, col(LeaseRow.owner) == owner, col(LeaseRow.until) > now)
            .values(until=now + length)
        ).rowcount
    )


def release(session: Session, name: str, *, owner: str) -> None:
    """Give our lease back; somebody else's stays."""
    session.exec(delete(LeaseRow).where(col(LeaseRow.name) == name, col(LeaseRow.owner) == owner))


def holder(session: Session, name: str, *, now: datetime, length: timedelta) -> str | None:
    """Who holds the lease at this moment."""
    row = session.get(LeaseRow, name)
    return row.owner if row is not None and now < row.until <= now + 2 * length else None
