"""Whether the process turns and whether it can work; never whether a target does."""

import asyncio
from collections.abc import Awaitable

from sqlmodel import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.errors import HubError
from hub.web.acting import services_of
from hub.web.asking import answer
from hub.web.problems import ProblemError

PATIENCE = 2.0


async def healthz(request: Request) -> Response:
    """The event loop turns."""
    return answer({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Log and store are usable."""
    services = services_of(request)
    log, store = await asyncio.gather(
        _problem_of(services.log.state()),
        _problem_of(services.database.read(lambda session: session.exec(select(1)).one())),
    )
    log = log or services.log.write_problem
    if services.stopping.is_set():
        log = log or "the hub is stopping"
    if log is None and store is None:
        return answer({"status": "ok", "log": "ok", "store": "ok"})
    parts = {"log": log or "ok", "store": store or "ok"}
    detail = "; ".join(f"{name}: {state}" for name, state in parts.items() if state != "ok")
    raise ProblemError(
        "not-ready", detail, next="bookinghub status", extra=parts, headers={"Retry-After": "5"}
    )


ROUTES = (Route("/healthz", healthz), Route("/readyz", readyz))


async def _problem_of(check: Awaitable[object]) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE):
            await check
    except TimeoutError:
        return f"no answer within {PATIENCE:.0f} s"
    except HubError as error:
        return str(error)
    return None
