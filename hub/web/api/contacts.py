"""Contacts with their derived counters."""

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from hub.store import checkpoints
from hub.store.tables import ContactRow
from hub.web import refs
from hub.web.acting import HubRoute, services_of
from hub.web.asking import Listed, answer, gives, read_selection, takes
from hub.web.filters import Chooser
from hub.web.objects import ContactObject
from hub.web.paging import read_page, respond
from hub.web.present import JsonObject, dumped, shown

SELECTORS = ("from", "to", "since", "until", "booking", "contact", "source", "host", "meeting_type")

router = APIRouter(route_class=HubRoute, tags=["contacts"])


@router.get("/contacts", responses=gives(Listed[ContactObject]), openapi_extra=takes(*SELECTORS))
async def list_contacts(request: Request) -> Response:
    """Contacts, the last changed first."""
    services = services_of(request)
    selection = read_selection(request, services, SELECTORS)

    def work(session: Session) -> tuple[list[JsonObject], str | None]:
        page = read_page(
            session,
            ContactRow,
            order=("position", "contact_id"),
            where=Chooser.of(session, selection).contacts(),
            selection=selection,
        )
        return dumped(shown(ContactObject, row) for row in page.items), page.next

    items, following = await services.database.read(work)
    return respond(request, items, next=following, selection=selection)


@router.get("/contacts/{ref}", responses=gives(ContactObject))
async def show_contact(request: Request, ref: str) -> Response:
    """The contact with this id, prefix, mail, phone or name part."""

    def work(session: Session) -> ContactObject:
        live = checkpoints.live(session)
        return shown(ContactObject, refs.one_contact(session, live.generation if live else 0, ref))

    return answer(await services_of(request).database.read(work))
