"""Long work: asked for, listed, watched."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import ColumnElement
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import Response

from hub.store import operations
from hub.store.tables import OperationRow
from hub.telemetry import PROJECTIONS
from hub.web.acting import HubRoute, not_possible, services_of
from hub.web.api.plans import begin_apply
from hub.web.asking import (
    Listed,
    answer,
    gives,
    read_object,
    read_selection,
    refuse_rest,
    take_flag,
    take_text,
    takes,
)
from hub.web.hub_objects import OperationObject
from hub.web.paging import read_page, respond
from hub.web.present import dumped, operation_object
from hub.web.problems import invalid, not_found
from hub.web.selectors import OPERATION_STATES
from hub.web.services import HubServices

SELECTORS = ("since", "until", "type", "state")
KINDS = ("rebuild", "apply")

router = APIRouter(route_class=HubRoute, tags=["operations"])


@router.get("/operations", responses=gives(Listed[OperationObject]), openapi_extra=takes(*SELECTORS))
async def list_operations(request: Request) -> Response:
    """Operations, the last begun first; `since` and `until` are about their beginning."""
    services = services_of(request)
    selection = read_selection(request, services, SELECTORS, OPERATION_STATES)
    where: list[ColumnElement[bool]] = []
    if selection.any_of("state"):
        where.append(col(OperationRow.state).in_(selection.any_of("state")))
    if selection.any_of("type"):
        where.append(col(OperationRow.kind).in_(selection.any_of("type")))
    if "since" in selection.times:
        where.append(col(OperationRow.started_at) >= selection.times["since"])
    if "until" in selection.times:
        where.append(col(OperationRow.started_at) < selection.times["until"])
    page = await services.database.read(
        lambda session: read_page(
            session, OperationRow, order=("started_at", "operation_id"), where=where, selection=selection
        )
    )
    now = services.clock.now()
    items = dumped(operation_object(row, now) for row in page.items)
    return respond(request, items, next=page.next, selection=selection)


@router.get("/operations/{operation_id}", responses=gives(OperationObject))
async def show_operation(request: Request, operation_id: str) -> Response:
    """One operation and how far it is."""
    return answer(await _shown(services_of(request), operation_id))


@router.post("/operations", status_code=202, responses=gives(OperationObject, 202))
async def begin_operation(request: Request) -> Response:
    """Begin long work; the answer says where to watch it.

    `{"kind": "rebuild", "verify": false}`, or `{"kind": "apply", "sinks": […]}` with a `booking` or the
    `items` of a plan, which are then done only as they were shown.
    """
    services = services_of(request)
    body = await read_object(request)
    kind = take_text(body, "kind")
    if kind not in KINDS:
        raise invalid("/kind", f"kind is one of {', '.join(KINDS)}")
    begin = begin_apply if kind == "apply" else _begin_rebuild
    operation_id = await begin(services, body)
    begun = await _shown(services, operation_id)
    return answer(begun, 202, Location=f"/api/v1/operations/{operation_id}")


async def _begin_rebuild(services: HubServices, body: dict[str, Any]) -> str:
    named, verify = body.pop("projections", None), take_flag(body, "verify")
    refuse_rest(body)
    if named is not None and (not isinstance(named, list) or set(map(str, named)) - set(PROJECTIONS)):
        raise invalid("/projections", f"projections is a list of {', '.join(PROJECTIONS)}")
    if services.rebuild is None:
        raise not_possible("this process cannot rebuild")
    return await services.rebuild(verify=verify)


async def _shown(services: HubServices, operation_id: str) -> OperationObject:
    row = await services.database.read(lambda session: operations.get(session, operation_id))
    if row is None:
        raise not_found("operation", operation_id, next="bookinghub operations list")
    return operation_object(row, services.clock.now())
