"""What the commands on bookings share: reading what is asked, showing it first, doing exactly that."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from events.state import Booking
from hub.commands.desk import Desk
from hub.commands.errors import RefusedCommandError
from hub.commands.plans import Plan
from hub.commands.seams import Done
from hub.store import checkpoints
from hub.store.tables import BookingRow
from hub.web import refs
from hub.web.acting import caller_of, not_possible, services_of
from hub.web.asking import answer, read_object, refuse_rest, take_flag, take_text
from hub.web.command_objects import CommandObject, RefundObject, ResultObject
from hub.web.in_step import in_step_of
from hub.web.moments import read_moment, refuse_unclear
from hub.web.objects import BookingObject
from hub.web.present import booking_object, booking_of
from hub.web.problems import ProblemError, invalid
from hub.web.services import HubServices

LONGEST_REASON = 500
SHOWN_SOON = 2.0
"""Seconds an answer waits for the projections, so that what is read next shows the change."""
_LOOK_SECONDS = 0.02

_log = structlog.get_logger(__name__)

Run = Callable[[Plan], Awaitable[Done]]


@dataclass(frozen=True, slots=True)
class Order:
    """One command as it was asked for; `body` holds what nobody has taken yet."""

    services: HubServices
    desk: Desk
    booking: Booking
    body: dict[str, Any]
    dry_run: bool
    preview: str | None
    by: str

    async def fresh(self) -> Booking:
        """The booking as its provider shows it now."""
        return await self.desk.execution.fresh(self.booking)

    def take_reason(self) -> str | None:
        return take_text(self.body, "reason", longest=LONGEST_REASON)

    def take_time(self, *names: str) -> datetime:
        """The first of these members that is there, as a time; without a zone it is the hub's, and clear."""
        name = next((name for name in names if name in self.body), names[0])
        text = take_text(self.body, name)
        if text is None:
            raise invalid(f"/{name}", f"{name} is missing: a time such as 2026-10-28 09:00, or RFC 3339")
        moment = moment_of(self.services, name, text)
        try:
            refuse_unclear(text, ZoneInfo(self.services.settings.hub.timezone))
        except ValueError as error:
            raise invalid(f"/{name}", f"{name}: {error}") from error
        return moment

    def end_of_body(self) -> None:
        refuse_rest(self.body)


def desk_of(services: HubServices) -> Desk:
    """Where commands are given; refuses where nobody can carry them out."""
    if services.commands is None:
        raise not_possible("this process gives no commands to providers")
    return services.commands


async def find_booking(services: HubServices, ref: str) -> Booking:
    """The booking a REF means, as the projections show it."""

    def work(session: Session) -> Booking:
        live = checkpoints.live(session)
        row: BookingRow = refs.one_booking(session, live.generation if live else 0, ref)
        return booking_of(row)

    return await services.database.read(work)


async def read_order(request: Request, ref: str) -> Order:
    """The command in a request about one booking."""
    services = services_of(request)
    body = await read_object(request)
    dry_run, preview = take_flag(body, "dry_run"), take_text(body, "preview")
    booking = await find_booking(services, ref)
    insist(request, booking)
    return Order(services, desk_of(services), booking, body, dry_run, preview, caller_of(request).name)


def insist(request: Request, booking: Booking) -> None:
    """Honour If-Match."""
    tags = request.headers.get("if-match")
    if tags is None or tags.strip() == "*":
        return
    if f'"{booking.position}"' not in [tag.strip() for tag in tags.split(",")]:
        raise ProblemError(
            "precondition-failed",
            f"the booking is at position {booking.position} by now",
            next=f"bookinghub why {booking.booking_id}",
        )


async def carry_out(order: Order, plan: Plan, run: Run, *, refund: RefundObject | None = None) -> Response:
    """Show the plan, or do it if it is still the one that was shown."""
    if order.dry_run:
        return answer(await _shown(order, plan, None, refund))
    if order.preview is not None and order.preview != plan.preview:
        raise ProblemError(
            "preview-outdated",
            "the booking has changed since it was shown; look again",
            next=f"bookinghub why {plan.booking.booking_id}",
        )
    try:
        done = await run(plan)
    except RefusedCommandError as error:
        outcome = "unknown" if error.code == "outcome-unknown" else "refused"
        _count(order, plan, outcome)
        _log.info("command", command=plan.command, by=order.by, outcome=outcome, code=error.code)
        raise
    outcome = "done" if done.confirmed else "accepted"
    _count(order, plan, outcome)
    _log.info("command", command=plan.command, by=order.by, outcome=outcome, command_id=done.command_id)
    if done.state is not None:
        await _until_shown(order.services, done.state.position)
    return answer(await _shown(order, plan, done, refund))


def moment_of(services: HubServices, name: str, text: str, *, end_of_day: bool = False) -> datetime:
    """A time as people write it."""
    zone = ZoneInfo(services.settings.hub.timezone)
    try:
        return read_moment(text, now=services.clock.now(), zone=zone, ago=False, end_of_day=end_of_day).at
    except ValueError as error:
        raise invalid(f"/{name}", f"{name}: {error}") from error


def digest(parts: Sequence[Any]) -> str:
    """A name for exactly these things."""
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()[:16]


async def shown_booking(services: HubServices, booking: Booking) -> BookingObject:
    """A booking as the API shows it, with how the targets stand."""
    states = await services.database.read(
        lambda session: in_step_of(session, [booking.booking_id], services.sink_kinds)
    )
    return booking_object(booking, states[booking.booking_id])


async def _shown(order: Order, plan: Plan, done: Done | None, refund: RefundObject | None) -> CommandObject:
    state = plan.booking if done is None else done.state
    results = () if done is None else done.results
    return CommandObject(
        command=plan.command,
        command_id=done.command_id if done else None,
        booking_id=plan.booking.booking_id,
        dry_run=done is None,
        preview=plan.preview,
        effect=plan.effect,
        to=plan.start,
        mails=list(plan.mailed),
        others=[other.booking_id for other in plan.others],
        refund=refund,
        booking=await shown_booking(order.services, state) if state else None,
        facts=list(done.facts) if done else [],
        confirmed=done.confirmed if done else None,
        results=[ResultObject(about=one.about, outcome=one.outcome, message=one.message) for one in results],
        operation_id=done.operation_id if done else None,
    )


def _count(order: Order, plan: Plan, outcome: str) -> None:
    if order.services.metrics is not None:
        order.services.metrics.commands.labels(plan.command, outcome).inc()


async def _until_shown(services: HubServices, position: int) -> None:
    """Wait until the projections show this position, but not for long: they may be rebuilt or stopped."""
    waited = 0.0
    while waited < SHOWN_SOON:
        live = await services.database.read(checkpoints.live)
        if live is not None and live.position >= position:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
