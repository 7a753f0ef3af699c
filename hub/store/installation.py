"""Which installation this store is, which log belongs to it, and which epoch that log is in."""

import uuid
from datetime import datetime

from sqlalchemy import bindparam, update
from sqlmodel import Session, col, select

from hub.store.statements import insert_new, table_of
from hub.store.tables import InstallationRow

_ONLY_ID = 1
_TABLE = table_of(InstallationRow)
_NOTE_POSITION = (
    update(_TABLE)
    .where(_TABLE.c.last_known_position < bindparam("position"))
    .values(last_known_position=bindparam("position"))
)


def get_or_create(session: Session, *, now: datetime) -> InstallationRow:
    """The one row, with a fresh random id if the store is new; of several hubs one makes it."""
    fresh = InstallationRow(id=_ONLY_ID, installation_id=uuid.uuid4().hex, created_at=now)
    insert_new(session, [fresh])
    return session.exec(select(InstallationRow)).one()


def get(session: Session) -> InstallationRow | None:
    """The one row, if it was made."""
    return session.get(InstallationRow, _ONLY_ID)


def bind_log(session: Session, *, log_created: str) -> None:
    """Remember when the log's stream was made: another time is another stream."""
    session.exec(update(InstallationRow).values(log_created=log_created))


def note_position(session: Session, position: int) -> None:
    """The log is known to reach this far; never moves back."""
    session.connection().execute(_NOTE_POSITION, {"position": position})


def raise_epoch(session: Session, *, expected: int, log_created: str, position: int, now: datetime) -> bool:
    """The log diverged: next epoch, from this position on. False if another hub has done it already."""
    return bool(
        session.exec(
            update(InstallationRow)
            .where(col(InstallationRow.epoch) == expected)
            .values(
                epoch=expected + 1, diverged_at=now, log_created=log_created, last_known_position=position
            )
        ).rowcount
    )
