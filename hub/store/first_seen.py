"""Facts a webhook should have told: how many did, and how many a poll had to find."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from events import AttendeeAdded
from events.versions import cut
from hub.store import checkpoints
from hub.store.tables import InboxRow, TimelineRow


@dataclass(frozen=True, slots=True)
class Told:
    """Facts of one source since a moment: all a webhook should have told of, and those none has."""

    expected: int
    lost: int


def told(session: Session, source: str, types: Collection[str], *, since: datetime) -> Told:
    """How reliable the webhooks of a source were for facts of these types that happened since then.

    A poll may be faster than a webhook that is only late: a fact of a poll counts as told if a receipt
    that the poll had not seen the effect of before shows it, whenever that receipt came.
    """
    mine = (*_of(session, source, types, since=since), col(TimelineRow.occurred_at) >= since)
    by_webhook = select(func.count()).where(*mine, col(TimelineRow.provenance) == "webhook")
    polled = (*mine, col(TimelineRow.provenance) == "poll")
    found = session.exec(select(func.count()).where(*polled)).one()
    pairs = session.exec(select(TimelineRow, InboxRow).join(InboxRow, _is_new_to_the_look()).where(*polled))
    late = {fact.position for fact, receipt in pairs if _shows(receipt, fact)}
    return Told(expected=session.exec(by_webhook).one() + found, lost=found - len(late))


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


def _is_new_to_the_look() -> ColumnElement[bool]:
    """A receipt of the fact's booking, of a version the fact's look has seen and no earlier one has."""
    shown, before = col(InboxRow.version), aliased(TimelineRow)
    seen_before = (
        select(before.position)
        .where(
            col(before.generation) == col(TimelineRow.generation),
            col(before.booking_id) == col(TimelineRow.booking_id),
            col(before.position) < col(TimelineRow.position),
            col(before.version) < col(TimelineRow.version),
            col(before.version) >= shown,
        )
        .correlate(TimelineRow, InboxRow)
        .exists()
    )
    # One without a version shows the booking as it was when it came, or a moment before.
    is_undated = shown.is_(None) & (col(InboxRow.received_at) >= col(TimelineRow.occurred_at))
    return and_(
        col(InboxRow.source) == col(TimelineRow.source),
        col(InboxRow.provider_id) == col(TimelineRow.provider_id),
        col(InboxRow.status) == "accepted",
        ((shown <= col(TimelineRow.version)) & ~seen_before) | is_undated,
    )


def _shows(receipt: InboxRow, fact: TimelineRow) -> bool:
    """Whether the booking was as the fact has it when the receipt was sent.

    Moves and cancellations have their own time. Who joined and who left has that of the look, and is known
    by the list of attendees.
    """
    attendee_id, attending = fact.detail.get("attendee_id"), receipt.attendee_ids
    if attendee_id is None:
        return receipt.version is None or receipt.version >= cut(fact.occurred_at, 0)
    return attending is None or (attendee_id in attending) == (fact.type == AttendeeAdded.event_type())


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
