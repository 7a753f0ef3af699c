"""API tokens. A token is 256 random bits, so one round of SHA-256 hides it well enough."""

import hashlib
import hmac
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from hub.store.statements import insert_new
from hub.store.tables import TokenRow

Scope = Literal["read", "operate", "admin"]

TOUCHED_EVERY = timedelta(minutes=1)


def new_secret() -> str:
    """A token nobody can guess."""
    return f"bh_{secrets.token_urlsafe(32)}"


def create(session: Session, *, name: str, scope: Scope, secret: str, now: datetime) -> TokenRow:
    """Store a token by its hash; storing the same one again gives the row it already has."""
    hashed = _hash(secret)
    row = TokenRow(token_id=uuid.uuid4().hex, name=name, scope=scope, hash=hashed, created_at=now)
    insert_new(session, [row])
    return session.exec(select(TokenRow).where(TokenRow.hash == hashed)).one()


def authenticate(session: Session, secret: str) -> TokenRow | None:
    """The token's row, or None if there is no such token or it was revoked."""
    hashed = _hash(secret)
    row = session.exec(select(TokenRow).where(TokenRow.hash == hashed)).one_or_none()
    if row is None or not hmac.compare_digest(row.hash, hashed) or row.revoked_at is not None:
        return None
    return row


def is_revoked(session: Session, secret: str) -> bool:
    """Whether this token was ended; one that is not known was not."""
    ended = select(TokenRow.revoked_at).where(TokenRow.hash == _hash(secret))
    return session.exec(ended).one_or_none() is not None


def touch(session: Session, token_id: str, *, now: datetime) -> bool:
    """Note the use, at most once a minute; True if it was written."""
    long_ago = or_(col(TokenRow.last_used_at).is_(None), col(TokenRow.last_used_at) <= now - TOUCHED_EVERY)
    return bool(
        session.exec(
            update(TokenRow).where(col(TokenRow.token_id) == token_id, long_ago).values(last_used_at=now)
        ).rowcount
    )


def every(session: Session) -> list[TokenRow]:
    """All tokens, revoked ones too, oldest first."""
    return list(session.exec(select(TokenRow).order_by(col(TokenRow.created_at), col(TokenRow.token_id))))


def revoke(session: Session, token_id: str, *, now: datetime) -> bool:
    """End a token for good; False if it is unknown or ended already."""
    return bool(
        session.exec(
            update(TokenRow)
            .where(col(TokenRow.token_id) == token_id, col(TokenRow.revoked_at).is_(None))
            .values(revoked_at=now)
        ).rowcount
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
