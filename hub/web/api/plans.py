"""Plans: a sink compared with its target now, and repairs of what was found."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from adapters.errors import AdapterError, TransientError
from hub.delivery.applying import Ask, Wanted
from hub.delivery.comparison import Comparison
from hub.delivery.errors import NotComparableError
from hub.errors import HubError
from hub.store import checkpoints
from hub.store.tables import AttendeeRow
from hub.web import refs
from hub.web.acting import HubRoute, not_possible, services_of
from hub.web.asking import Listed, answer, gives, read_selection, refuse_rest, take_text, takes
from hub.web.paging import NDJSON, page_of
from hub.web.plan_objects import (
    AskedObject,
    PlanItemObject,
    PlanObject,
    in_order,
    item_object,
    plan_object,
)
from hub.web.problems import ProblemError, invalid, not_found, problem_of, request_id_of
from hub.web.selectors import Selection
from hub.web.services import HubServices
from hub.web.wire import encode

QUIET_SECONDS = 10.0
"""How long an answer in lines may be silent; an empty line then says that it is still being made."""

SELECTORS = ("booking",)

router = APIRouter(route_class=HubRoute, tags=["sinks"])


class Plan(Listed[PlanItemObject], PlanObject):
    """A page of a plan with its end."""


@router.get("/sinks/{name}/plan", responses=gives(Plan), openapi_extra=takes(*SELECTORS))
async def show_plan(request: Request, name: str) -> Response:
    """What would have to be done to bring the target into step; reads there, changes nothing.

    As NDJSON the whole plan, one item a line and its end in the last one; else a page of it, compared
    anew for each page.
    """
    services = services_of(request)
    selection = read_selection(request, services, SELECTORS)
    keys = await keys_of(services, name, selection.any_of("booking"))
    if services.compare is None:
        raise not_possible("this process cannot look at targets")
    work = asyncio.ensure_future(services.compare(name, keys=keys))
    if NDJSON not in request.headers.get("accept", ""):
        return _page(await _made(work), selection)
    await asyncio.wait({work}, timeout=QUIET_SECONDS)
    if not work.done():
        return StreamingResponse(_trickle(work, request), media_type=NDJSON)
    return Response(b"".join(_lines(await _made(work))), media_type=NDJSON)


async def begin_apply(services: HubServices, body: dict[str, Any]) -> str:
    """Begin an `apply` as its body asks; returns the operation's id."""
    named, ref, items = body.pop("sinks", None), take_text(body, "booking"), body.pop("items", None)
    refuse_rest(body)
    if services.apply is None:
        raise not_possible("this process cannot repair targets")
    if named is not None and (not isinstance(named, list) or not all(isinstance(one, str) for one in named)):
        raise invalid("/sinks", "sinks is a list of names")
    asks = None if items is None else _asks(items)
    sinks = named or ([name for name, kind in services.sink_kinds.items() if kind != "reactor"])
    if asks is not None:
        sinks = list(dict.fromkeys(ask.sink for ask in asks if named is None or ask.sink in named))
    refs_of = () if ref is None else (ref,)
    keys = {sink: await keys_of(services, sink, refs_of) for sink in sinks}
    limited = {sink: found for sink, found in keys.items() if found is not None}
    return await services.apply(Wanted(tuple(sinks), asks, limited))


async def keys_of(services: HubServices, sink: str, named: Sequence[str]) -> frozenset[str] | None:
    """What a sink keeps for these bookings; None without any: everything."""
    if sink not in services.settings.sinks:
        raise not_found("sink", sink, next="bookinghub sinks list")
    if not named:
        return None

    def read(session: Session) -> frozenset[str]:
        live = checkpoints.live(session)
        generation = live.generation if live else 0
        bookings = [refs.one_booking(session, generation, ref).booking_id for ref in named]
        if services.sink_kinds.get(sink) != "contact":
            return frozenset(bookings)
        attending = select(AttendeeRow.contact_id).where(
            AttendeeRow.generation == generation, col(AttendeeRow.booking_id).in_(bookings)
        )
        return frozenset(session.exec(attending))

    return await services.database.read(read)


def _asks(items: object) -> tuple[Ask, ...]:
    """Items of a plan as they were shown."""
    if not isinstance(items, list):
        raise invalid("/items", "items is a list of items of a plan")
    return tuple(_ask(f"/items/{index}", item) for index, item in enumerate(items))


def _ask(pointer: str, item: object) -> Ask:
    try:
        return AskedObject.model_validate(item).ask()
    except ValidationError as error:
        raise invalid(pointer, "not an item of a plan") from error


async def _made(work: "asyncio.Future[Comparison]") -> Comparison:
    """The comparison, or the problem that kept it from being made."""
    try:
        return await work
    except NotComparableError as error:
        raise ProblemError("not-supported", str(error), next="bookinghub sinks list") from error
    except TransientError as error:
        raise ProblemError("target-unreachable", str(error), headers={"Retry-After": "5"}) from error
    except AdapterError as error:
        raise ProblemError("target-refused", str(error), next="bookinghub sinks list") from error
    finally:
        work.cancel()


async def _trickle(work: "asyncio.Future[Comparison]", request: Request) -> AsyncIterator[bytes]:
    """Empty lines while the plan is made, then the plan; a problem comes as the last line."""
    try:
        while not work.done():
            yield b"\n"
            await asyncio.wait({work}, timeout=QUIET_SECONDS)
        for line in _lines(await _made(work)):
            yield line
    except (ProblemError, HubError) as error:
        yield encode(problem_of(error).body(request_id_of(request))) + b"\n"
    finally:
        work.cancel()


def _lines(comparison: Comparison) -> list[bytes]:
    shown = [item_object(item) for item in in_order(comparison.items)]
    return [encode(one.model_dump(mode="json")) + b"\n" for one in (*shown, plan_object(comparison))]


def _page(comparison: Comparison, selection: Selection) -> Response:
    items = [item_object(item).model_dump(mode="json") for item in in_order(comparison.items)]
    page, following = page_of(items, kind=f"plan:{comparison.sink}", selection=selection, name=_name)
    return answer({"items": page, "next": following, **plan_object(comparison).model_dump(mode="json")})


def _name(item: Mapping[str, Any]) -> str:
    """Names an item without saying what it is about."""
    found = [item["key"], item["part"], item["external_id"]]
    return encode(found).hex()
