"""Brings one entry to what is wanted, whatever the calendar holds: the order of the calls.

Ids are derived and numbered by generation; the newest existing generation is the one that counts, since
the next is begun only when the one before was deleted and cannot be restored. Every write is conditional
(by a fresh id or by `If-Match`), and is done only when the answer shows what was wanted, so a process
killed between any two calls finds its way at the next sync. See docs/adr/0006-calendar-entries.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from adapters.errors import TransientError
from adapters.google_calendar.client import Answer, CalendarClient
from adapters.google_calendar.entries import Entry, EntryKey, Wanted
from adapters.stamps import is_newer

ROUNDS = 4
"""How often a write is repeated on fresh knowledge before the hub waits and tries again."""

MOST_GENERATIONS = 200
"""More deletions of one entry than anybody makes by hand: a server that calls every id deleted."""

SETTLED = timedelta(minutes=10)
"""Google says of a 404 soon after creation that it may pass; an entry older than this has vanished."""

FORBIDDEN = frozenset((403,))
UNDELETE_REFUSED = frozenset((400, 403, 404, 410))

Detail = Literal["created", "changed", "restored", "unchanged"]


@dataclass(frozen=True, slots=True)
class Held:
    """What we know to have written last."""

    key: EntryKey
    generation: int
    etag: str | None
    sequence: int | None
    fingerprint: str | None
    stamp: str
    foreign: bool
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """What the calendar shows now, and what it took."""

    key: EntryKey
    entry: Entry
    generation: int
    detail: Detail


@dataclass(frozen=True, slots=True)
class _Found:
    generation: int
    entry: Entry | None

    @property
    def alive(self) -> bool:
        return self.entry is not None and not self.entry.deleted


@dataclass(frozen=True, slots=True)
class _Again:
    generation: int


class Upkeep:
    """Shows and removes entries through a client."""

    def __init__(self, client: CalendarClient) -> None:
        self._client = client

    async def show(
        self, wanted: Wanted, held: Held | None, *, now: datetime, create: bool = True
    ) -> Shown | None:
        """Make the calendar show it; None if nothing is there and `create` is false."""
        shown = await self._write_blindly(wanted, held, create)
        if shown is not None:
            return shown
        generation = held.generation if held else 0
        for _ in range(ROUNDS):
            found = await self._find(wanted.key, generation)
            if not found.alive and (not create or _is_later(found.entry, wanted.stamp)):
                return None
            step = await self._settle(wanted, found, held, now)
            if isinstance(step, Shown):
                return step
            generation = step.generation
        raise TransientError(f"entry {wanted.key.entry_id(generation)} does not show what was written")

    async def look(self, key: EntryKey, generation: int) -> tuple[Entry, int] | None:
        """The newest entry from this generation on, with its own; None if there is none but tombstones."""
        found = await self._find(key, generation)
        return (found.entry, found.generation) if found.entry is not None and found.alive else None

    async def remove(self, key: EntryKey, held: Held | None, *, stamp: str | None) -> Shown | None:
        """Make it absent; None when it is. An entry later than `stamp` stays and is returned."""
        generation, etag = (held.generation, held.etag) if held else (0, None)
        for _ in range(ROUNDS):
            if etag is None:
                found = await self._find(key, generation)
                if found.entry is None or found.entry.deleted:
                    return None
                if stamp is not None and is_newer(found.entry.stamp, stamp):
                    return Shown(key, found.entry, found.generation, "unchanged")
                generation, etag = found.generation, found.entry.etag
            answer = await self._client.delete(key.calendar, key.entry_id(generation), etag=etag)
            if answer.outcome == "done":
                return None
            etag = None
        raise TransientError(f"entry {key.entry_id(generation)} changes faster than it can be removed")

    async def _write_blindly(self, wanted: Wanted, held: Held | None, create: bool) -> Shown | None:
        """The one call that is enough in most cases: nobody was there, or nobody touched it since."""
        if held is None:
            return await self._insert(wanted, 0) if create else None
        if held.etag is None or held.foreign:
            return None
        body = wanted.resource(held.generation)
        if held.sequence is not None:
            body["sequence"] = held.sequence
        answer = await self._client.update(
            wanted.key.calendar, body["id"], body, etag=held.etag, refusable=FORBIDDEN
        )
        return _shown(answer, wanted, held.generation, "changed")

    async def _settle(
        self, wanted: Wanted, found: _Found, held: Held | None, now: datetime
    ) -> Shown | _Again:
        if found.entry is None:
            return await self._replace_vanished(wanted, found.generation, held, now)
        if found.entry.deleted:
            return await self._revive(wanted, found.generation, found.entry)
        if _is_later(found.entry, wanted.stamp) or found.entry.equals(wanted, found.generation):
            return Shown(wanted.key, found.entry, found.generation, "unchanged")
        return await self._replace(wanted, found.generation, found.entry)

    async def _replace(self, wanted: Wanted, generation: int, entry: Entry) -> Shown | _Again:
        body = wanted.resource(generation, over=entry)
        answer = await self._client.update(wanted.key.calendar, entry.id, body, etag=entry.etag)
        return _shown(answer, wanted, generation, "changed") or _Again(generation)

    async def _revive(self, wanted: Wanted, generation: int, tombstone: Entry) -> Shown | _Again:
        """Undelete; the next generation if that is refused or changes nothing."""
        body = wanted.resource(generation, over=tombstone)
        answer = await self._client.update(
            wanted.key.calendar, tombstone.id, body, etag=tombstone.etag, refusable=UNDELETE_REFUSED
        )
        restored = _shown(answer, wanted, generation, "restored")
        if restored is not None:
            return restored
        if answer.outcome == "stale":
            return _Again(generation)
        if answer.entry is not None and not answer.entry.deleted:
            return _Again(generation)
        return await self._insert(wanted, generation + 1) or _Again(generation + 1)

    async def _replace_vanished(
        self, wanted: Wanted, generation: int, held: Held | None, now: datetime
    ) -> Shown | _Again:
        if held is None or now - held.written_at < SETTLED:
            raise TransientError(f"entry {wanted.key.entry_id(generation)} cannot be read yet")
        return await self._insert(wanted, generation + 1) or _Again(generation + 1)

    async def _insert(self, wanted: Wanted, generation: int) -> Shown | None:
        answer = await self._client.insert(wanted.key.calendar, wanted.resource(generation))
        return _shown(answer, wanted, generation, "created")

    async def _find(self, key: EntryKey, generation: int) -> _Found:
        """The newest existing generation from this one on; one without an entry if there is none."""
        found = await self._look(key, generation)
        for following in range(generation + 1, generation + MOST_GENERATIONS):
            if found.alive:
                return found
            newer = await self._look(key, following)
            if newer.entry is None:
                return found
            found = newer
        raise TransientError(f"entry {key.entry_id(generation)} has too many deleted generations")

    async def _look(self, key: EntryKey, generation: int) -> _Found:
        answer = await self._client.get(key.calendar, key.entry_id(generation))
        return _Found(generation, answer.entry)


def _shown(answer: Answer, wanted: Wanted, generation: int, detail: Detail) -> Shown | None:
    """Done means that the answer shows it; a status alone does not."""
    if answer.entry is None or not answer.entry.shows(wanted, generation):
        return None
    return Shown(wanted.key, answer.entry, generation, detail)


def _is_later(entry: Entry | None, stamp: str) -> bool:
    return entry is not None and is_newer(entry.stamp, stamp)
