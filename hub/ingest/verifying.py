"""The marks of sources with `verify: fetch`: which bookings are read back, and when.

All marks of a booking are one fetch. Each source has places of its own, so that one that is slow, out of
requests or paused holds up nobody else; a paused one's marks stay.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlmodel import Session

from hub.clock import Clock
from hub.errors import StoreError
from hub.ingest.marks import Key
from hub.ingest.reading_back import ReadingBack
from hub.ingest.rounds import keep_looking
from hub.ingest.source_states import SourceStates
from hub.ingest.turns import Turns
from hub.ingest.verdicts import MANY, due_of
from hub.log.inbox_log import StoredReceipt
from hub.store import sources
from hub.store.database import Database
from hub.store.tables import DirtyRow

MOST_TOGETHER = 200


class Verification:
    """Reads dirty bookings back until cancelled; `fetching` names the sources that can be asked for them."""

    def __init__(
        self,
        reading_back: ReadingBack,
        *,
        fetching: Callable[[], Collection[str]],
        states: SourceStates,
        turns: Turns,
        database: Database,
        clock: Clock,
        at_once: int = 8,
    ) -> None:
        self._reading_back = reading_back
        self._fetching = fetching
        self._states = states
        self._turns = turns
        self._database = database
        self._clock = clock
        self._at_once = at_once
        self._woken = asyncio.Event()
        self._working: dict[Key, asyncio.Task[bool]] = {}
        self._lists: dict[str, asyncio.Task[bool]] = {}

    def written(self, receipts: Sequence[StoredReceipt]) -> None:
        """These receipts have just marked their bookings."""
        self._reading_back.keep(receipts)
        self.wake()

    def wake(self) -> None:
        """Look for marks now: some may be new, or a source may be asked again."""
        self._woken.set()

    async def run(self) -> None:
        """Work whatever is or becomes due; ends only by cancellation."""
        try:
            await keep_looking(self._start_due, self._woken, self._working.values)
        finally:
            with suppress(StoreError):
                await self._turns.leave()

    async def _start_due(self) -> None:
        fetching = self._fetching()
        halted = await self._states.halted() if fetching else frozenset()
        for source in fetching:
            if source not in halted and await self._turns.has(source):
                await self._start_of(source)

    async def _start_of(self, source: str) -> None:
        """Begin what is due of one source: many together from lists, else as many as there are places."""
        listing = self._lists.get(source)
        working = {key for key in self._working if key[0] == source}
        singly = sum(self._working[key] is not listing for key in working)
        now = self._clock.now()
        places, together = max(self._at_once - singly, 0), MOST_TOGETHER if listing is None else 0

        def look(session: Session) -> Mapping[Key, list[DirtyRow]]:
            # Once more, in the same picture as the marks: none that came after a pause is worked during it.
            if source in sources.halted(session):
                return {}
            return due_of(session, source, now=now, working=working, places=places, together=together)

        due = await self._database.read(look)
        if len(due) > MANY:
            many = self._reading_back.many(source, due, at_once=self._at_once)
            self._lists[source] = self._begin(many, due)
            return
        for key, rows in due.items():
            self._begin(self._reading_back.one(key, rows), {key: rows})

    def _begin(
        self, work: Coroutine[Any, Any, bool], due: Mapping[Key, Sequence[DirtyRow]]
    ) -> "asyncio.Task[bool]":
        task = asyncio.create_task(work, name="read back")
        self._working.update(dict.fromkeys(due, task))
        task.add_done_callback(self._ended)
        return task

    def _ended(self, ended: "asyncio.Task[bool]") -> None:
        self._working = {key: task for key, task in self._working.items() if task is not ended}
        self._lists = {source: task for source, task in self._lists.items() if task is not ended}
        if not ended.cancelled() and ended.result():
            self.wake()
