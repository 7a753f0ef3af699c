"""Facts a webhook should have told: how many did, and how many a poll had to find."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from hub.store import checkpoints
from hub.store.tables import InboxRow, TimelineRow


@dataclass(frozen=True, slots=True)
class Told:
    """Facts of one source since a moment: all a webhook should have told of, and those none has."""

    expected: int
    lost: int


def told(session: Session, source: str, types: Collection[str], *, since: datetime) -> Told:
    """How reliable the webhooks of a source were for facts of these types that happened since then.

    A poll may be faster than a webhook that is only late: a fact of a poll counts as told if a receipt of
    its booking came before the next such fact of it.
    """
    mine = (*_of(session, source, types, since=since), col(TimelineRow.occurred_at) >= since)
    by_webhook = select(func.count()).where(*mine, col(TimelineRow.provenance) == "webhook")
    polled = (*mine, col(TimelineRow.provenance) == "poll")
    late = select(func.count()).where(*polled, _receipt_came_later(types))
    found = session.exec(select(func.count()).where(*polled)).one()
    lost = found - session.exec(late).one()
    return Told(expected=session.exec(by_webhook).one() + found, lost=lost)


def found_by_poll(session: Session, source: str, types: Collection[str], *, since: datetime) -> int:
    """How many facts that happened after this moment polls have found."""
    mine = _of(session, source, types, since=since)
    happened = col(TimelineRow.occurred_at) > since
    counted = select(func.count()).where(*mine, happened, col(TimelineRow.provenance) == "poll")
    return session.exec(counted).one()


def _of(
    session: Session, source: str, types: Collection[str], *, since: datetime
) -> tuple[ColumnElement[bool], ...]:
    """Rows of the live timeline; what was recorded earlier cannot have happened since."""
    checkpoint = checkpoints.live(session)
    generation = checkpoint.generation if checkpoint else 0
    return (
        col(TimelineRow.generation) == generation,
        col(TimelineRow.position) >= _position_at(session, generation, since),
        col(TimelineRow.source) == source,
        col(TimelineRow.type).in_(types),
    )


def _receipt_came_later(types: Collection[str]) -> ColumnElement[bool]:
    newer = aliased(TimelineRow)
    overtaken = (
        select(newer.position)
        .where(
            col(newer.generation) == col(TimelineRow.generation),
            col(newer.booking_id) == col(TimelineRow.booking_id),
            col(newer.type).in_(types),
            col(newer.occurred_at) > col(TimelineRow.occurred_at),
            col(newer.occurred_at) <= col(InboxRow.received_at),
        )
        .correlate(TimelineRow, InboxRow)
        .exists()
    )
    return (
        select(InboxRow.receipt_id)
        .where(
            col(InboxRow.source) == col(TimelineRow.source),
            col(InboxRow.provider_id) == col(TimelineRow.provider_id),
            col(InboxRow.status) == "accepted",
            col(InboxRow.received_at) >= col(TimelineRow.occurred_at),
            ~overtaken,
        )
        .correlate(TimelineRow)
        .exists()
    )


def _position_at(session: Session, generation: int, moment: datetime) -> int:
    """The first position recorded at this moment or later; positions and times rise together."""
    newest = session.exec(
        select(func.max(TimelineRow.position)).where(TimelineRow.generation == generation)
    ).one()
    low, high = 0, (newest or 0) + 1
    while low < high:
        middle = (low + high) // 2
        recorded = session.exec(
            select(TimelineRow.recorded_at)
            .where(TimelineRow.generation == generation, col(TimelineRow.position) >= middle)
            .order_by(col(TimelineRow.position))
            .limit(1)
        ).first()
        if recorded is None or recorded >= moment:
            high = middle
        else:
            low = middle + 1
    return low
