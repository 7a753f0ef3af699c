"""The hub as a whole: its status, its end."""

import os

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.web.acting import SCOPE, HubRoute, services_of
from hub.web.asking import answer, gives, read_object, refuse_rest, take_flag
from hub.web.hub_objects import Begun, StatusObject
from hub.web.problems import ProblemError
from hub.web.seeing import look
from hub.web.status import status_of

router = APIRouter(route_class=HubRoute, tags=["hub"])


@router.get("/status", responses=gives(StatusObject))
async def show_status(request: Request) -> Response:
    """Whether everything answered so far is done; zeros everywhere mean that it is."""
    return answer(status_of(services_of(request), await look(request)))


@router.post("/stop", status_code=202, responses=gives(Begun, 202), openapi_extra={SCOPE: "admin"})
async def stop_hub(request: Request) -> Response:
    """End the hub as SIGTERM does: what was begun is finished, what waits stays in the store."""
    services = services_of(request)
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    refuse_rest(body)
    if services.stop is None:
        raise ProblemError("not-supported", "no hub runs here", next="bookinghub run")
    if not dry_run:
        services.stop()
    return answer(Begun(pid=os.getpid(), url=services.url, dry_run=dry_run), 202)
