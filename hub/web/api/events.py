"""Facts: listed from the timeline, their data read from the log, and followed as they come."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from events.envelope import Envelope
from hub.errors import LogError
from hub.store import checkpoints
from hub.store.tables import TimelineRow
from hub.web import refs
from hub.web.acting import HubRoute, services_of
from hub.web.asking import Listed, answer, gives, read_selection, reader, takes
from hub.web.filters import Chooser
from hub.web.objects import EventObject
from hub.web.paging import read_page, respond
from hub.web.present import dumped, event_object
from hub.web.problems import invalid
from hub.web.selectors import Selection
from hub.web.services import Bell, HubServices
from hub.web.story import read_envelopes
from hub.web.wire import dump

SELECTORS = (
    "from", "to", "since", "until", "booking", "contact", "source", "type", "host", "meeting_type"
)  # fmt: skip
STREAM_SELECTORS = ("booking", "source", "type")
AT_ONCE = 200
QUIET_SECONDS = 15.0

router = APIRouter(route_class=HubRoute, tags=["events"])


@router.get("/events", responses=gives(Listed[EventObject]), openapi_extra=takes(*SELECTORS))
async def list_events(request: Request) -> Response:
    """Events, the newest first."""
    services = services_of(request)
    selection = read_selection(request, services, SELECTORS)
    page = await services.database.read(
        lambda session: read_page(
            session,
            TimelineRow,
            order=("position",),
            where=Chooser.of(session, selection).events(),
            selection=selection,
        )
    )
    envelopes = await read_envelopes(services, [row.position for row in page.items])
    items = dumped(event_object(row, envelopes.get(row.position)) for row in page.items)
    return respond(request, items, next=page.next, selection=selection)


@router.get("/events/stream", responses={200: {"content": {"text/event-stream": {}}}})
async def stream_events(request: Request) -> Response:
    """Server-sent events, one per fact; the id is the position.

    Begins after `Last-Event-ID` or `?after=`, else with what happens from now on.
    """
    services = services_of(request)
    query = dict(request.query_params.multi_items())
    given = request.headers.get("last-event-id") or query.pop("after", None)
    query.pop("after", None)
    selection = reader(services, STREAM_SELECTORS, ()).read(query.items())
    after = _position(given) if given is not None else (await services.log.state()).last
    wanted = await services.database.read(lambda session: _wanted(session, selection))
    return StreamingResponse(
        _follow(services, after, selection, wanted),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.get("/events/{ref}", responses=gives(EventObject))
async def show_event(request: Request, ref: str) -> Response:
    """The event with this id, prefix or position."""
    services = services_of(request)

    def work(session: Session) -> TimelineRow:
        live = checkpoints.live(session)
        return refs.one_event(session, live.generation if live else 0, ref)

    row = await services.database.read(work)
    return answer(event_object(row, await services.log.at(row.position)))


def _position(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise invalid("/after", "after is a position: a whole number")


def _wanted(session: Session, selection: Selection) -> frozenset[str] | None:
    """The booking ids to follow; None = all."""
    named = selection.any_of("booking")
    live = checkpoints.live(session)
    generation = live.generation if live else 0
    return (
        frozenset(refs.one_booking(session, generation, ref).booking_id for ref in named) if named else None
    )


async def _follow(
    services: HubServices, after: int, selection: Selection, bookings: frozenset[str] | None
) -> AsyncIterator[str]:
    yield ": following\n\n"
    try:
        bell = await services.log.doorbell()
        try:
            while not services.stopping.is_set():
                envelopes = await services.log.read(after, AT_ONCE)
                for envelope in envelopes:
                    after = envelope.position
                    if _matches(envelope, selection, bookings):
                        yield _message(envelope)
                if not envelopes:
                    await _wait(bell, services.stopping)
                    yield ": waiting\n\n"
        finally:
            await bell.close()
    except LogError as error:
        # The reader comes back with the id of what it saw last.
        yield f"event: problem\ndata: {dump({'code': 'log-unavailable', 'detail': str(error)})}\n\n"


def _message(envelope: Envelope) -> str:
    shown = event_object(envelope, envelope).model_dump(mode="json")
    return f"id: {envelope.position}\nevent: {envelope.type}\ndata: {dump(shown)}\n\n"


def _matches(envelope: Envelope, selection: Selection, bookings: frozenset[str] | None) -> bool:
    sources, types = selection.any_of("source"), selection.any_of("type")
    return (
        (bookings is None or envelope.booking_id in bookings)
        and (not sources or envelope.source in sources)
        and (not types or envelope.type in types)
    )


async def _wait(bell: Bell, stopping: asyncio.Event) -> None:
    """Until there is news, the hub stops, or a reader should hear that it is still connected."""
    waits = {
        asyncio.ensure_future(bell.wait(QUIET_SECONDS)),
        asyncio.ensure_future(stopping.wait()),
    }
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
