"""Sinks: how they stand, what they plan and would write, pausing, resuming, preparing, forgetting them."""

from functools import partial

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import AdapterError
from hub.delivery import operations
from hub.store import checkpoints, guard
from hub.store.tables import BookingRow
from hub.web import feeds, refs, schedule
from hub.web.acting import SCOPE, HubRoute, caller_of, not_possible, services_of
from hub.web.asking import (
    Listed,
    answer,
    gives,
    read_object,
    refuse_rest,
    take_flag,
    take_text,
)
from hub.web.forgetting import forget, what_is_forgotten
from hub.web.held import held_object, rows_to_let_go
from hub.web.hub_objects import (
    DriftObject,
    Forgotten,
    FormerObject,
    HeldObject,
    PreparedObject,
    ResumedSink,
    SinkObject,
    SinkPreview,
    SlotObject,
)
from hub.web.present import booking_of, shown
from hub.web.previewing import preview_of
from hub.web.problems import invalid, not_found, of_other_side
from hub.web.seeing import look, respond_whole
from hub.web.services import HubServices
from hub.web.situation import Situation
from hub.web.status import sink_status

router = APIRouter(route_class=HubRoute, tags=["sinks"])


@router.get("/sinks", responses=gives(Listed[SinkObject]))
async def list_sinks(request: Request) -> Response:
    """The configured sinks in the order of the YAML."""
    services, seen = services_of(request), await look(request)
    return respond_whole(request, [_shown(services, seen, name) for name in services.settings.sinks])


@router.get("/sinks/{name}", responses=gives(SinkObject))
async def show_sink(request: Request, name: str) -> Response:
    """One sink; who may act sees the whole addresses of a feed, tokens included."""
    services = services_of(request)
    _known(services, name)
    masked = not caller_of(request).may("operate")
    sink = _shown(services, await look(request), name)
    where = {
        "address": feeds.address(services, name, masked=masked),
        "addresses": await feeds.addresses(services, name, masked=masked),
    }
    return answer(sink.model_copy(update=where))


@router.get("/sinks/{name}/schedule", responses=gives(Listed[SlotObject]), openapi_extra=schedule.PARAMETERS)
async def show_schedule(request: Request, name: str) -> Response:
    """A day's plan of a sink that gives out rooms or other units; `?day=`, today in the hub's time zone."""
    services = services_of(request)
    _known(services, name)
    return await schedule.answer(request, services, name)


@router.post("/sinks/{name}/pause", responses=gives(SinkObject))
async def pause_sink(request: Request, name: str) -> Response:
    """Stop calling the target; its rows wait. Stays so over restarts, until somebody resumes it."""
    services = services_of(request)
    _known(services, name)
    body = await read_object(request)
    dry_run, reason = take_flag(body, "dry_run"), take_text(body, "reason")
    refuse_rest(body)
    if not dry_run:
        by = f"paused by {caller_of(request).name}"
        why, now = f"{by}: {reason}" if reason else by, services.clock.now()
        await services.database.write(
            lambda session: operations.pause_sink(session, name, reason=why, now=now)
        )
        services.wake_deliveries()
    return _answer(_shown(services, await look(request), name), dry_run)


@router.post("/sinks/{name}/resume", responses=gives(ResumedSink))
async def resume_sink(request: Request, name: str) -> Response:
    """Call the target again: whether a person, refused credentials, an outage or a told wait stopped it.

    `waiting` is what the guard holds; only with its `preview` that is let go, and exactly that.
    """
    services = services_of(request)
    _known(services, name)
    body = await read_object(request)
    dry_run, preview = take_flag(body, "dry_run"), take_text(body, "preview")
    refuse_rest(body)
    settings, kind, now = services.settings.sinks[name], services.sink_kinds.get(name), services.clock.now()

    def resume(session: Session) -> HeldObject:
        rows = rows_to_let_go(session, name, preview)
        waiting = held_object(session, settings, kind)
        if not dry_run:
            operations.resume_sink(session, name, now=now)
            guard.let_go(session, rows if preview is not None else (), now=now)
        return waiting

    waiting = await (services.database.read if dry_run else services.database.write)(resume)
    if not dry_run:
        services.wake_deliveries()
    sink = _shown(services, await look(request), name)
    return answer(ResumedSink(**sink.model_dump(), dry_run=dry_run, waiting=waiting))


