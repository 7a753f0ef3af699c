"""Mirrors bookings into CalDAV calendars: what is wanted, where, and what the receipt remembers."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.api import AdapterContext, BookingMirror, Observed, Receipt
from adapters.caldav.client import CalDavClient
from adapters.caldav.config import CalDavConfig
from adapters.caldav.mapping import FoundEntry
from adapters.caldav.upkeep import Held, Place, Shown, Upkeep
from adapters.errors import AdapterError, AuthError, PermanentError
from adapters.ical import EntryContent, EntryName, WantedEntry, entry_content, uid_prefix
from adapters.stamps import is_newer, stamp_position
from events.state import Booking


class _Memory(BaseModel):
    """The adapter's own part of a receipt; without a stamp nothing is known to be written yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    collection: str
    name: str
    booking_id: str
    sequence: int | None = None
    stamp: str = ""
    foreign: bool = False


class CalDavSink(BookingMirror[CalDavConfig]):
    """One entry per booking, or per host of it, kept at its newest state."""

    name = "caldav"
    config_class = CalDavConfig

    def __init__(self, config: CalDavConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        self._client = CalDavClient(context.http, config)
        self._upkeep = Upkeep(self._client)

    async def open(self) -> None:
        """One calendar that can be written to is enough: a host without theirs does not stop the others."""
        refused: list[AdapterError] = []
        for collection in self.config.collections:
            try:
                await self._client.check(collection)
            except (AuthError, PermanentError) as error:
                refused.append(error)
        if len(refused) == len(self.config.collections):
            raise refused[0]

    def target(self) -> str:
        return self.config.url or "(hosts)"

    def parts(self, booking: Booking) -> tuple[str, ...]:
        """With `per: host` the ids of the hosts whose calendar is configured."""
        if self.config.per == "booking":
            return ("",)
        return tuple(dict.fromkeys(host.id for host in booking.hosts if self._calendar_of(host.email)))

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        collection = self._collection(booking, part)
        if collection is None or self._is_unwanted(booking):
            return {}
        return self._fields(collection, self._content(booking))

    def intended(self, booking: Booking, part: str) -> Receipt | None:
        """Where a host's entry is going to be.

        Stored before the first call for a host: killed in it, the hub would else know of no calendar to
        clear if that host has left the booking by the time it is back.
        """
        collection = self._collection(booking, part)
        if collection is None or self.config.per == "booking" or booking.status == "cancelled":
            return None
        name = self._name(collection, booking.booking_id, part)
        return self._remembered(name, Place.of(collection, name), detail="intended")

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        memory = self._memory(receipt)
        collection = self._collection(booking, part) if booking is not None else None
        if memory is not None and memory.collection != collection:
            await self._remove(memory, part, receipt)
            memory = receipt = None
        if booking is None or collection is None:
            return None
        name = self._name(collection, booking.booking_id, part)
        return await self._bring(booking, name, Place.of(collection, name), _held(memory, receipt), receipt)

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        memory = self._memory(receipt)
        for collection in (memory.collection,) if memory else self.config.collections:
            name = self._name(collection, key, part)
            place = Place(collection, memory.name) if memory else Place.of(collection, name)
            stored = await self._client.get(place.collection, place.name)
            if stored is not None:
                return self._observed(name, place, FoundEntry.read(stored, name.uid))
        return None

    async def survey(self) -> Sequence[Observed]:
        found: list[Observed] = []
        for collection in self.config.collections:
            names = await self._client.search(collection, uid_prefix(self.context.installation_id))
            for stored in await self._client.read(collection, names):
                entry = FoundEntry.read(stored)
                origin = entry.origin(self.context.installation_id, _path(collection))
                if origin is not None:
                    found.append(self._observed(origin, Place(collection, stored.name), entry))
        return found

    async def _bring(
        self, booking: Booking, name: EntryName, place: Place, held: Held | None, receipt: Receipt | None
    ) -> Receipt | None:
        stamp = self.context.stamp(booking.position)
        if held is not None and receipt is not None and is_newer(held.stamp, stamp):
            return receipt.model_copy(update={"detail": "unchanged"})
        if self._is_unwanted(booking):
            left = await self._upkeep.remove(name, place, held, stamp=stamp)
            return self._receipt(name, left, booking) if left else None
        wanted = WantedEntry(name, self._content(booking), stamp)
        if held is not None and receipt is not None and held.fingerprint == wanted.content.fingerprint:
            return _confirmed(receipt, booking, stamp)
        known = held if held is not None and held.stamp else None
        shown = await self._upkeep.show(
            wanted, place, known, now=self.context.clock(), create=booking.status == "active"
        )
        return self._receipt(name, shown, booking) if shown else None

    async def _remove(self, memory: _Memory, part: str, receipt: Receipt | None) -> None:
        """Clear a place that is not wanted any more; one that is not configured either is not called."""
        if memory.collection in self.config.collections:
            name = self._name(memory.collection, memory.booking_id, part)
            held = _held(memory, receipt)
            await self._upkeep.remove(name, Place(memory.collection, memory.name), held, stamp=None)

    def _content(self, booking: Booking) -> EntryContent:
        return entry_content(
            booking,
            self.config.event,
            on_no_show=self.config.on_no_show,
            timezone=self.context.timezone,
        )

    def _fields(self, collection: str, content: EntryContent) -> dict[str, Any]:
        """What is compared; with `per: host` the calendar too, for another address moves the entry."""
        where = {"calendar": collection} if self.config.per == "host" else {}
        return where | content.fields()

    def _is_unwanted(self, booking: Booking) -> bool:
        return booking.status == "cancelled" and self.config.on_cancel == "delete"

    def _collection(self, booking: Booking, part: str) -> str | None:
        """None if this part has no calendar: the host is not of this booking, or has none."""
        if self.config.per == "booking":
            return self.config.url
        return next((self._calendar_of(host.email) for host in booking.hosts if host.id == part), None)

    def _calendar_of(self, mail: str | None) -> str | None:
        return self.config.calendars.get(mail.strip().lower()) if mail else None

    def _name(self, collection: str, booking_id: str, part: str) -> EntryName:
        return EntryName(self.context.installation_id, _path(collection), booking_id, part)

    def _memory(self, receipt: Receipt | None) -> _Memory | None:
        """What the receipt says; None if it is about another target or not of this adapter's making."""
        if receipt is None or receipt.target != self.target():
            return None
        try:
            return _Memory.model_validate(receipt.data)
        except ValidationError:
            return None

    def _receipt(self, name: EntryName, shown: Shown, booking: Booking) -> Receipt:
        own = self.context.stamp(booking.position)
        stamp = shown.stamp if shown.stamp and is_newer(shown.stamp, own) else own
        return self._remembered(
            name,
            shown.place,
            detail=shown.detail,
            stamp=stamp,
            sequence=shown.sequence,
            foreign=shown.foreign,
        ).model_copy(
            update={
                "etag": shown.etag,
                "fingerprint": shown.fingerprint,
                "position": stamp_position(stamp),
            }
        )

    def _observed(self, name: EntryName, place: Place, entry: FoundEntry) -> Observed:
        found = self._remembered(name, place, detail="found")
        return Observed(
            key=name.booking_id,
            part=name.part,
            external_id=name.uid,
            fields={} if entry.content is None else self._fields(place.collection, entry.content),
            etag=entry.etag,
            edited_at=entry.edited_at,
            receipt=found.model_copy(update={"etag": entry.etag}),
        )

    def _remembered(self, name: EntryName, place: Place, *, detail: str, **members: Any) -> Receipt:
        memory = _Memory(collection=place.collection, name=place.name, booking_id=name.booking_id, **members)
        return Receipt(
            external_id=name.uid, target=self.target(), detail=detail, data=memory.model_dump(mode="json")
        )


def _path(collection: str) -> str:
    """A calendar's part in the derivation of UIDs, which survives another scheme or host name."""
    return unquote(urlsplit(collection).path)


def _held(memory: _Memory | None, receipt: Receipt | None) -> Held | None:
    if memory is None or receipt is None:
        return None
    return Held(
        place=Place(memory.collection, memory.name),
        etag=receipt.etag,
        sequence=memory.sequence,
        fingerprint=receipt.fingerprint,
        stamp=memory.stamp,
        foreign=memory.foreign,
    )


def _confirmed(receipt: Receipt, booking: Booking, stamp: str) -> Receipt:
    """The entry already says this; the receipt vouches for the later position too."""
    data: Mapping[str, Any] = {**receipt.data, "stamp": stamp}
    return receipt.model_copy(update={"position": booking.position, "detail": "unchanged", "data": data})
