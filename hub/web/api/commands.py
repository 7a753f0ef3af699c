"""Commands on one booking. Each goes to the provider; the answer holds what the hub has seen of it since.

`dry_run` shows what would be done, whom the provider writes to included. The preview's id may go with the
act, which is refused if it would be another one by then.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from events.state import Booking
from hub.commands import asking, new_bookings, plans
from hub.commands.plans import Plan
from hub.commands.seams import Done
from hub.store import replacements
from hub.web.acting import HubRoute
from hub.web.asking import gives, take_flag, take_text
from hub.web.command_objects import CommandObject
from hub.web.commanding import Order, carry_out, read_order
from hub.web.problems import ProblemError, invalid
from hub.web.refunding import quoted, read_refund, refunding, waiving
from hub.web.same_people import later_of_same_people
from hub.web.wire import is_whole

LONGEST_NOTE = 10_000
MOST_GUESTS = 20

router = APIRouter(route_class=HubRoute, tags=["bookings"])


@router.post("/bookings/{ref}/reschedule", responses=gives(CommandObject))
async def reschedule(request: Request, ref: str) -> Response:
    """Move to another time: in place, or `by_replacement` with a new booking that takes its place."""
    order = await read_order(request, ref)
    start, reason = order.take_time("to", "start"), order.take_reason()
    ignore, replace = take_flag(order.body, "ignore_availability"), take_flag(order.body, "by_replacement")
    order.end_of_body()
    if not replace:
        plan = plans.reschedule(order.booking, start=start, ignore_availability=ignore, reason=reason)
        return await carry_out(order, plan, order.desk.execution.run)
    pending = await order.services.database.read(
        lambda session: replacements.of_booking(session, order.booking.booking_id)
    )
    if pending is None:
        plan = new_bookings.replacement(
            await _known_group(order), start=start, reason=reason, ignore_availability=ignore
        )
        return await carry_out(order, plan, order.desk.new.replace)
    if pending.start != start:
        raise ProblemError(
            "in-progress",
            "another replacement of this booking was begun and is not finished; finish it first",
            next=f"bookinghub bookings reschedule {pending.booking_id} --by-replacement "
            f"--to {pending.start.isoformat()}",
        )

    async def resume(plan: Plan) -> Done:
        done = await order.desk.new.resume(pending, plan.booking)
        if done is not None:
            return done
        anew = new_bookings.replacement(plan.booking, start=start, reason=reason, ignore_availability=ignore)
        return await order.desk.new.replace(anew)

    effect = "the replacement that was begun is finished; one that was not made is asked for again"
    plan = Plan("replace", order.booking, effect, mailed=plans.mailed_of(order.booking), start=start)
    return await carry_out(order, plan, resume)


@router.post("/bookings/{ref}/cancel", responses=gives(CommandObject))
async def cancel(request: Request, ref: str) -> Response:
    """Cancel for good: the whole, one `attendee` of a group, or with `series` what is to come of it.

    A group booking needs `attendee` or `all`. `refund` is `none`, `full` or an amount that is given back once
    it is cancelled; over the sink's limit `confirm` has to name the amount.
    """
    order = await read_order(request, ref)
    reason, attendee = order.take_reason(), take_text(order.body, "attendee")
    everybody, series = take_flag(order.body, "all"), take_flag(order.body, "series")
    asked, confirmed = read_refund(take_text(order.body, "refund")), take_text(order.body, "confirm")
    order.end_of_body()
    plan = plans.cancel(
        await _known_group(order),
        reason=reason,
        attendee=attendee,
        everybody=everybody,
        series=series,
        refund=asked not in (None, "none"),
    )
    if series:
        plan = await later_of_same_people(order.services, plan)
    if asked is None or asked == "none":
        run = order.desk.execution.run
        return await carry_out(order, plan, waiving(order.services, run) if asked else run)
    async with refunding(order.services, order.desk, asked) as (name, giving):
        refund = await quoted(name, giving, plan.booking, confirmed=confirmed, dry_run=order.dry_run)
        return await carry_out(order, plan, giving.run, refund=refund)


@router.post("/bookings/{ref}/rebook", responses=gives(CommandObject))
async def rebook(request: Request, ref: str) -> Response:
    """Book the same meeting once more at `start`; the answer's booking is the new one."""
    order = await read_order(request, ref)
    start, attendee = order.take_time("start", "to"), take_text(order.body, "attendee")
    ignore = take_flag(order.body, "ignore_availability")
    order.end_of_body()
    plan = new_bookings.rebook(order.booking, start=start, attendee=attendee, ignore_availability=ignore)
    return await carry_out(order, plan, order.desk.new.rebook)


