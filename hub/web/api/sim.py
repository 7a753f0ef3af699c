"""The playground: what people do at the simulated provider, and what breaks at simulated systems."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from events.state import Attendee, Booking
from hub.errors import HubError
from hub.store import checkpoints
from hub.web import refs
from hub.web.acting import HubRoute, services_of
from hub.web.asking import answer, gives, read_object, refuse_rest, take_flag, take_text
from hub.web.hub_objects import PlayedObject
from hub.web.moments import read_moment
from hub.web.present import booking_of
from hub.web.problems import ProblemError, invalid, not_found
from hub.web.services import HubServices, PlaygroundControl

MISHAPS = ("lost", "doubled", "late", "reordered")
FAULTS = {"status": "status", "lost-reply": "lost_reply", "disconnect": "disconnect", "html": "html"}
MOST_TIMES = 1_000

router = APIRouter(route_class=HubRoute, tags=["playground"])

Body = dict[str, Any]


@router.post("/sim/{act}", responses=gives(PlayedObject))
async def play(request: Request, act: str) -> Response:
    """`book`, `move`, `cancel` and `no-show` at the simulated provider; `break`, `heal` and `reset`."""
    services = services_of(request)
    if act not in _ACTS:
        raise not_found("act of the playground", act, next="bookinghub sim --help")
    playground = services.playground
    if playground is None:
        raise ProblemError(
            "not-supported",
            "this hub has no playground; its configuration has no simulator section",
            next="bookinghub config explain simulator",
        )
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    prepare = _ACTS[act]
    try:
        target, told, do = await prepare(services, playground, act, body)
        done = {} if dry_run else await do()
    except HubError as error:
        raise ProblemError("provider-refused", str(error), next="bookinghub sim --help") from error
    return answer(PlayedObject(act=act, target=target, asked=told, done=done, dry_run=dry_run))


Prepared = tuple[str, dict[str, Any], Callable[[], Awaitable[dict[str, Any]]]]


async def _person(services: HubServices, playground: PlaygroundControl, act: str, body: Body) -> Prepared:
    """What somebody does at the provider: whose booking, when, and so on."""
    asked: dict[str, Any] = {"act": act}
    booking = await _booking(services, take_text(body, "booking"))
    type_name = _source_type(services, playground, booking)
    if booking is not None:
        asked["id"] = booking.provider_id
    asked |= _texts(act, body)
    start = take_text(body, "start")
    if start is not None:
        asked["start"] = _instant(services, start)
    attendee = take_text(body, "attendee")
    if attendee is not None:
        if booking is None:
            raise invalid("/attendee", "an attendee belongs to a booking; say which one")
        asked["attendee"] = _attendee(booking, attendee).attendee_id
    if act == "no-show":
        asked["undo"] = take_flag(body, "undo")
    refuse_rest(body)

    async def do() -> dict[str, Any]:
        return await playground.play(type_name, asked)

    return type_name, asked, do


async def _break(services: HubServices, playground: PlaygroundControl, act: str, body: Body) -> Prepared:
    """A target that refuses, or webhooks that go astray."""
    type_name = _target_type(services, playground, take_text(body, "target"))
    webhooks, kind = take_text(body, "webhooks"), take_text(body, "kind")
    if webhooks is not None:
        if webhooks not in MISHAPS:
            raise invalid("/webhooks", f"webhooks are {', '.join(MISHAPS)}")
        refuse_rest(body)
        share = {"webhooks": webhooks, "share": 1}

        async def misplace() -> dict[str, Any]:
            await playground.misplace(type_name, webhooks, share=1)
            return {}

        return type_name, share, misplace
    if kind is not None and kind not in FAULTS:
        raise invalid("/kind", f"kind is one of {', '.join(FAULTS)}")
    fault = {
        "kind": FAULTS[kind or "status"],
        "status": _number(body, "status", 503, most=599),
        "times": _number(body, "times", None, most=MOST_TIMES),
    }
    refuse_rest(body)

    async def break_down() -> dict[str, Any]:
        await playground.break_down(type_name, fault)
        return {}

    return type_name, fault, break_down


async def _heal(services: HubServices, playground: PlaygroundControl, act: str, body: Body) -> Prepared:
    """One system, or all of them."""
    named = take_text(body, "target")
    refuse_rest(body)
    types = playground.types if named is None else (_target_type(services, playground, named),)

    async def heal() -> dict[str, Any]:
        for type_name in types:
            await playground.heal(type_name)
        return {}

    return ", ".join(types), {}, heal


async def _reset(services: HubServices, playground: PlaygroundControl, act: str, body: Body) -> Prepared:
    """All systems as on the first day; what the hub knows stays."""
    refuse_rest(body)

    async def reset() -> dict[str, Any]:
        await playground.reset()
        return {}

    return ", ".join(playground.types), {}, reset


_ACTS: Mapping[str, Callable[[HubServices, PlaygroundControl, str, Body], Awaitable[Prepared]]] = {
    "book": _person,
    "move": _person,
    "cancel": _person,
    "no-show": _person,
    "break": _break,
    "heal": _heal,
    "reset": _reset,
}


def _texts(act: str, body: Body) -> dict[str, str]:
    """The texts that this act takes."""
    names = {"book": ("name", "email", "meeting_type"), "cancel": ("reason",)}.get(act, ())
    found = {name: take_text(body, name) for name in names}
    return {name: text for name, text in found.items() if text is not None}


async def _booking(services: HubServices, ref: str | None) -> Booking | None:
    if ref is None:
        return None

    def find(session: Session) -> Booking:
        live = checkpoints.live(session)
        return booking_of(refs.one_booking(session, live.generation if live else 0, ref))

    return await services.database.read(find)


def _source_type(services: HubServices, playground: PlaygroundControl, booking: Booking | None) -> str:
    """The type of the booking's source, or of the first source that is simulated."""
    sources = services.settings.sources
    named = [sources[booking.source]] if booking is not None and booking.source in sources else []
    simulated = [one.type for one in (named or sources.values()) if one.type in playground.types]
    if not simulated:
        raise ProblemError("not-supported", "no source of this hub is simulated")
    return simulated[0]


def _target_type(services: HubServices, playground: PlaygroundControl, named: str | None) -> str:
    """A stand-in by the name of a sink or source, or by its type."""
    if named is None:
        raise invalid("/target", "say what breaks: the name of a sink or source, or an adapter type")
    instances = {**services.settings.sources, **services.settings.sinks}
    type_name = instances[named].type if named in instances else named
    if type_name not in playground.types:
        there = ", ".join(playground.types)
        raise invalid("/target", f"nothing at {named} is simulated; there are stand-ins for {there}")
    return type_name


def _attendee(booking: Booking, named: str) -> Attendee:
    wanted = named.lower()
    hits = [
        one
        for one in booking.attendees
        if wanted in (one.attendee_id, (one.email or "").lower()) or wanted in (one.name or "").lower()
    ]
    if len(hits) != 1:
        raise not_found("attendee of this booking", named, next="bookinghub bookings list")
    return hits[0]


def _instant(services: HubServices, text: str) -> str:
    """A time, read in the hub's zone if it has none."""
    zone = ZoneInfo(services.settings.hub.timezone)
    try:
        return read_moment(text, now=services.clock.now(), zone=zone, ago=False).at.isoformat()
    except ValueError as error:
        raise invalid("/start", f"start: {error}") from error


def _number(body: Body, name: str, default: int | None, *, most: int) -> int | None:
    value = body.pop(name, default)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most):
        raise invalid(f"/{name}", f"{name} is a number from 1 to {most}")
    return value
