"""How many facts webhooks and polls of each source brought first; old rows are not read again each time."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from hub.store.tables import TimelineRow


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Facts of one source by what brought them."""

    by_webhook: int = 0
    by_poll: int = 0


class FactCounts:
    """Counts a generation of the timeline once and only its new rows from then on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = -1
        self._position = 0
        self._counts: dict[tuple[str, str], int] = {}

    def read(self, session: Session, generation: int) -> Mapping[str, SourceFacts]:
        """The counts as this session sees them."""
        with self._lock:
            self._count_new(session, generation)
            names = {source for source, _ in self._counts}
            return {
                name: SourceFacts(
                    self._counts.get((name, "webhook"), 0),
                    self._counts.get((name, "poll"), 0) + self._counts.get((name, "backfill"), 0),
                )
                for name in sorted(names)
            }

    def _count_new(self, session: Session, generation: int) -> None:
        served = col(TimelineRow.generation) == generation
        newest = session.exec(select(func.max(TimelineRow.position)).where(served)).one() or 0
        if generation != self._generation or newest < self._position:
            self._generation, self._position, self._counts = generation, 0, {}
        if newest == self._position:
            return
        counted = session.execute(
            select(TimelineRow.source, TimelineRow.provenance, func.count())
            .where(served, col(TimelineRow.position) > self._position, col(TimelineRow.position) <= newest)
            .group_by(col(TimelineRow.source), col(TimelineRow.provenance))
        )
        for source, provenance, count in counted:
            key = (source, provenance)
            self._counts[key] = self._counts.get(key, 0) + count
        self._position = newest
