"""What is asked of a provider before acting on a booking, and the link with which its attendee acts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from adapters.template_fields import reschedule_link
from events.state import Attendee, Booking
from hub.commands import asking
from hub.commands.differences import Difference, differences
from hub.commands.plans import chosen_attendee
from hub.web.acting import HubRoute, services_of
from hub.web.asking import Listed, answer, gives, read_object, refuse_rest, take_flag, take_text, takes
from hub.web.command_objects import DifferenceObject, FreeTimeObject, LinkObject, LiveObject
from hub.web.commanding import desk_of, find_booking, insist, moment_of, shown_booking
from hub.web.letters import letter_writer, write_link
from hub.web.paging import respond
from hub.web.present import dumped
from hub.web.problems import ProblemError, invalid
from hub.web.selectors import Selection
from hub.web.services import HubServices
from hub.web.wire import instant, is_text

ASKED = ("from", "to", "host", "timezone")

router = APIRouter(route_class=HubRoute, tags=["bookings"])


@router.get(
    "/bookings/{ref}/availability",
    responses=gives(Listed[FreeTimeObject]),
    openapi_extra=takes(*ASKED),
)
async def show_availability(request: Request, ref: str) -> Response:
    """Free times `from` … `to` for moving a booking; its own time does not count as taken."""
    services = services_of(request)
    asked = _read_query(request, ASKED)
    for name in ("from", "to"):
        if name not in asked:
            raise invalid(f"/{name}", f"{name} is missing: a date, or RFC 3339")
    begin = moment_of(services, "from", asked["from"])
    end = moment_of(services, "to", asked["to"], end_of_day=True)
    if end <= begin:
        raise invalid("/to", "to lies before from")
    booking = await find_booking(services, ref)
    found = await asking.availability(
        desk_of(services).execution,
        booking,
        begin=begin,
        end=end,
        host=_host_id(booking, asked.get("host")),
        timezone=asked.get("timezone"),
    )
    items = [
        FreeTimeObject(
            start=slot.start,
            end=slot.end or slot.start + (booking.end - booking.start),
            timezone=found.timezone,
            provider_id=slot.appointment_id,
            places=slot.places,
        )
        for slot in found.slots
    ]
    return respond(request, dumped(items), next=None, selection=Selection())


@router.get("/bookings/{ref}/live", responses=gives(LiveObject))
async def show_live(request: Request, ref: str) -> Response:
    """A booking beside what its provider shows now; nothing is added to its history."""
    services = services_of(request)
    booking = await find_booking(services, ref)
    reading = await asking.as_shown_now(desk_of(services).execution, booking)
    snapshot = reading.snapshot if reading else None
    found = differences(booking, snapshot) if snapshot else []
    return answer(
        LiveObject(
            booking=await shown_booking(services, booking),
            missing=reading is None,
            reason=reading.reason if reading and snapshot is None else None,
            differences=[_difference(one) for one in found],
        )
    )


@router.get("/bookings/{ref}/link", responses=gives(LinkObject), openapi_extra=takes("attendee"))
async def show_link(request: Request, ref: str) -> Response:
    """Where an attendee moves or cancels the booking; computed, never stored."""
    services = services_of(request)
    asked = _read_query(request, ("attendee",))
    booking = await _with_its_page(services, await find_booking(services, ref))
    return answer(link_of(booking, asked.get("attendee"), dry_run=True))


@router.post("/bookings/{ref}/link", responses=gives(LinkObject))
async def send_link(request: Request, ref: str) -> Response:
    """Have a sink that has a mail account write the link to the attendee; `dry_run` tells to whom."""
    services = services_of(request)
    body = await read_object(request)
    attendee, sink, dry_run = (
        take_text(body, "attendee"),
        take_text(body, "sink"),
        take_flag(body, "dry_run"),
    )
    refuse_rest(body)
    booking = await find_booking(services, ref)
    insist(request, booking)
    booking = await _with_its_page(services, booking)
    link = link_of(booking, attendee, dry_run=dry_run)
    if link.email is None:
        raise ProblemError("not-supported", "the attendee has no mail address")
    async with letter_writer(services, sink) as (name, writer):
        if not dry_run:
            await write_link(writer, booking, link)
    return answer(link.model_copy(update={"sent_by": name}))


async def _with_its_page(services: HubServices, booking: Booking) -> Booking:
    """Asks the provider only for what is not known, and only where there is one to ask."""
    if services.commands is None:
        return booking
    return await asking.with_its_page(services.commands.execution, booking)


def link_of(booking: Booking, attendee: str | None, *, dry_run: bool) -> LinkObject:
    """The link of the attendee that is meant; refuses where a part of the address is not known."""
    one: Attendee = chosen_attendee(booking, attendee)
    link = reschedule_link(_alone(booking, one))
    if link is None:
        raise ProblemError(
            "not-supported",
            "a part of the address is not known: the company, the meeting type or the attendee's mail",
            next=f"bookinghub bookings show {booking.booking_id} --live",
        )
    return LinkObject(
        booking_id=booking.booking_id,
        attendee_id=one.attendee_id,
        email=one.email,
        link=link,
        dry_run=dry_run,
        sent_by=None,
    )


def _alone(booking: Booking, attendee: Attendee) -> Booking:
    """The booking as if this attendee were alone in it: the link is theirs."""
    return booking.model_copy(update={"attendees": (attendee,)})


def _difference(found: Difference) -> DifferenceObject:
    return DifferenceObject(name=found.name, hub=_plain(found.hub), provider=_plain(found.provider))


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return instant(value) if isinstance(value, datetime) else value


def _read_query(request: Request, allowed: Sequence[str]) -> dict[str, str]:
    query = {name.replace("-", "_"): value for name, value in request.query_params.items()}
    query.pop("limit", None)  # these answers are never cut
    for name, value in query.items():
        if name not in allowed:
            raise invalid(f"/{name}", f"unknown selector {name[:40]!r}; use {', '.join(allowed)}")
        if not is_text(value):
            raise invalid(f"/{name}", f"{name} needs a value of 1 to 500 characters")
    return query


def _host_id(booking: Booking, host: str | None) -> str | None:
    """A host of the booking by id, mail or name; anybody else is taken for an id of the provider's."""
    if host is None:
        return None
    names = host.strip().lower()
    for one in booking.hosts:
        if names in (one.id.lower(), (one.email or "").lower(), (one.name or "").lower()):
            return one.id
    return host.strip()
