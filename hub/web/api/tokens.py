"""Tokens of the API: made, listed, revoked. The secret is shown once and stored as a hash."""

import json
from typing import get_args

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.store import tokens
from hub.store.tables import TokenRow
from hub.store.tokens import Scope
from hub.web.acting import SCOPE, HubRoute, services_of
from hub.web.asking import (
    Listed,
    answer,
    gives,
    read_object,
    refuse_rest,
    take_flag,
    take_text,
)
from hub.web.auth import ADMIN_NAME
from hub.web.hub_objects import NewToken, TokenObject
from hub.web.present import shown
from hub.web.problems import ProblemError, invalid, not_found
from hub.web.seeing import respond_whole

ADMIN = {SCOPE: "admin"}
SHORTEST_PREFIX = 6

router = APIRouter(route_class=HubRoute, tags=["tokens"])


@router.get("/tokens", responses=gives(Listed[TokenObject]), openapi_extra=ADMIN)
async def list_tokens(request: Request) -> Response:
    """All tokens, revoked ones too, the newest first."""
    rows = await services_of(request).database.read(tokens.every)
    return respond_whole(request, [shown(TokenObject, row) for row in reversed(rows)])


@router.post("/tokens", status_code=201, responses=gives(NewToken, 201), openapi_extra=ADMIN)
async def create_token(request: Request) -> Response:
    """Make a token `{"name": …, "scope": "read|operate|admin"}`; its secret is in this answer only."""
    services = services_of(request)
    body = await read_object(request)
    name, scope = take_text(body, "name", longest=60), take_text(body, "scope")
    refuse_rest(body)
    if name is None or name.startswith(ADMIN_NAME):
        raise invalid("/name", "name says whose token it is, in up to 60 characters")
    wanted: Scope | None = next((known for known in get_args(Scope) if known == scope), None)
    if wanted is None:
        raise invalid("/scope", "scope is read, operate or admin")
    secret, now = tokens.new_secret(), services.clock.now()
    row = await services.database.write(
        lambda session: tokens.create(session, name=name, scope=wanted, secret=secret, now=now)
    )
    made = shown(NewToken, row, token=secret)
    request.state.stored_answer = json.dumps(made.model_dump(mode="json") | {"token": None})
    return answer(made, 201)


@router.post("/tokens/{token_id}/revoke", responses=gives(TokenObject), openapi_extra=ADMIN)
async def revoke_token(request: Request, token_id: str) -> Response:
    """End a token for good, by its id or the beginning of it."""
    services = services_of(request)
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    refuse_rest(body)
    now = services.clock.now()
    row = _one(await services.database.read(tokens.every), token_id)
    if not dry_run:
        await services.database.write(lambda session: tokens.revoke(session, row.token_id, now=now))
        row = _one(await services.database.read(tokens.every), row.token_id)
    return answer(shown(TokenObject, row).model_dump(mode="json") | {"dry_run": dry_run})


def _one(rows: list[TokenRow], ref: str) -> TokenRow:
    hits = [row for row in rows if row.token_id == ref]
    if not hits and len(ref) >= SHORTEST_PREFIX:
        hits = [row for row in rows if row.token_id.startswith(ref)]
    if not hits:
        raise not_found("token", ref, next="bookinghub tokens list")
    if len(hits) > 1:
        raise ProblemError("ambiguous", f"{ref!r} matches {len(hits)} tokens", next="bookinghub tokens list")
    return hits[0]
