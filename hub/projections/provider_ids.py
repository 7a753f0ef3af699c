"""Which booking a provider's id belongs to: all halves of a chain lead to its root."""

from typing import ClassVar

from sqlmodel import Session

from events import DomainEvent
from hub.projections.base import ANY_BOOKING_EVENT, Batch, Projection
from hub.projections.bulk import write_rows
from hub.store.tables import ProviderIdRow


class ProviderIds(Projection):
    """Follows the pointers of chains."""

    name = "provider_ids"
    version = 1
    handles: ClassVar[tuple[type[DomainEvent], ...]] = ANY_BOOKING_EVENT
    tables = (ProviderIdRow,)

    def apply_batch(self, batch: Batch, session: Session, generation: int) -> None:
        roots = {
            (new.booking.source, provider_id): booking_id
            for booking_id, new in batch.newest.items()
            for provider_id in new.booking.provider_ids
        }
        rows = [
            {"generation": generation, "source": source, "provider_id": provider_id, "booking_id": root}
            for (source, provider_id), root in roots.items()
        ]
        write_rows(session, ProviderIdRow, rows)
