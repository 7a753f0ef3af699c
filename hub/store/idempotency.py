"""Answers of acting requests, so that repeating one under the same key acts once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, delete, update
from sqlmodel import Session, col

from hub.store.statements import insert_new
from hub.store.tables import IdempotencyRow

GIVEN_UP_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Begun:
    """How a request under a key stands.

    `new`: act, then `finish` or `abandon`. `answered`: give back `status` and `response`.
    `running`: the first one has not answered yet. `reused`: the key belongs to another request.
    """

    outcome: Literal["new", "answered", "running", "reused"]
    status: int | None = None
    response: str | None = None


def begin(session: Session, token_id: str, key: str, *, request_hash: str, now: datetime) -> Begun:
    """Take the key, or say what it already stands for; a request that died unanswered gives its key back.

    Where it must not be made again, `finish` it first.
    """
    row = IdempotencyRow(token_id=token_id, key=key, request_hash=request_hash, created_at=now)
    if insert_new(session, [row]):
        return Begun("new")
    known = get(session, token_id, key)
    if known is None:  # abandoned between the two statements
        return Begun("running")
    if known.request_hash != request_hash:
        return Begun("reused")
    if known.status is not None:
        return Begun("answered", known.status, known.response)
    return Begun("new" if _take_over(session, known, now) else "running")


def _take_over(session: Session, known: IdempotencyRow, now: datetime) -> bool:
    """Compare-and-set, for two may repeat the dead request at once."""
    if known.created_at > now - GIVEN_UP_AFTER:
        return False
    return bool(
        session.exec(
            update(IdempotencyRow)
            .where(
                *_of(known.token_id, known.key),
                col(IdempotencyRow.status).is_(None),
                col(IdempotencyRow.created_at) == known.created_at,
            )
            .values(created_at=now)
        ).rowcount
    )


def finish(session: Session, token_id: str, key: str, *, status: int, response: str) -> None:
    """Keep the answer for whoever asks again."""
    session.exec(update(IdempotencyRow).where(*_of(token_id, key)).values(status=status, response=response))


def abandon(session: Session, token_id: str, key: str) -> None:
    """Nothing was done: the key is free again."""
    session.exec(delete(IdempotencyRow).where(*_of(token_id, key), col(IdempotencyRow.status).is_(None)))


def get(session: Session, token_id: str, key: str) -> IdempotencyRow | None:
    """What is kept under the key."""
    return session.get(IdempotencyRow, (token_id, key))


def expire(session: Session, *, now: datetime, kept: timedelta) -> int:
    """Delete answers older than `kept`, and requests that never answered."""
    return session.exec(delete(IdempotencyRow).where(col(IdempotencyRow.created_at) < now - kept)).rowcount


def _of(token_id: str, key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(IdempotencyRow.token_id) == token_id, col(IdempotencyRow.key) == key
