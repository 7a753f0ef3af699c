"""Brings one entry to what is wanted, whatever the calendar holds: the order of the calls.

Names and UIDs are derived, every write is conditional, and a write is done only when the answer shows
it: by an ETag, which says that what was sent is stored as it was, or else by reading. What a server
refuses is no verdict but a question; the entry is read, then decided. So a process killed between any
two calls finds its way at the next sync. See docs/adr/0010-icalendar-entries.md.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from adapters.caldav.answers import Stored
from adapters.caldav.client import CalDavClient, Written
from adapters.caldav.mapping import FoundEntry, document
from adapters.errors import PermanentError, TransientError
from adapters.ical import EntryName, WantedEntry
from adapters.stamps import is_newer, stamp_position

ROUNDS = 4
"""How often a write is repeated on fresh knowledge before the hub waits and tries again."""

Detail = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is: in which calendar, and under which name there."""

    collection: str
    name: str

    @classmethod
    def of(cls, collection: str, entry: EntryName) -> "Place":
        """Where an entry is put when it is made."""
        return cls(collection, f"{entry.uid}.ics")


@dataclass(frozen=True, slots=True)
class Held:
    """What we know to have written last."""

    place: Place
    etag: str | None
    sequence: int | None
    fingerprint: str | None
    stamp: str
    foreign: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What the calendar shows now, and what it took."""

    place: Place
    etag: str
    sequence: int | None
    fingerprint: str | None
    stamp: str | None
    foreign: bool
    detail: Detail


class Upkeep:
    """Shows and removes entries through a client."""

    def __init__(self, client: CalDavClient) -> None:
        self._client = client

    async def show(
        self, wanted: WantedEntry, place: Place, held: Held | None, *, now: datetime, create: bool = True
    ) -> Shown | None:
        """Make the calendar show it; None if nothing is there and `create` is false."""
        task = _Task(self._client, wanted, now, last=held.sequence if held else None)
        place = held.place if held else place
        shown = await task.write_blindly(place, held, create=create)
        for _ in range(ROUNDS):
            if shown is not None:
                break
            place = task.place or place
            found = await self._find(place, wanted.name)
            if found is None and not create:
                return None
            shown = await (task.make(place) if found is None else task.settle(place, found))
        if shown is None:
            raise TransientError(f"entry {wanted.name.uid} does not show what was written")
        return shown

    async def remove(
        self, name: EntryName, place: Place, held: Held | None, *, stamp: str | None
    ) -> Shown | None:
        """Make it absent; None when it is. An entry later than `stamp` stays and is returned."""
        place, etag = (held.place, held.etag) if held else (place, None)
        for _ in range(ROUNDS):
            if etag is None:
                found = await self._find(place, name)
                if found is None:
                    return None
                if stamp is not None and is_newer(found.stamp, stamp):
                    return _shown(place, found, "unchanged")
                etag = found.etag
            if await self._client.delete(place.collection, place.name, etag=etag):
                return None
            etag = None
        raise TransientError(f"entry {name.uid} changes faster than it can be removed")

    async def _find(self, place: Place, name: EntryName) -> FoundEntry | None:
        stored = await self._client.get(place.collection, place.name)
        return None if stored is None else FoundEntry.read(stored, name.uid)


class _Task:
    """One entry on its way to being shown; `place` is set when it turns out to be somewhere else."""

    def __init__(self, client: CalDavClient, wanted: WantedEntry, now: datetime, *, last: int | None) -> None:
        self._client, self._wanted, self._now, self._last = client, wanted, now, last
        self.place: Place | None = None

    async def write_blindly(self, place: Place, held: Held | None, *, create: bool) -> Shown | None:
        """The one call that is enough in most cases: nobody was there, or nobody touched it since."""
        if held is None:
            return await self.make(place) if create else None
        if held.etag is None or held.foreign:
            return None
        content = self._document()
        answer = await self._client.replace(place.collection, place.name, content, etag=held.etag)
        return await self._done(place, answer, content, "changed")

    async def make(self, place: Place) -> Shown | None:
        """Store it where nothing is."""
        content = self._document()
        answer = await self._client.create(place.collection, place.name, content)
        if answer.outcome == "missing":
            raise PermanentError("there is no calendar at the configured address")
        return await self._done(place, answer, content, "created")

    async def settle(self, place: Place, found: FoundEntry) -> Shown | None:
        """Decide about what is there: a later state stays, the same needs no write."""
        if is_newer(found.stamp, self._wanted.stamp) or found.equals(self._wanted):
            return _shown(place, found, "unchanged")
        self._last = max(filter(None, (self._last, found.sequence)), default=None)
        content = self._document(over=found)
        answer = await self._client.replace(place.collection, place.name, content, etag=found.etag)
        return await self._done(place, answer, content, "changed")

    def _document(self, over: FoundEntry | None = None) -> bytes:
        position = stamp_position(self._wanted.stamp)
        return document(self._wanted, position=position, now=self._now, last=self._last, over=over)

    async def _done(self, place: Place, answer: Written, sent: bytes, detail: Detail) -> Shown | None:
        """What is shown if the write is proven; else None, and the entry has to be read."""
        if answer.outcome == "written" and answer.etag is not None:
            return _shown(place, FoundEntry.read(Stored(place.name, answer.etag, sent)), detail)
        if answer.outcome == "unproven":
            stored = await self._client.get(place.collection, place.name)
            found = None if stored is None else FoundEntry.read(stored, self._wanted.name.uid)
            return _shown(place, found, detail) if found and found.shows(self._wanted) else None
        if answer.outcome == "conflict":
            await self._look_elsewhere(place, answer.name)
        return None

    async def _look_elsewhere(self, place: Place, name: str | None) -> None:
        """Somebody stored the entry under another name, such as when a calendar was restored from a copy."""
        uid = self._wanted.name.uid
        if name is None:
            names = await self._client.search(place.collection, uid)
            stored = await self._client.read(place.collection, names)
            name = next((one.name for one in stored if FoundEntry.read(one).has_uid(uid)), None)
        if name is None:
            raise PermanentError(f"another calendar of this account holds the entry {uid}")
        self.place = Place(place.collection, name)


def _shown(place: Place, found: FoundEntry, detail: Detail) -> Shown:
    return Shown(
        place=place,
        etag=found.etag,
        sequence=found.sequence,
        fingerprint=found.fingerprint,
        stamp=found.stamp,
        foreign=found.foreign,
        detail=detail,
    )
