"""Sources: how they stand, the address of their door, pausing and resuming the calls of their API."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import AdapterError, RefusalError
from hub.polling.registration import door_address
from hub.store import sources
from hub.web.acting import HubRoute, caller_of, services_of
from hub.web.asking import Listed, answer, gives, read_object, refuse_rest, take_flag, take_text
from hub.web.hub_objects import SourceObject
from hub.web.problems import not_found, of_other_side
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
    _known(services, name)
    masked = not caller_of(request).may("operate")
    return answer(await _shown(services, await look(request), name, masked=masked))


@router.post("/sources/{name}/pause", responses=gives(SourceObject))
async def pause_source(request: Request, name: str) -> Response:
    """Call the provider's API no more by ourselves; webhooks are still taken.

    Stays so over restarts, until somebody resumes it. What a person asks for is still done.
    """
    services = services_of(request)
    _known(services, name)
    body = await read_object(request)
    dry_run, reason = take_flag(body, "dry_run"), take_text(body, "reason")
    refuse_rest(body)
    if not dry_run:
        by = f"paused by {caller_of(request).name}"
        why = f"{by}: {reason}" if reason else by
        await services.database.write(
            lambda session: sources.set_state(session, name, state="paused", reason=why)
        )
    return await _answer(request, name, dry_run=dry_run)


@router.post("/sources/{name}/resume", responses=gives(SourceObject))
async def resume_source(request: Request, name: str) -> Response:
    """Call the provider's API again; credentials that were refused have to be accepted first."""
    services = services_of(request)
    _known(services, name)
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    refuse_rest(body)
    if not dry_run:
        await _prove(services, name)
        await services.database.write(
            lambda session: sources.set_state(session, name, state="running", reason=None)
        )
        services.wake_sources()
    return await _answer(request, name, dry_run=dry_run)


async def _prove(services: HubServices, name: str) -> None:
    row = await services.database.read(lambda session: sources.get(session, name))
    provider = services.providers.get(name)
    if row is None or row.state != "auth_failed" or provider is None:
        return
    try:
        await provider.account()
    except RefusalError:
        return  # It knows whose the key is, and refuses something else.
    except AdapterError as error:
        raise of_other_side(name, error, next=f"bookinghub sources show {name}") from error


def _known(services: HubServices, name: str) -> None:
    if name not in services.settings.sources:
        raise not_found("source", name, next="bookinghub sources list")


async def _answer(request: Request, name: str, *, dry_run: bool) -> Response:
    source = await _shown(services_of(request), await look(request), name, masked=True)
    return answer(source.model_dump(mode="json") | {"dry_run": dry_run})


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
