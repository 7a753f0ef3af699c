"""Projections: how far the read models are."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.telemetry import PROJECTIONS
from hub.web.acting import HubRoute
from hub.web.asking import Listed, answer, gives
from hub.web.hub_objects import ProjectionObject
from hub.web.problems import not_found
from hub.web.seeing import look, respond_whole
from hub.web.situation import Situation
from hub.web.status import projection_status

router = APIRouter(route_class=HubRoute, tags=["projections"])


@router.get("/projections", responses=gives(Listed[ProjectionObject]))
async def list_projections(request: Request) -> Response:
    """All read models."""
    seen = await look(request)
    return respond_whole(request, [_shown(seen, name) for name in PROJECTIONS])


@router.get("/projections/{name}", responses=gives(ProjectionObject))
async def show_projection(request: Request, name: str) -> Response:
    """One read model."""
    if name not in PROJECTIONS:
        raise not_found("projection", name, next="bookinghub projections list")
    return answer(_shown(await look(request), name))


def _shown(seen: Situation, name: str) -> ProjectionObject:
    versions = seen.house.checkpoint.versions if seen.house.checkpoint else {}
    version = versions.get(name)
    return ProjectionObject(
        **projection_status(seen).model_dump(), name=name, version=None if version is None else str(version)
    )
