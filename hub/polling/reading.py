"""Reads one list of a provider, page by page, and gives every row to the look-up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from adapters.api import Reading
from adapters.errors import RefusalError
from adapters.provider import Priority, Provider, Window
from events.envelope import Provenance
from hub.errors import ConcurrencyError
from hub.ingest.appending import UnstorableError
from hub.ingest.lookup import Looked
from hub.log.subjects import fits_subject

_AT_ONCE = 8
_LONGEST_SHOWN = 80

_log = structlog.get_logger(__name__)


class Rows(Protocol):
    """What becomes of a row; `hub.ingest.lookup.Lookup`."""

    async def position(self) -> int: ...
    async def seen(
        self,
        source: str,
        reading: Reading,
        *,
        before: int,
        provenance: Provenance,
        causation_id: str | None = None,
    ) -> Looked: ...


@dataclass(frozen=True, slots=True)
class Errand:
    """Why a source is asked; its facts carry `provenance` and `causation_id`."""

    source: str
    provenance: Provenance
    causation_id: str

    @property
    def priority(self) -> Priority:
        return Priority.BACKFILL if self.provenance == "backfill" else Priority.POLL


@dataclass(slots=True)
class Tally:
    """What was shown and what it added: `failed` counts rows nobody could read or store."""

    seen: set[str] = field(default_factory=set)
    facts: int = 0
    failed: int = 0

    @property
    def bookings(self) -> int:
        """How many bookings were shown."""
        return len(self.seen)


class ListReader:
    """Reads windows into the log; safe to use for several sources at the same time."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def read(self, provider: Provider, window: Window, errand: Errand, tally: Tally) -> bool:
        """Take every row of the window; whether all of it was shown and taken.

        Each page is requested after the log's end was read, so that a row older than what another one
        wrote meanwhile is known to be stale. Raises what the provider raises, and HubError.
        """
        listed = provider.listed(window, priority=errand.priority)
        pages, taken = aiter(listed), True
        while True:
            before = await self._rows.position()
            page = await anext(pages, None)
            if page is None:
                return taken and listed.complete
            taken = await self._take(page, before, errand, tally) and taken

    async def _take(self, page: Sequence[Reading], before: int, errand: Errand, tally: Tally) -> bool:
        taken = True
        for begin in range(0, len(page), _AT_ONCE):
            some = page[begin : begin + _AT_ONCE]
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._row(one, before, errand, tally)) for one in some]
            except ExceptionGroup as found:
                raise found.exceptions[0] from found
            taken = all(task.result() for task in tasks) and taken
        return taken

    async def _row(self, reading: Reading, before: int, errand: Errand, tally: Tally) -> bool:
        """Whether the row was taken as far as it ever can be; one bad booking delays no other."""
        provider_id = reading.snapshot.provider_id if reading.snapshot else reading.provider_id
        if provider_id is not None:
            tally.seen.add(provider_id)
        if reading.snapshot is None or not fits_subject(reading.snapshot.provider_id):
            tally.failed += 1
            reason = (
                reading.reason or "it cannot be read" if reading.snapshot is None else "its id is too long"
            )
            _log.warning(
                "row_unreadable", source=errand.source, provider_id=_short(provider_id), error=reason
            )
            return True
        try:
            looked = await self._rows.seen(
                errand.source,
                reading,
                before=before,
                provenance=errand.provenance,
                causation_id=errand.causation_id,
            )
        except (UnstorableError, RefusalError) as error:
            tally.failed += 1
            _log.error("row_not_taken", source=errand.source, provider_id=provider_id, error=str(error))
            return True
        except ConcurrencyError as error:
            tally.failed += 1
            _log.warning("row_not_taken", source=errand.source, provider_id=provider_id, error=str(error))
            return False
        tally.facts += len(looked.facts)
        return True


def _short(provider_id: str | None) -> str | None:
    return provider_id if provider_id is None else provider_id[:_LONGEST_SHOWN]
