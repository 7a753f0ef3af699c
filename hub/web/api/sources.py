"""Sources: how they stand, and the address of their door."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.polling.registration import door_address
from hub.web.acting import HubRoute, caller_of, services_of
from hub.web.asking import Listed, answer, gives
from hub.web.hub_objects import SourceObject
from hub.web.problems import not_found
from hub.web.seeing import look, respond_whole
from hub.web.services import HubServices
from hub.web.situation import Situation
from hub.web.sources_asked import asked_of
from hub.web.status import source_status

router = APIRouter(route_class=HubRoute, tags=["sources"])


@router.get("/sources", responses=gives(Listed[SourceObject]))
async def list_sources(request: Request) -> Response:
    """The configured sources in the order of the YAML, tokens masked."""
    services, seen = services_of(request), await look(request)
    names = services.settings.sources
    shown = [await _shown(services, seen, name, masked=True) for name in names]
    return respond_whole(request, shown)


@router.get("/sources/{name}", responses=gives(SourceObject))
async def show_source(request: Request, name: str) -> Response:
    """One source; who may act sees the whole address of its door, token included."""
    services = services_of(request)
    if name not in services.settings.sources:
        raise not_found("source", name, next="bookinghub sources list")
    masked = not caller_of(request).may("operate")
    return answer(await _shown(services, await look(request), name, masked=masked))


async def _shown(services: HubServices, seen: Situation, name: str, *, masked: bool) -> SourceObject:
    settings = services.settings.sources[name]
    row = seen.door.sources.get(name)
    return SourceObject(
        **source_status(services, seen, name).model_dump(),
        name=name,
        verify=settings.verify,
        webhook=_door(services, name, masked=masked),
        first_seen_at=row.first_seen_at if row else None,
        reason=row.reason if row else None,
        **await asked_of(services, seen, name),
    )


def _door(services: HubServices, name: str, *, masked: bool) -> str | None:
    """The address to enter at the provider; with no public address known, that of this process."""
    webhook = services.settings.sources[name].webhook
    if webhook is None:
        return None
    base = services.settings.hub.public_url or services.url or ""
    return door_address(base, name, "***" if masked else webhook.token.get_secret_value())
