"""The way of every API request: who is calling first, then, for acts, whether it is a repetition.

A POST may carry an `Idempotency-Key`: the same key with the same request gets the stored answer.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlmodel import Session

from hub.commands.errors import RefusedCommandError
from hub.store import idempotency
from hub.store.idempotency import Begun
from hub.store.tokens import Scope
from hub.web.auth import Caller, authenticate
from hub.web.problems import MEDIA_TYPE, ProblemError, invalid, problem_of, request_id_of
from hub.web.services import HubServices
from hub.web.wire import encode

SCOPE = "x-scope"
KEPT = timedelta(days=1)
ABANDONED_AFTER = timedelta(minutes=5)
"""A request that has not answered after this long died with its process: no provider is waited for longer."""
LONGEST_KEY = 255
OUTCOME_UNKNOWN = 504

API = "/api/v1"
ALLOWED_OFFLINE = (f"{API}/operations",)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def services_of(request: Request) -> HubServices:
    """What this application was made with."""
    services = request.app.state.services
    assert isinstance(services, HubServices)  # noqa: S101 - a mistake of the program, never of a caller
    return services


def caller_of(request: Request) -> Caller:
    """Whose token came with this request."""
    caller = request.state.caller
    assert isinstance(caller, Caller)  # noqa: S101 - a mistake of the program, never of a caller
    return caller


def not_possible(why: str) -> ProblemError:
    """This hub, as it was started, has nobody to do it."""
    return ProblemError("not-supported", why, next="bookinghub run")


class HubRoute(APIRoute):
    """A route below /api/v1: reading needs scope `read`, acting `operate`, or what `x-scope` says."""

    def get_route_handler(self) -> Handler:
        inner = super().get_route_handler()
        default: Scope = "operate" if "POST" in (self.methods or ()) else "read"
        scope: Scope = (self.openapi_extra or {}).get(SCOPE, default)
        # Whether the path of an included route has its prefix differs between versions of the framework.
        address = API + self.path.removeprefix(API)

        async def handle(request: Request) -> Response:
            services = services_of(request)
            request.state.address = address
            request.state.caller = await authenticate(request, services, scope)
            if services.offline and request.method == "POST" and address not in ALLOWED_OFFLINE:
                raise not_possible("while no hub runs, only reading and rebuilding are possible")
            key = request.headers.get("idempotency-key")
            if request.method != "POST" or key is None:
                response = await inner(request)
            else:
                response = await _once(request, services, key, inner)
            response.headers["Hub-Timezone"] = services.settings.hub.timezone
            return response

        return handle


async def _once(request: Request, services: HubServices, key: str, inner: Handler) -> Response:
    if not 0 < len(key) <= LONGEST_KEY:
        raise invalid("/Idempotency-Key", f"Idempotency-Key has 1 to {LONGEST_KEY} characters")
    token_id, digest = caller_of(request).token_id, await _digest(request)
    now, lost = services.clock.now(), _lost(request)
    begun = await services.database.write(lambda session: _begin(session, token_id, key, digest, now, lost))
    if begun.outcome == "reused":
        raise ProblemError(
            "key-reused", "this Idempotency-Key came with another request before; use a new one"
        )
    if begun.outcome == "running":
        raise ProblemError(
            "in-progress",
            "the first request with this key has not answered yet",
            headers={"Retry-After": "1"},
        )
    if begun.outcome == "answered":
        return _repeated(begun)
    try:
        response = await inner(request)
    except (ProblemError, RefusedCommandError) as error:
        response = problem_of(error).response(request_id_of(request))
    except asyncio.CancelledError:
        await services.database.write(lambda session: _give_up(session, token_id, key, lost))
        raise
    except BaseException:
        await services.database.write(lambda session: idempotency.abandon(session, token_id, key))
        raise
    await _keep(request, services, token_id, key, response)
    return response


def _begin(
    session: Session, token_id: str, key: str, digest: str, now: datetime, lost: ProblemError | None
) -> Begun:
    idempotency.expire(session, now=now, kept=KEPT)
    known = idempotency.get(session, token_id, key)
    if known is not None and known.status is None and known.created_at < now - ABANDONED_AFTER:
        _give_up(session, token_id, key, lost)
        session.expire_all()
    return idempotency.begin(session, token_id, key, request_hash=digest, now=now)


def _lost(request: Request) -> ProblemError | None:
    """What an act is answered from now on that ended with its process; None: it may be done again.

    What was asked of a booking may have reached its provider, and a second booking or note is no repetition.
    """
    path = request.url.path
    if not path.startswith(f"{API}/bookings/"):
        return None
    ref = path.removeprefix(f"{API}/bookings/").partition("/")[0]
    return ProblemError(
        "outcome-unknown",
        "the hub went away while it did this, so it may have happened; look, then use a new Idempotency-Key",
        next=f"bookinghub bookings show {ref} --live",
    )


def _give_up(session: Session, token_id: str, key: str, lost: ProblemError | None) -> None:
    if lost is None:
        idempotency.abandon(session, token_id, key)
    else:
        body = encode(lost.body(None)).decode()
        idempotency.finish(session, token_id, key, status=lost.status, response=body)


async def _keep(request: Request, services: HubServices, token_id: str, key: str, response: Response) -> None:
    """Store the answer, in the form the route asks for if it holds a secret; a failure frees the key.

    Where nobody knows whether it happened the key stays taken: a repetition must not act again.
    """
    if response.status_code >= 500 and response.status_code != OUTCOME_UNKNOWN:
        await services.database.write(lambda session: idempotency.abandon(session, token_id, key))
        return
    body: str = getattr(request.state, "stored_answer", None) or bytes(response.body).decode()
    await services.database.write(
        lambda session: idempotency.finish(session, token_id, key, status=response.status_code, response=body)
    )


def _repeated(begun: Begun) -> Response:
    status = begun.status or 200
    media_type = MEDIA_TYPE if status >= 400 else "application/json"
    headers = {"Idempotency-Replayed": "true"}
    return Response(begun.response or "", status, media_type=media_type, headers=headers)


async def _digest(request: Request) -> str:
    """What makes two requests the same."""
    head = [request.method, request.url.path, request.url.query, request.headers.get("if-match")]
    body = hashlib.sha256(await request.body()).hexdigest()
    return hashlib.sha256(json.dumps([*head, body]).encode()).hexdigest()
