"""Asking sources on demand: a poll, a backfill, our address at the provider."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import AdapterError
from hub.ingest.lookup import NoProviderError
from hub.polling.errors import NoDoorError, NothingToReadError
from hub.polling.registration import Registered, Registration, door_address
from hub.polling.runs import Runs
from hub.store import operations
from hub.web.acting import HubRoute, not_possible, services_of
from hub.web.asking import answer, gives, read_object, reader, refuse_rest, take_flag, take_text
from hub.web.hub_objects import OperationObject
from hub.web.present import operation_object
from hub.web.problems import ProblemError, invalid, not_found, of_other_side
from hub.web.services import HubServices
from hub.web.source_objects import RegistrationObject

router = APIRouter(route_class=HubRoute, tags=["sources"])


@router.post("/sources/{name}/poll", status_code=202, responses=gives(OperationObject, 202))
async def poll_source(request: Request, name: str) -> Response:
    """Ask the provider what changed, now; the answer says where to watch it."""
    services = services_of(request)
    runs = _runs(services, name)
    refuse_rest(await read_object(request))
    with _refusals(name):
        return await _begun(services, await runs.begin_poll(name))


@router.post("/sources/{name}/backfill", status_code=202, responses=gives(OperationObject, 202))
async def backfill_source(request: Request, name: str) -> Response:
    """Read the history again; `from` and `to` say which meetings, the configuration if they are left out.

    Facts of a backfill make no reactor act.
    """
    services = services_of(request)
    runs = _runs(services, name)
    body = await read_object(request)
    given = [(key, text) for key in ("from", "to") if (text := take_text(body, key))]
    refuse_rest(body)
    times = reader(services, ("from", "to"), ()).read(given).times
    with _refusals(name):
        begun = await runs.begin_backfill(name, begin=times.get("from"), end=times.get("to"))
        return await _begun(services, begun)


@router.post("/sources/{name}/connect", responses=gives(RegistrationObject))
async def connect_source(request: Request, name: str) -> Response:
    """Enter our address at the provider, unless it stands there; former ones of ours are taken out."""
    return await _registered(request, name, entered=True)


@router.post("/sources/{name}/disconnect", responses=gives(RegistrationObject))
async def disconnect_source(request: Request, name: str) -> Response:
    """Take our addresses out at the provider; what others have entered stays."""
    return await _registered(request, name, entered=False)


async def _registered(request: Request, name: str, *, entered: bool) -> Response:
    services = services_of(request)
    registration = _registration(services, name)
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    refuse_rest(body)
    act = registration.connect if entered else registration.disconnect
    with _refusals(name):
        done = await act(name, dry_run=dry_run)
    return answer(_object(services, name, done, dry_run=dry_run))


def _object(services: HubServices, name: str, done: Registered, *, dry_run: bool) -> RegistrationObject:
    return RegistrationObject(
        source=name,
        address=door_address(services.settings.hub.public_url or "", name, "***"),
        registered=done.subscription_id is not None,
        made=done.made,
        removed=done.removed,
        dry_run=dry_run,
    )


def _runs(services: HubServices, name: str) -> Runs:
    _known(services, name)
    if services.source_runs is None:
        raise not_possible("this process asks no sources")
    return services.source_runs


def _registration(services: HubServices, name: str) -> Registration:
    _known(services, name)
    if services.registration is None:
        raise not_possible("this process asks no sources")
    return services.registration


def _known(services: HubServices, name: str) -> None:
    if name not in services.settings.sources:
        raise not_found("source", name, next="bookinghub sources list")


async def _begun(services: HubServices, operation_id: str) -> Response:
    row = await services.database.read(lambda session: operations.get(session, operation_id))
    if row is None:
        raise not_found("operation", operation_id, next="bookinghub operations list")
    begun = operation_object(row, services.clock.now())
    return answer(begun, 202, Location=f"/api/v1/operations/{operation_id}")


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """What keeps a source from being asked, as a problem."""
    try:
        yield
    except NoProviderError as error:
        raise ProblemError("not-supported", str(error), next=f"bookinghub sources show {name}") from error
    except NothingToReadError as error:
        raise invalid("/to", str(error)) from error
    except NoDoorError as error:
        raise ProblemError("invalid", str(error), next="bookinghub config explain hub.public_url") from error
    except AdapterError as error:
        raise of_other_side(name, error, next=f"bookinghub sources show {name}") from error
