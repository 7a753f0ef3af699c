"""Cancelling whatever of a host falls into a span of time: shown first, then done as an operation."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import Response

from events.state import Booking
from hub.commands.plans import is_group, mailed_of
from hub.store import operations
from hub.store.tables import BookingRow
from hub.web.acting import HubRoute, services_of
from hub.web.asking import answer, gives, read_object, reader, take_flag, take_text
from hub.web.command_objects import RangeItem, RangeObject
from hub.web.commanding import LONGEST_REASON, desk_of, digest
from hub.web.filters import Chooser
from hub.web.hub_objects import OperationObject
from hub.web.present import booking_of, operation_object
from hub.web.problems import ProblemError, invalid
from hub.web.selectors import BOOKING_STATES, Selection

SELECTORS = ("from", "to", "host", "meeting_type", "source", "state")
NEEDED = ("from", "to", "host")
UNASKED = 20
"""More than so many have to be named by their count."""

SHOWN = 20

router = APIRouter(route_class=HubRoute, tags=["bookings"])


@router.post(
    "/bookings/cancel-range", status_code=202, responses=gives(OperationObject, 202) | gives(RangeObject)
)
async def cancel_range(request: Request) -> Response:
    """Cancel the active bookings of a `host` that begin `from` … `to`; groups are cancelled for everybody.

    `dry_run` shows them. Above 20 `confirm` has to say how many. The operation lists what failed; asking for
    the same again goes on where it ended.
    """
    services = services_of(request)
    desk = desk_of(services)
    body = await read_object(request)
    dry_run, preview = take_flag(body, "dry_run"), take_text(body, "preview")
    reason, confirmed = take_text(body, "reason", longest=LONGEST_REASON), body.pop("confirm", None)
    selection = reader(services, SELECTORS, BOOKING_STATES).read([*_pairs(body), ("state", "active")])
    _require(selection)
    bookings = await services.database.read(lambda session: _chosen(session, selection))
    shown = _shown(bookings, dry_run=dry_run)
    if dry_run:
        return answer(shown)
    if preview is not None and preview != shown.preview:
        raise ProblemError("preview-outdated", "other bookings match by now; look again")
    if shown.count > UNASKED and confirmed != shown.count:
        raise invalid(
            "/confirm", f"{shown.count} bookings would be cancelled; say so: --confirm {shown.count}"
        )
    operation_id = await desk.ranges.begin(bookings, reason=reason)
    row = await services.database.read(lambda session: operations.get(session, operation_id))
    assert row is not None  # noqa: S101 - just begun
    begun = operation_object(row, services.clock.now())
    return answer(begun, 202, Location=f"/api/v1/operations/{operation_id}")


def _pairs(body: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in body.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str) or name == "state":
                raise invalid(f"/{name}", f"unknown or mistyped member {name[:40]!r}")
            pairs.append((name, one))
    return pairs


def _require(selection: Selection) -> None:
    for name in NEEDED:
        if name not in selection.times and not selection.any_of(name):
            raise invalid(f"/{name}", f"{name} is missing: nothing is chosen by leaving it out")


def _chosen(session: Session, selection: Selection) -> list[Booking]:
    """In the order in which they take place."""
    where = Chooser.of(session, selection).bookings()
    order = (col(BookingRow.start), col(BookingRow.booking_id))
    return [booking_of(row) for row in session.exec(select(BookingRow).where(*where).order_by(*order))]


def _shown(bookings: Sequence[Booking], *, dry_run: bool) -> RangeObject:
    return RangeObject(
        count=len(bookings),
        groups=sum(is_group(booking) for booking in bookings),
        mails=len({email for booking in bookings for email in mailed_of(booking)}),
        dry_run=dry_run,
        preview=digest([(booking.booking_id, booking.position) for booking in bookings]),
        items=[_item(booking) for booking in bookings[:SHOWN]],
    )


def _item(booking: Booking) -> RangeItem:
    people = [one.name or one.email or one.phone or one.attendee_id for one in booking.present]
    return RangeItem(
        booking_id=booking.booking_id,
        title=booking.title,
        start=booking.start,
        attendees=people,
        group=is_group(booking),
    )
