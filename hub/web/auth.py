"""Who is calling: bearer tokens with a scope, needed on loopback too.

The admin token lies in a file of its own beside the data, readable to its owner only, so that the
command on the same machine needs no set-up; every other token is known by its hash alone.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import get_args

from sqlmodel import Session, col, select
from starlette.requests import Request

from hub.store import tokens
from hub.store.tables import TokenRow
from hub.store.tokens import TOUCHED_EVERY, Scope
from hub.web.problems import ProblemError
from hub.web.services import HubServices

ADMIN_FILE = "admin.token"
ADMIN_NAME = "admin.token"
"""How the names of admin tokens begin; the name of their hub follows."""
_RANK = {scope: rank for rank, scope in enumerate(get_args(Scope))}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token came with the request."""

    token_id: str
    name: str
    scope: Scope

    def may(self, scope: Scope) -> bool:
        """Whether the token reaches this far; each scope holds those below it."""
        return _RANK[self.scope] >= _RANK[scope]


async def authenticate(request: Request, services: HubServices, scope: Scope) -> Caller:
    """The caller, or ProblemError `unauthorised` or `forbidden`.

    Offline nobody can connect: who could open the data directory may do whatever is possible then.
    """
    if services.offline:
        return Caller("offline", "offline", "admin")
    secret = _bearer(request)
    if secret is None:
        raise _unauthorised("a bearer token is needed")
    row = await services.database.read(lambda session: tokens.authenticate(session, secret))
    if row is None:
        raise _unauthorised("the token is unknown or was revoked")
    caller = Caller(row.token_id, row.name, next(known for known in _RANK if known == row.scope))
    if not caller.may(scope):
        raise ProblemError(
            "forbidden",
            f"this needs a token of scope {scope}; yours ({row.name}) has {row.scope}",
            next=f"bookinghub tokens create NAME --scope {scope}",
        )
    await _note_use(services, row)
    return caller


async def authenticate_off_loopback(request: Request, services: HubServices) -> None:
    """Let this machine in; everybody else needs a token."""
    if not from_loopback(request):
        await authenticate(request, services, "read")


def from_loopback(request: Request) -> bool:
    """Whether the request was made on this machine, and not handed on by a proxy here."""
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for"))
    host = request.client.host if request.client else ""
    try:
        return ip_address(host).is_loopback and not forwarded
    except ValueError:
        return False


def ensure_admin_token(session: Session, path: Path, *, hub: str, now: datetime) -> str:
    """The admin token of this hub; made, or made anew, if the file is gone or it was revoked.

    The file is written before the row is committed, so a crash between them is mended at the next start.
    Tokens of other hubs on the same store stay as they are.
    """
    secret, name = _read_secret(path), f"{ADMIN_NAME} {hub}"
    if secret is None or tokens.is_revoked(session, secret):
        secret = tokens.new_secret()
        _write_secret(path, secret)
    current = tokens.create(session, name=name, scope="admin", secret=secret, now=now)
    former = session.exec(
        select(TokenRow.token_id).where(
            TokenRow.name == name,
            TokenRow.token_id != current.token_id,
            col(TokenRow.revoked_at).is_(None),
        )
    ).all()
    for token_id in former:
        tokens.revoke(session, token_id, now=now)
    return secret


def _bearer(request: Request) -> str | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def _unauthorised(detail: str) -> ProblemError:
    return ProblemError(
        "unauthorised",
        detail,
        next="bookinghub tokens create NAME --scope read",
        headers={"WWW-Authenticate": 'Bearer realm="bookinghub"'},
    )


async def _note_use(services: HubServices, row: TokenRow) -> None:
    now = services.clock.now()
    if row.last_used_at is None or row.last_used_at <= now - TOUCHED_EVERY:
        await services.database.write(lambda session: tokens.touch(session, row.token_id, now=now))


def _read_secret(path: Path) -> str | None:
    try:
        os.chmod(path, 0o600)
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _write_secret(path: Path, secret: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
