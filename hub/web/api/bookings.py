"""Bookings and their stories."""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from hub.store import checkpoints
from hub.store.tables import BookingRow
from hub.web import refs, story
from hub.web.acting import HubRoute, services_of
from hub.web.asking import Listed, answer, gives, read_selection, takes
from hub.web.filters import Chooser
from hub.web.in_step import in_step_of
from hub.web.objects import BookingObject, StoryObject
from hub.web.paging import read_page, respond
from hub.web.present import JsonObject, booking_object, booking_of, dumped
from hub.web.selectors import BOOKING_STATES
from hub.web.services import HubServices

SELECTORS = ("from", "to", "since", "until", "booking", "contact", "source", "host", "meeting_type", "state")

router = APIRouter(route_class=HubRoute, tags=["bookings"])


@router.get("/bookings", responses=gives(Listed[BookingObject]), openapi_extra=takes(*SELECTORS))
async def list_bookings(request: Request) -> Response:
    """Bookings, the last changed first."""
    services = services_of(request)
    selection = read_selection(request, services, SELECTORS, BOOKING_STATES)

    def work(session: Session) -> tuple[list[JsonObject], str | None]:
        page = read_page(
            session,
            BookingRow,
            order=("position", "booking_id"),
            where=Chooser.of(session, selection).bookings(),
            selection=selection,
        )
        return _shown(session, services, page.items), page.next

    items, following = await services.database.read(work)
    return respond(request, items, next=following, selection=selection)


@router.get("/bookings/{ref}", responses=gives(BookingObject))
async def show_booking(request: Request, ref: str) -> Response:
    """The booking a REF means; its ETag changes with its position."""
    services = services_of(request)

    def work(session: Session) -> JsonObject:
        live = checkpoints.live(session)
        row = refs.one_booking(session, live.generation if live else 0, ref)
        return _shown(session, services, [row])[0]

    shown = await services.database.read(work)
    return answer(shown, ETag=etag(shown["position"]))


@router.get("/bookings/{ref}/story", responses=gives(StoryObject))
async def tell_story(request: Request, ref: str) -> Response:
    """What happened to a booking: receipts, facts, deliveries, targets, and what is pending."""
    told = await story.tell(services_of(request), ref)
    return answer(told, ETag=etag(told.booking.position))


def etag(position: int) -> str:
    """The version of a booking that acting calls may insist on with If-Match."""
    return f'"{position}"'


def _shown(session: Session, services: HubServices, rows: Sequence[BookingRow]) -> list[JsonObject]:
    states = in_step_of(session, [row.booking_id for row in rows], services.sink_kinds)
    return dumped(booking_object(booking_of(row), states[row.booking_id]) for row in rows)
