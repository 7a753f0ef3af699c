"""What a projection is: a fold of the log into tables, fed in batches.

Every event carries the whole state of its booking, so of several events of one booking in a batch
only the newest has to reach a table that shows the present. A batch gives exactly the rows that its
events would give one by one; the contract kit of the tests holds every projection to that.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import ClassVar

from sqlmodel import Session

from events import Booking, BookingCancelled, BookingEvent, ContactErased, DomainEvent, Envelope
from hub.store.tables import Row

ANY_BOOKING_EVENT: tuple[type[DomainEvent], ...] = (BookingEvent,)


@dataclass(frozen=True, slots=True)
class Newest:
    """The last state of one booking in a batch, where it stands, and the last cancellation there."""

    booking: Booking
    position: int
    recorded_at: datetime | None
    cancelled_position: int | None


class Batch:
    """Consecutive events of the log: either facts about bookings only, or a single other event."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes = tuple(envelopes)

    @cached_property
    def newest(self) -> Mapping[str, Newest]:
        """The newest state per booking id."""
        newest: dict[str, Newest] = {}
        cancelled: dict[str, int] = {}
        for envelope in self.envelopes:
            booking_id, event, position = envelope.booking_id, envelope.event, envelope.position
            if isinstance(event, BookingCancelled):
                cancelled[booking_id] = position
            if isinstance(event, BookingEvent):
                cancelled_position = cancelled.get(booking_id)
                newest[booking_id] = Newest(event.booking, position, envelope.recorded_at, cancelled_position)
        return newest

    @property
    def erased(self) -> ContactErased | None:
        """The fact that a person was forgotten, if that is what this batch holds."""
        event = self.envelopes[0].event
        return event if isinstance(event, ContactErased) else None


class Projection(ABC):
    """One read model; writes only through the session it is given, and only into the given generation.

    Raise `version` whenever the same events would give other rows: the hub then rebuilds by itself.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    handles: ClassVar[tuple[type[DomainEvent], ...]] = (*ANY_BOOKING_EVENT, ContactErased)
    tables: ClassVar[tuple[type[Row], ...]]

    @abstractmethod
    def apply_batch(self, batch: Batch, session: Session, generation: int) -> None:
        """Bring the tables from the state before the first event to that after the last."""

    def apply(self, envelope: Envelope, session: Session, generation: int) -> None:
        """Apply one event."""
        if isinstance(envelope.event, self.handles):
            self.apply_batch(Batch((envelope,)), session, generation)


def apply_all(
    projections: Iterable[Projection], envelopes: Sequence[Envelope], session: Session, generation: int
) -> None:
    """Apply consecutive events to the projections in their order: one may read rows of those before it."""
    projections = tuple(projections)
    for batch in _batches(envelopes):
        for projection in projections:
            if isinstance(batch.envelopes[0].event, projection.handles):
                projection.apply_batch(batch, session, generation)


def _batches(envelopes: Sequence[Envelope]) -> Iterator[Batch]:
    # Forgetting a person changes rows that earlier events wrote and later events may fill again.
    run: list[Envelope] = []
    for envelope in envelopes:
        if isinstance(envelope.event, BookingEvent):
            run.append(envelope)
            continue
        if run:
            yield Batch(run)
            run = []
        yield Batch((envelope,))
    if run:
        yield Batch(run)