@router.get("/sinks/{name}/preview", responses=gives(SinkPreview))
async def preview_sink(request: Request, name: str) -> Response:
    """The objects a sink would write for a booking as it is now; `?booking=` names it. Calls nobody."""
    services = services_of(request)
    _known(services, name)
    refs_given = request.query_params.multi_items()
    if [key for key, _ in refs_given] != ["booking"]:
        raise invalid("/booking", "say which booking, once: ?booking=REF")
    row = await services.database.read(lambda session: _booking(session, refs_given[0][1]))
    return answer(await preview_of(services, services.settings.sinks[name], booking_of(row)))


@router.post("/sinks/{name}/forget", responses=gives(Forgotten), openapi_extra={SCOPE: "admin"})
async def forget_sink(request: Request, name: str) -> Response:
    """Forget a sink that left the configuration, or what a sink left behind at a former target.

    Objects stay where they are; nobody knows of them any more. `confirm` repeats the name.
    """
    services = services_of(request)
    body = await read_object(request)
    dry_run, confirmed = take_flag(body, "dry_run"), take_text(body, "confirm")
    refuse_rest(body)
    shown = await services.database.read(partial(what_is_forgotten, services, name, dry_run=dry_run))
    if not dry_run:
        if confirmed != name:
            raise invalid("/confirm", f"what is forgotten cannot be found again; confirm with {name}")
        await forget(services, name)
    return answer(shown)


def _booking(session: Session, ref: str) -> BookingRow:
    live = checkpoints.live(session)
    return refs.one_booking(session, live.generation if live else 0, ref)


@router.post("/sinks/{name}/prepare", responses=gives(PreparedObject))
async def prepare_sink(request: Request, name: str) -> Response:
    """Make what the target needs once, such as properties of a CRM; what is there stays as it is."""
    services = services_of(request)
    _known(services, name)
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    refuse_rest(body)
    if services.prepare is None:
        raise not_possible("this hub calls no targets")
    try:
        made = await services.prepare(name, dry_run=dry_run)
    except AdapterError as error:
        raise of_other_side(name, error, next=f"bookinghub sinks show {name}") from error
    if made and not dry_run:
        services.wake_deliveries()
    return answer(PreparedObject(name=name, made=list(made), dry_run=dry_run))


def _answer(sink: SinkObject, dry_run: bool) -> Response:
    return answer(sink.model_dump(mode="json") | {"dry_run": dry_run})


def _known(services: HubServices, name: str) -> None:
    if name not in services.settings.sinks:
        raise not_found("sink", name, next="bookinghub sinks list")


def _shown(services: HubServices, seen: Situation, name: str) -> SinkObject:
    settings = services.settings.sinks[name]
    row = seen.house.sinks.get(name)
    status, held = sink_status(services, seen, name), seen.house.held.get(name)
    return SinkObject.model_validate(
        status.model_dump(by_alias=True)
        | {
            "name": name,
            "kind": services.sink_kinds.get(name),
            "enabled": settings.enabled,
            "start": settings.start,
            "start_position": row.start_position if row else None,
            "reason": row.reason if row else None,
            "since": row.since if row else None,
            "target": row.target if row else None,
            "address": feeds.address(services, name, masked=True),
            "rate": str(settings.rate) if settings.rate else None,
            "concurrency": settings.concurrency,
            "failing_since": row.failing_since if row else None,
            "match": settings.match.written if settings.match else None,
            "guard": settings.guard,
            "held": held.count if held else 0,
            "former": [
                FormerObject(target=one.target, count=one.count, since=one.since)
                for one in seen.house.former.get(name, ())
            ],
            "drift": _drift(seen, name),
        }
    )


def _drift(seen: Situation, name: str) -> DriftObject | None:
    check = seen.house.checks.get(name)
    if check is None:
        return None
    drifted = sum(pile.count for (sink, _), pile in seen.house.drifted.items() if sink == name)
    return shown(DriftObject, check, drifted=drifted)