@router.post("/bookings/{ref}/no-show", responses=gives(CommandObject))
async def no_show(request: Request, ref: str) -> Response:
    """Note that an `attendee` did not come; `undo` is a word of ours that outranks the provider's mark."""
    order = await read_order(request, ref)
    attendee, undo = take_text(order.body, "attendee"), take_flag(order.body, "undo")
    order.end_of_body()
    plan = plans.no_show(order.booking, attendee=attendee, undo=undo)
    return await carry_out(order, plan, order.desk.execution.run)


@router.post("/bookings/{ref}/note", responses=gives(CommandObject))
async def note(request: Request, ref: str) -> Response:
    """Replace the host's note by `text`, or `append` it to the one that stands at the provider now."""
    order = await read_order(request, ref)
    text, append = _take_note(order), take_flag(order.body, "append")
    order.end_of_body()
    booking = await order.fresh() if append else order.booking
    return await carry_out(order, plans.note(booking, text=text, append=append), order.desk.execution.run)


@router.post("/bookings/{ref}/add-guest", responses=gives(CommandObject))
async def add_guest(request: Request, ref: str) -> Response:
    """Have the people with these `emails` come along with an attendee; one request for each."""
    order = await read_order(request, ref)
    emails, attendee = _take_emails(order), take_text(order.body, "attendee")
    order.end_of_body()
    plan = plans.add_guests(order.booking, emails=emails, attendee=attendee)
    return await carry_out(order, plan, order.desk.execution.run)


@router.post("/bookings/{ref}/remove-guest", responses=gives(CommandObject))
async def remove_guest(request: Request, ref: str) -> Response:
    """Have the person with this `email` not come along any more."""
    order = await read_order(request, ref)
    email, attendee = take_text(order.body, "email", longest=254), take_text(order.body, "attendee")
    order.end_of_body()
    if email is None:
        raise invalid("/email", "email is missing: the address of who does not come along any more")
    plan = plans.remove_guest(order.booking, email=email, attendee=attendee)
    if not plan.calls and not order.booking.guests and not await _shows_guests(order):
        plan = plans.remove_guest(order.booking, email=email, attendee=attendee, listed=False)
    return await carry_out(order, plan, order.desk.execution.run)


async def _known_group(order: Order) -> Booking:
    """The booking once it is known whether it is a group's, which webhooks do not say."""
    known = order.booking
    told = plans.is_group(known) or known.version_origin == "api"
    return known if told or known.status == "cancelled" else await order.fresh()


async def _shows_guests(order: Order) -> bool:
    """Whether the provider tells who comes along, of which no page of its own says where it stands."""
    reading = await asking.as_shown_now(order.desk.execution, order.booking)
    return reading is None or reading.snapshot is None or reading.snapshot.knows("guests")


def _take_note(order: Order) -> str:
    text = order.body.pop("text", None)
    if not isinstance(text, str) or not 0 < len(text.strip()) <= LONGEST_NOTE or not is_whole(text):
        raise invalid("/text", f"text is 1 to {LONGEST_NOTE} characters")
    return text.strip()


def _take_emails(order: Order) -> list[str]:
    emails = order.body.pop("emails", None)
    if not isinstance(emails, list) or not 0 < len(emails) <= MOST_GUESTS:
        raise invalid("/emails", f"emails is a list of 1 to {MOST_GUESTS} addresses")
    for index, email in enumerate(emails):
        if not isinstance(email, str) or not _is_address(email.strip()):
            raise invalid(f"/emails/{index}", "this is no mail address")
    return [email.strip() for email in emails]


def _is_address(text: str) -> bool:
    """Whether somebody could be reached by it; nothing that would break a line of a mail."""
    return 3 <= len(text) <= 254 and "@" in text[1:-1] and text.isprintable() and " " not in text
