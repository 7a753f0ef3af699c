"""What is remembered of a source beyond its YAML."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, or_, update
from sqlmodel import Session, col, select

from hub.store.statements import table_of, upsert
from hub.store.tables import SourceRow

_TABLE = table_of(SourceRow)
_TOUCH_WEBHOOK = (
    update(_TABLE)
    .where(
        _TABLE.c.name == bindparam("source"),
        or_(_TABLE.c.last_webhook_at.is_(None), _TABLE.c.last_webhook_at < bindparam("at")),
    )
    .values(last_webhook_at=bindparam("at"))
)


def see(session: Session, name: str, *, type: str, now: datetime) -> SourceRow:
    """The source's row, made at first sight; state and times of a known one stay."""
    values = {"name": name, "type": type, "first_seen_at": now, "state": "running"}
    upsert(session, SourceRow, [values], keep=("first_seen_at", "state"))
    return session.exec(select(SourceRow).where(SourceRow.name == name)).one()


def get(session: Session, name: str) -> SourceRow | None:
    """One source."""
    return session.get(SourceRow, name)


def every(session: Session) -> list[SourceRow]:
    """All sources ever seen, by name."""
    return list(session.exec(select(SourceRow).order_by(col(SourceRow.name))))


def touch_webhook(session: Session, name: str, *, at: datetime) -> None:
    """A webhook came at this moment; an earlier one never moves the time back."""
    session.connection().execute(_TOUCH_WEBHOOK, {"source": name, "at": at})


def set_state(
    session: Session, name: str, *, state: str, reason: str | None, was: Collection[str] | None = None
) -> bool:
    """`running`, `paused` by a person, or `auth_failed`, with the reason; `was`: only out of one of these."""
    before = [] if was is None else [col(SourceRow.state).in_(was)]
    return bool(
        session.exec(
            update(SourceRow).where(col(SourceRow.name) == name, *before).values(state=state, reason=reason)
        ).rowcount
    )


def halted(session: Session) -> dict[str, str]:
    """The sources whose API is not called, with their state."""
    found = session.exec(select(SourceRow).where(col(SourceRow.state) != "running"))
    return {row.name: row.state for row in found}
