"""Deliveries: listed, shown with their tries, tried again, let through or given up by a person.

An act may be asked for as a dry run first; the preview's id then goes with the act, which is refused
if other rows match by then. What was shown is what runs.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter
from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import Response

from hub.delivery.steps import APPROVED
from hub.delivery.wanted import DROPPED
from hub.store import deliveries
from hub.store.deliveries import ASKS, RETRIABLE_STATES, DeliveryFilter
from hub.store.tables import AttemptRow, BookingRow, DeliveryRow
from hub.web import refs
from hub.web.acting import HubRoute, caller_of, services_of
from hub.web.asking import (
    Listed,
    answer,
    gives,
    read_object,
    read_selection,
    reader,
    take_flag,
    take_text,
    takes,
)
from hub.web.filters import Chooser
from hub.web.objects import AttemptObject, DeliveryDetail, DeliveryObject, DeliveryPreview
from hub.web.paging import read_page, respond
from hub.web.present import delivery_data, delivery_object, dumped, shown
from hub.web.problems import ProblemError, invalid, not_found
from hub.web.selectors import DELIVERY_STATES, HELD, Selection
from hub.web.services import HubServices

SELECTORS = (
    "from", "to", "since", "until", "booking", "contact", "sink", "source", "type", "host", "meeting_type",
    "state", "event",
)  # fmt: skip
RETRIED = ("parked", "dead")
"""What a retry means unless states are named: an uncertain row may have had its effect already."""
DROPPABLE = ("pending", *RETRIABLE_STATES)
SHOWN = 20

router = APIRouter(route_class=HubRoute, tags=["deliveries"])


@dataclass(frozen=True, slots=True)
class Asked:
    """What the body of an act asks for."""

    selection: Selection
    dry_run: bool
    preview: str | None
    reason: str | None
    if_match: str | None
    asking: bool = False
    """Only rows that wait for an approval."""

    def rows(self, session: Session) -> Sequence[DeliveryRow]:
        """The rows that match now, by position; raises ProblemError if others were shown."""
        chooser = Chooser.of(session, self.selection)
        _insist(session, chooser.generation, self.selection, self.if_match)
        order = (col(DeliveryRow.position), col(DeliveryRow.sink), col(DeliveryRow.key))
        chosen = chooser.deliveries()
        if self.asking:
            chosen = [*chosen, col(DeliveryRow.error_class) == ASKS]
        rows = session.exec(select(DeliveryRow).where(*chosen).order_by(*order)).all()
        if self.preview is not None and self.preview != _preview(rows):
            raise ProblemError(
                "preview-outdated",
                "other deliveries match by now; look again",
                next="bookinghub deliveries list",
            )
        return rows


@router.get("/deliveries", responses=gives(Listed[DeliveryObject]), openapi_extra=takes(*SELECTORS))
async def list_deliveries(request: Request) -> Response:
    """Delivery rows, the last changed first."""
    services = services_of(request)
    selection = read_selection(request, services, SELECTORS, (*DELIVERY_STATES, HELD))
    page = await services.database.read(
        lambda session: read_page(
            session,
            DeliveryRow,
            order=("changed_at", "sink", "event_id", "key"),
            where=Chooser.of(session, selection).deliveries(),
            selection=selection,
        )
    )
    return respond(request, dumped(map(delivery_object, page.items)), next=page.next, selection=selection)


@router.get("/deliveries/{event}", responses=gives(DeliveryDetail), openapi_extra=takes("sink"))
async def show_delivery(request: Request, event: str) -> Response:
    """The delivery of an event with its tries; `?sink=` and `?key=` where there are several."""
    services = services_of(request)
    query = request.query_params
    for name in query:
        if name not in ("sink", "key"):
            raise invalid(f"/{name}", f"unknown selector {name[:40]!r}")

    def work(session: Session) -> DeliveryDetail:
        row = _one(session, event, sink=query.get("sink"), key=query.get("key"))
        tries = session.exec(
            select(AttemptRow)
            .where(
                AttemptRow.sink == row.sink, AttemptRow.event_id == row.event_id, AttemptRow.key == row.key
            )
            .order_by(col(AttemptRow.id))
        ).all()
        listed = [shown(AttemptObject, attempt) for attempt in tries]
        return shown(DeliveryDetail, row, **delivery_data(row), tries=listed)

    return answer(await services.database.read(work))


@router.post("/deliveries/retry", responses=gives(DeliveryPreview))
async def retry_deliveries(request: Request) -> Response:
    """Try parked and dead rows again; selectors in the body say which, `dry_run` shows them."""
    services = services_of(request)
    asked = await _read(request, services, RETRIABLE_STATES, RETRIED)
    now = services.clock.now()
    return await _act(services, asked, lambda session, row: deliveries.retry(session, row, now=now))


@router.post("/deliveries/approve", responses=gives(DeliveryPreview))
async def approve_deliveries(request: Request) -> Response:
    """Let through what waits for a person, such as a refund over the limit; `dry_run` shows it."""
    services = services_of(request)
    asked = replace(await _read(request, services, ("parked",), ("parked",)), asking=True)
    cause, now = f"{APPROVED}{caller_of(request).name}", services.clock.now()
    return await _act(
        services, asked, lambda session, row: deliveries.retry(session, row, now=now, cause=cause)
    )


@router.post("/deliveries/drop", responses=gives(DeliveryPreview))
async def drop_deliveries(request: Request) -> Response:
    """Give rows up: they become `skipped` with a reason, and are never tried again by themselves."""
    services = services_of(request)
    asked = await _read(request, services, (*DROPPABLE, HELD), RETRIABLE_STATES)
    by, now = f"{DROPPED} by {caller_of(request).name}", services.clock.now()
    why = f"{by}: {asked.reason}" if asked.reason else by
    return await _act(
        services, asked, lambda session, row: deliveries.drop(session, row, now=now, reason=why)
    )


async def _read(
    request: Request, services: HubServices, states: Sequence[str], default: Sequence[str]
) -> Asked:
    """The body of an act; nothing is chosen by leaving the selectors out."""
    body = await read_object(request)
    dry_run = take_flag(body, "dry_run")
    preview, reason = take_text(body, "preview"), take_text(body, "reason")
    selection = reader(services, SELECTORS, states).read(_pairs(body))
    if not selection.given:
        raise invalid("", "say which deliveries: --sink, --booking, --state or another selector")
    if not selection.any_of("state"):
        selection = replace(selection, values={**selection.values, "state": tuple(default)})
    return Asked(selection, dry_run, preview, reason, request.headers.get("if-match"))


async def _act(
    services: HubServices, asked: Asked, act: Callable[[Session, DeliveryFilter], int]
) -> Response:
    """Do it to exactly the rows that match, in the transaction that found them."""

    def work(session: Session) -> DeliveryPreview:
        rows = asked.rows(session)
        shown = _shown(rows, dry_run=asked.dry_run)
        if not asked.dry_run:
            session.expunge_all()
            done = sum(act(session, _exactly(row)) for row in rows)
            shown = shown.model_copy(update={"count": done})
        return shown

    if asked.dry_run:
        return answer(await services.database.read(work))
    done = await services.database.write(work)
    services.wake_deliveries()
    return answer(done)


def _exactly(row: DeliveryRow) -> DeliveryFilter:
    return DeliveryFilter(sink=row.sink, event_id=row.event_id, key=row.key, states=(row.state,))


def _preview(rows: Sequence[DeliveryRow]) -> str:
    """The same as long as the same rows are in the same states, and ask for the same."""
    listed = sorted((row.sink, row.event_id, row.key, row.state, _asked_for(row)) for row in rows)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def _asked_for(row: DeliveryRow) -> str:
    return row.error_message or "" if row.error_class == ASKS else ""


def _shown(rows: Sequence[DeliveryRow], *, dry_run: bool) -> DeliveryPreview:
    """Counts by sink and state, and the first few rows as they were found."""
    by_sink: dict[str, dict[str, int]] = {}
    for row in rows:
        states = by_sink.setdefault(row.sink, {})
        states[row.state] = states.get(row.state, 0) + 1
    return DeliveryPreview(
        count=len(rows),
        dry_run=dry_run,
        preview=_preview(rows),
        by_sink=by_sink,
        items=[delivery_object(row) for row in rows[:SHOWN]],
    )


def _pairs(body: dict[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in body.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str):
                raise invalid(f"/{name}", f"{name[:40]} is a text or a list of texts")
            pairs.append((name, one))
    return pairs


def _insist(session: Session, generation: int, selection: Selection, if_match: str | None) -> None:
    """Honour If-Match where the act is about one booking."""
    named = selection.any_of("booking")
    if if_match is None or if_match.strip() == "*":
        return
    if len(named) != 1:
        raise invalid("/If-Match", "If-Match needs the selector booking, once")
    row: BookingRow = refs.one_booking(session, generation, named[0])
    if f'"{row.position}"' not in [tag.strip() for tag in if_match.split(",")]:
        raise ProblemError(
            "precondition-failed",
            f"the booking is at position {row.position} by now",
            next=f"bookinghub why {row.booking_id}",
        )


def _one(session: Session, event: str, *, sink: str | None, key: str | None) -> DeliveryRow:
    known = refs.delivery_rows(session, event)
    rows = [row for row in known if sink in (None, row.sink) and key in (None, row.key)]
    if not rows:
        raise not_found("delivery", event, next="bookinghub deliveries list")
    if len(rows) > 1:
        listed = [
            {"sink": row.sink, "event_id": row.event_id, "key": row.key, "state": row.state} for row in rows
        ]
        raise ProblemError(
            "ambiguous",
            f"{event!r} matches {len(rows)} deliveries; add --sink or --key",
            next=f"bookinghub deliveries list --event {event}",
            extra={"candidates": listed[:SHOWN]},
        )
    return rows[0]
