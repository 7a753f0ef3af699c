"""What reached our door: receipts, their masked bodies, and posting to the door ourselves."""

import json

import httpx
from fastapi import APIRouter
from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import Response

from hub.settings.models import SourceSettings
from hub.store import checkpoints, quarantine
from hub.store.tables import InboxRow, ProviderIdRow, QuarantineRow
from hub.web import refs
from hub.web.acting import HubRoute, not_possible, services_of
from hub.web.asking import (
    Listed,
    answer,
    gives,
    read_object,
    read_selection,
    reader,
    refuse_rest,
    take_flag,
    takes,
)
from hub.web.filters import Chooser
from hub.web.objects import ReceiptDetail, ReceiptObject
from hub.web.paging import read_page, respond
from hub.web.present import JsonObject, dumped, receipt_object
from hub.web.problems import ProblemError, invalid, not_found
from hub.web.selectors import RECEIPT_STATES
from hub.web.services import HubServices

SELECTORS = ("since", "until", "booking", "source", "type", "state")

router = APIRouter(route_class=HubRoute, tags=["inbox"])


@router.get("/inbox", responses=gives(Listed[ReceiptObject]), openapi_extra=takes(*SELECTORS))
async def list_receipts(request: Request) -> Response:
    """Receipts of the last 30 days, the newest first."""
    services = services_of(request)
    selection = read_selection(request, services, SELECTORS, RECEIPT_STATES)

    def work(session: Session) -> tuple[list[JsonObject], str | None]:
        chooser = Chooser.of(session, selection)
        page = read_page(
            session,
            InboxRow,
            order=("received_at", "receipt_id"),
            where=chooser.receipts(),
            selection=selection,
        )
        return dumped(_shown(session, chooser.generation, row) for row in page.items), page.next

    items, following = await services.database.read(work)
    return respond(request, items, next=following, selection=selection)


@router.get("/inbox/{ref}", responses=gives(ReceiptDetail))
async def show_receipt(request: Request, ref: str) -> Response:
    """One receipt with its body, secrets masked."""
    services = services_of(request)

    def work(session: Session) -> tuple[ReceiptObject, int | None, bytes | None]:
        live = checkpoints.live(session)
        row = refs.one_receipt(session, ref)
        kept = quarantine.get(session, row.receipt_id)
        shown = _shown(session, live.generation if live else 0, row)
        return shown, row.sequence, kept.body if kept else None

    receipt, sequence, body = await services.database.read(work)
    if body is None and sequence is not None:
        stored = await services.inbox.get(sequence)
        body = stored.body if stored else None
    payload = None if body is None else bytes(body).decode("utf-8", "replace")
    return answer(ReceiptDetail(**receipt.model_dump(), payload=payload))


@router.post("/inbox/send", status_code=200, responses=gives(ReceiptObject))
async def send_payload(request: Request) -> Response:
    """Post the body to our own door with the right token; `?source=` may be left out if there is one."""
    services = services_of(request)
    named = reader(services, ("source",), ()).read(request.query_params.multi_items()).any_of("source")
    source = _source_for(services, named)
    if services.webhook_app is None:
        raise not_possible("this process serves no webhooks")
    token = source.webhook.token.get_secret_value() if source.webhook else ""
    transport = httpx.ASGITransport(app=services.webhook_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as door:
        reply = await door.post(
            httpx.URL(f"/webhooks/{source.name}/{token}"),
            content=await request.body(),
            headers={"content-type": request.headers.get("content-type", "application/json")},
        )
    return _pass_on(source.name, reply)


@router.post("/inbox/{ref}/reprocess", status_code=202, responses=gives(ReceiptObject, 202))
async def reprocess_receipt(request: Request, ref: str) -> Response:
    """Read a receipt in quarantine again, as after a fix; what it leads to shows in the booking's story."""
    services = services_of(request)
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    refuse_rest(body)
    if services.reprocess is None:
        raise not_possible("this process works on no receipts")
    row, kept = await services.database.read(lambda session: _with_quarantine(session, ref))
    if kept is None:
        raise invalid(
            "/ref",
            f"receipt {row.receipt_id} is not in quarantine; it was {row.status}",
            next=f"bookinghub inbox show {row.receipt_id}",
        )
    if not dry_run:
        await services.reprocess(row.receipt_id)

    def work(session: Session) -> ReceiptObject:
        live = checkpoints.live(session)
        return _shown(session, live.generation if live else 0, refs.one_receipt(session, row.receipt_id))

    shown = await services.database.read(work)
    return answer(shown.model_dump(mode="json") | {"dry_run": dry_run}, 200 if dry_run else 202)


def _shown(session: Session, generation: int, row: InboxRow) -> ReceiptObject:
    booking_id = None
    if row.provider_id is not None:
        booking_id = session.exec(
            select(ProviderIdRow.booking_id).where(
                col(ProviderIdRow.generation) == generation,
                col(ProviderIdRow.source) == row.source,
                col(ProviderIdRow.provider_id) == row.provider_id,
            )
        ).one_or_none()
    return receipt_object(row, booking_id)


def _with_quarantine(session: Session, ref: str) -> tuple[InboxRow, QuarantineRow | None]:
    row = refs.one_receipt(session, ref)
    return row, quarantine.get(session, row.receipt_id)


def _source_for(services: HubServices, named: tuple[str, ...]) -> SourceSettings:
    doors = {
        name: source
        for name, source in services.settings.sources.items()
        if source.enabled and source.webhook is not None
    }
    if len(named) == 1:
        if named[0] not in doors:
            raise not_found("source with a door", named[0], next="bookinghub sources list")
        return doors[named[0]]
    if len(doors) != 1 or named:
        known = ", ".join(sorted(doors)) or "none is configured"
        raise invalid("/source", f"say which source with --source: {known}", next="bookinghub sources list")
    return next(iter(doors.values()))


def _pass_on(source: str, reply: httpx.Response) -> Response:
    """The door's own answer; a refusal becomes a problem that names the receipt, if one was kept."""
    try:
        said = reply.json()
    except json.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    if reply.status_code == 200:
        return answer(said | {"source": source})
    detail = str(said.get("detail") or said.get("error") or f"the door answered {reply.status_code}")
    extra = {"receipt": said["receipt"]} if "receipt" in said else {}
    if reply.status_code == 413:
        raise ProblemError("too-large", detail)
    if reply.status_code >= 500:
        raise ProblemError("log-unavailable", detail, next="bookinghub status")
    raise ProblemError(
        "invalid",
        detail,
        next="bookinghub inbox list",
        errors=[{"pointer": "", "detail": detail}],
        extra=extra,
    )
