"""The story of one booking: what reached the door, which facts came of it, what the targets did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select

from events.envelope import Envelope
from events.state import Booking
from hub.errors import LogError
from hub.settings.models import Settings
from hub.store import attempts, checkpoints, deliveries
from hub.store.guard import is_held
from hub.store.tables import (
    AttemptRow,
    DeliveryRow,
    DirtyRow,
    InboxRow,
    TargetReceiptRow,
    TimelineRow,
    UnconfirmedRow,
)
from hub.web import refs
from hub.web.in_step import in_step_of
from hub.web.objects import (
    AttemptObject,
    DeliveryDetail,
    PendingObject,
    StoryEvent,
    StoryObject,
    TargetObject,
)
from hub.web.present import booking_object, booking_of, delivery_data, event_data, receipt_object, shown
from hub.web.services import HubServices, SinkKind

READ_AT_ONCE = 256
"""Positions that are read as one range rather than one by one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the store knows of one booking."""

    booking: Booking
    in_step: Mapping[str, str]
    inbox: Sequence[InboxRow]
    events: Sequence[TimelineRow]
    deliveries: Sequence[DeliveryRow]
    attempts: Sequence[AttemptRow]
    targets: Sequence[TargetReceiptRow]
    marks: Sequence[DirtyRow]
    hints: Sequence[UnconfirmedRow]

    def no_match(self, settings: Settings) -> dict[str, str]:
        """Why sinks do not take the booking, in words; told from what it is now, for it may name a guest."""
        told = {}
        for sink, state in self.in_step.items():
            match = settings.sinks[sink].match
            found = match.mismatch(self.booking) if match and state == "not_matched" else None
            if found is not None:
                told[sink] = found.told(sink)
        return told


async def tell(services: HubServices, ref: str) -> StoryObject:
    """Everything known of the booking a REF means; without an answer of the log, events lack their data."""
    kinds = services.sink_kinds
    rows = await services.database.read(lambda session: read_rows(session, ref, kinds))
    try:
        envelopes = await read_envelopes(services, [event.position for event in rows.events])
    except LogError:
        envelopes = {}
    return compose(rows, envelopes, no_match=rows.no_match(services.settings))


async def read_envelopes(services: HubServices, positions: Sequence[int]) -> dict[int, Envelope]:
    """The events at these positions; neighbours are read together."""
    wanted = sorted(set(positions))
    found: dict[int, Envelope] = {}
    while wanted:
        first = wanted[0]
        near = [position for position in wanted if position < first + READ_AT_ONCE]
        wanted = wanted[len(near) :]
        if len(near) * 4 >= near[-1] - first + 1:
            for envelope in await services.log.read(first - 1, near[-1] - first + 1):
                found[envelope.position] = envelope
            continue
        for position in near:
            at = await services.log.at(position)
            if at is not None:
                found[position] = at
    return found


def read_rows(session: Session, ref: str, kinds: Mapping[str, SinkKind]) -> Rows:
    """All rows about one booking, read in one transaction."""
    live = checkpoints.live(session)
    generation = live.generation if live else 0
    row = refs.one_booking(session, generation, ref)
    booking, id = booking_of(row), row.booking_id
    events = session.exec(
        select(TimelineRow)
        .where(TimelineRow.generation == generation, TimelineRow.booking_id == id)
        .order_by(col(TimelineRow.position))
    ).all()
    inbox = session.exec(
        select(InboxRow)
        .where(InboxRow.source == booking.source, col(InboxRow.provider_id).in_(booking.provider_ids))
        .order_by(col(InboxRow.received_at), col(InboxRow.receipt_id))
    ).all()
    contacts = {attendee.contact_id for attendee in booking.attendees}
    targets = session.exec(
        select(TargetReceiptRow)
        .where(
            or_(
                col(TargetReceiptRow.key) == id,
                and_(
                    col(TargetReceiptRow.key).in_(contacts),
                    col(TargetReceiptRow.sink).in_(_of_contacts(kinds)),
                ),
            )
        )
        .order_by(col(TargetReceiptRow.sink), col(TargetReceiptRow.key), col(TargetReceiptRow.part))
    ).all()
    return Rows(
        booking=booking,
        in_step=in_step_of(session, [id], kinds)[id],
        inbox=inbox,
        events=events,
        deliveries=deliveries.of_booking(session, id),
        attempts=attempts.of_booking(session, id),
        targets=targets,
        marks=session.exec(
            select(DirtyRow).where(
                DirtyRow.source == booking.source, col(DirtyRow.provider_id).in_(booking.provider_ids)
            )
        ).all(),
        hints=session.exec(
            select(UnconfirmedRow).where(
                UnconfirmedRow.source == booking.source,
                col(UnconfirmedRow.provider_id).in_(booking.provider_ids),
            )
        ).all(),
    )


def compose(rows: Rows, envelopes: Mapping[int, Envelope], *, no_match: Mapping[str, str]) -> StoryObject:
    """The story as one object; pure."""
    tries: dict[tuple[str, str, str], list[AttemptObject]] = {}
    for attempt in rows.attempts:
        tries.setdefault((attempt.sink, attempt.event_id, attempt.key), []).append(
            shown(AttemptObject, attempt)
        )
    return StoryObject(
        booking=booking_object(rows.booking, rows.in_step),
        inbox=[receipt_object(row, rows.booking.booking_id) for row in rows.inbox],
        events=[shown(StoryEvent, row, **event_data(envelopes.get(row.position))) for row in rows.events],
        deliveries=[
            shown(
                DeliveryDetail,
                row,
                **delivery_data(row),
                tries=tries.get((row.sink, row.event_id, row.key), []),
            )
            for row in rows.deliveries
        ],
        targets=[shown(TargetObject, row) for row in rows.targets],
        pending=_pending(rows),
        no_match=dict(no_match),
    )


def _pending(rows: Rows) -> list[PendingObject]:
    found = [
        PendingObject(
            kind="mark", object=mark.receipt_id, state="waiting", due_at=mark.due_at, detail=mark.last_error
        )
        for mark in rows.marks
    ]
    found += [
        PendingObject(
            kind="unconfirmed",
            object=hint.receipt_id,
            state="unconfirmed",
            due_at=None,
            detail=hint.detail or None,
        )
        for hint in rows.hints
    ]
    for row in rows.deliveries:
        if row.state in (*deliveries.OPEN_STATES, "uncertain"):
            found.append(
                PendingObject(
                    kind="delivery",
                    object=row.sink,
                    state=row.state,
                    due_at=row.due_at if row.state == "pending" and not is_held(row) else None,
                    detail=f"held: bookinghub sinks resume {row.sink}" if is_held(row) else row.error_message,
                )
            )
    return found


def _of_contacts(kinds: Mapping[str, SinkKind]) -> list[str]:
    return [name for name, kind in kinds.items() if kind == "contact"]
