"""Mirrors bookings into calendar entries: what is wanted, where, and what the receipt remembers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.api import AdapterContext, BookingMirror, Observed, Receipt
from adapters.errors import PermanentError
from adapters.google_calendar.client import CalendarClient
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.google_calendar.entries import Entry, EntryKey, Wanted, comparable
from adapters.google_calendar.mapping import entry_body
from adapters.google_calendar.upkeep import Held, Shown, Upkeep
from adapters.stamps import is_newer, stamp_position
from events.state import Booking


class _Memory(BaseModel):
    """The adapter's own part of a receipt; without a stamp nothing is known to be written yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    calendar: str
    source: str
    booking_id: str
    generation: int
    sequence: int | None = None
    stamp: str = ""
    foreign: bool = False
    written_at: datetime


class GoogleCalendarSink(BookingMirror[GoogleCalendarConfig]):
    """One entry per booking, or per host of it, kept at its newest state."""

    name = "google_calendar"
    title = "Google Calendar"
    config_class = GoogleCalendarConfig

    def __init__(self, config: GoogleCalendarConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        self._client = CalendarClient(
            base_url=config.base_url,
            credentials=config.credentials,
            timeout=context.timeout,
            clock=context.clock,
        )
        self._upkeep = Upkeep(self._client)

    async def open(self) -> None:
        if self.config.calendar is None:
            await self._client.check_identity()
        else:
            await self._client.check_access(self.config.calendar)

    async def close(self) -> None:
        self._client.close()

    def target(self) -> str:
        return f"{self.config.base_url}calendars/{self.config.calendar or '(hosts)'}"

    def parts(self, booking: Booking) -> tuple[str, ...]:
        """With `per: host` the ids of the hosts that have a mail address, which names their calendar."""
        if self.config.per == "booking":
            return ("",)
        return tuple(dict.fromkeys(host.id for host in booking.hosts if host.email))

    def requests(self) -> int:
        return self._client.requests

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        key = self._key(booking, part)
        if key is None or self._is_unwanted(booking):
            return {}
        return self._fields(key, entry_body(booking, self.config, self.context.timezone))

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        """By the id the receipt names; without one, whatever the configured calendar lists for this part."""
        held = self._held(receipt, part)
        if held is None:
            listed = await self.survey() or ()
            return next((one for one in reversed(listed) if (one.key, one.part) == (key, part)), None)
        found = await self._upkeep.look(held.key, held.generation)
        return None if found is None else self._observed(held.key, *found)

    async def survey(self) -> Sequence[Observed] | None:
        calendar = self.config.calendar
        return None if calendar is None else await self._listed(calendar)

    async def survey_all(
        self, bookings: Sequence[Booking], receipts: Sequence[Receipt]
    ) -> Sequence[Observed]:
        """With `per: host` the calendars of all these hosts, and those where something is held."""
        if self.config.calendar is not None:
            return await self._listed(self.config.calendar)
        return [
            seen
            for calendar in self._calendars(bookings, receipts)
            for seen in await self._listed_if_there(calendar)
        ]

    def intended(self, booking: Booking, part: str) -> Receipt | None:
        """Where a host's entry is going to be.

        Stored before the first call for a host: killed in it, the hub would else know of no calendar to
        clear if that host has left the booking by the time it is back.
        """
        key = self._key(booking, part)
        if key is None or self.config.per == "booking" or booking.status == "cancelled":
            return None
        return Receipt(
            external_id=key.entry_id(0),
            target=self.target(),
            detail="intended",
            data=self._memory(key, generation=0).model_dump(mode="json"),
        )

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        held = self._held(receipt, part)
        key = self._key(booking, part) if booking is not None else None
        if held is not None and (key is None or held.key.calendar != key.calendar):
            await self._upkeep.remove(held.key, held, stamp=None)
            held = receipt = None
        if booking is None or key is None:
            return None
        return await self._bring(booking, key, held, receipt)

    async def _bring(
        self, booking: Booking, key: EntryKey, held: Held | None, receipt: Receipt | None
    ) -> Receipt | None:
        stamp = self.context.stamp(booking.position)
        if held is not None and receipt is not None and is_newer(held.stamp, stamp):
            return receipt.model_copy(update={"detail": "unchanged"})
        if self._is_unwanted(booking):
            left = await self._upkeep.remove(key, held, stamp=stamp)
            return self._receipt(left, booking) if left else None
        wanted = self._wanted(booking, key)
        if held is not None and receipt is not None and held.fingerprint == wanted.fingerprint:
            return self._confirmed(receipt, booking, stamp)
        known = held if held is not None and held.stamp else None
        shown = await self._upkeep.show(
            wanted, known, now=self.context.clock(), create=booking.status == "active"
        )
        return self._receipt(shown, booking) if shown else None

    async def _listed(self, calendar: str) -> list[Observed]:
        """The newest generation of an entry comes last, for it is the one that counts."""
        found = []
        for entry in await self._client.marked(calendar, f"hub_installation={self.context.installation_id}"):
            origin = entry.origin(self.context.installation_id, calendar)
            if origin is not None:
                found.append((origin[1], self._observed(origin[0], entry, origin[1])))
        return [seen for _, seen in sorted(found, key=lambda one: one[0])]

    async def _listed_if_there(self, calendar: str) -> list[Observed]:
        """A host's calendar may be gone, or never have been one: then it holds nothing."""
        try:
            return await self._listed(calendar)
        except PermanentError:
            return []

    def _calendars(self, bookings: Iterable[Booking], receipts: Iterable[Receipt]) -> list[str]:
        """Every calendar that is named, once."""
        keys = [self._key(booking, part) for booking in bookings for part in self.parts(booking)]
        held = [self._held(receipt, "") for receipt in receipts]
        named = [key.calendar for key in keys if key] + [one.key.calendar for one in held if one]
        return list(dict.fromkeys(named))

    def _observed(self, key: EntryKey, entry: Entry, generation: int) -> Observed:
        memory = self._memory(
            key,
            generation=generation,
            sequence=_sequence(entry),
            stamp=entry.stamp or "",
            foreign=entry.foreign,
        )
        receipt = Receipt(
            external_id=entry.id,
            etag=entry.etag,
            fingerprint=entry.fingerprint,
            position=stamp_position(entry.stamp),
            url=_address(entry.raw),
            target=self.target(),
            detail="observed",
            data=memory.model_dump(mode="json"),
        )
        return Observed(
            key=key.booking_id,
            part=key.part,
            external_id=entry.id,
            fields=self._fields(key, entry.raw),
            etag=entry.etag,
            url=receipt.url,
            edited_at=_updated(entry),
            receipt=receipt,
        )

    def _fields(self, key: EntryKey, members: Mapping[str, Any]) -> dict[str, Any]:
        """What is compared; with `per: host` the calendar too, for another address moves the entry."""
        where = {"calendar": key.calendar} if self.config.per == "host" else {}
        return where | comparable(members)

    def _is_unwanted(self, booking: Booking) -> bool:
        return booking.status == "cancelled" and self.config.on_cancel == "delete"

    def _key(self, booking: Booking, part: str) -> EntryKey | None:
        """None if this part has no calendar: the host is not of this booking, or has no address."""
        if self.config.per == "booking":
            calendar = self.config.calendar
        else:
            calendar = next((host.email for host in booking.hosts if host.id == part and host.email), None)
            calendar = calendar and calendar.strip().lower()
        if not calendar:
            return None
        return EntryKey(self.context.installation_id, calendar, booking.source, booking.booking_id, part)

    def _wanted(self, booking: Booking, key: EntryKey) -> Wanted:
        body = entry_body(booking, self.config, self.context.timezone)
        return Wanted(key=key, body=body, stamp=self.context.stamp(booking.position))

    def _held(self, receipt: Receipt | None, part: str) -> Held | None:
        """What the receipt says; None if it is about another target or not of this adapter's making."""
        if receipt is None or receipt.target != self.target():
            return None
        try:
            memory = _Memory.model_validate(receipt.data)
        except ValidationError:
            return None
        key = EntryKey(self.context.installation_id, memory.calendar, memory.source, memory.booking_id, part)
        return Held(
            key=key,
            generation=memory.generation,
            etag=receipt.etag,
            sequence=memory.sequence,
            fingerprint=receipt.fingerprint,
            stamp=memory.stamp,
            foreign=memory.foreign,
            written_at=memory.written_at,
        )

    def _receipt(self, shown: Shown, booking: Booking) -> Receipt:
        entry, own = shown.entry, self.context.stamp(booking.position)
        stamp = entry.stamp if entry.stamp and is_newer(entry.stamp, own) else own
        memory = self._memory(
            shown.key,
            generation=shown.generation,
            sequence=_sequence(entry),
            stamp=stamp,
            foreign=entry.foreign,
        )
        return Receipt(
            external_id=entry.id,
            etag=entry.etag,
            fingerprint=entry.fingerprint,
            position=stamp_position(stamp),
            url=_address(entry.raw),
            target=self.target(),
            detail=shown.detail,
            data=memory.model_dump(mode="json"),
        )

    def _memory(self, key: EntryKey, **members: Any) -> _Memory:
        return _Memory(
            calendar=key.calendar,
            source=key.source,
            booking_id=key.booking_id,
            written_at=self.context.clock().astimezone(UTC),
            **members,
        )

    @staticmethod
    def _confirmed(receipt: Receipt, booking: Booking, stamp: str) -> Receipt:
        """The entry already says this; the receipt vouches for the later position too."""
        data: Mapping[str, Any] = {**receipt.data, "stamp": stamp}
        return receipt.model_copy(update={"position": booking.position, "detail": "unchanged", "data": data})


def _sequence(entry: Entry) -> int | None:
    sequence = entry.raw.get("sequence")
    return sequence if isinstance(sequence, int) else None


def _updated(entry: Entry) -> datetime | None:
    """When it was changed last; Google does not say by whom."""
    try:
        moment = datetime.fromisoformat(str(entry.raw.get("updated")))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _address(raw: Mapping[str, Any]) -> str | None:
    link = raw.get("htmlLink")
    return link if isinstance(link, str) else None
