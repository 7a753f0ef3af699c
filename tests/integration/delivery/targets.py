"""Outside systems that keep the promises real ones document, and the faults they are known for."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from adapters import safe_for
from adapters.api import (
    AdapterContext,
    BookingMirror,
    ContactMirror,
    Observed,
    Reactor,
    Receipt,
    Repeat,
    SinkConfig,
)
from adapters.errors import AuthError, PermanentError, TransientError
from events import Booking, BookingEvent, Contact, DomainEvent, Envelope
from tests.integration.delivery.crash import Crashes

Fault = Literal["transient", "permanent", "auth", "bug", "lost_reply", "hang", "told_to_wait"]


class NoConfig(SinkConfig):
    """Fakes need no settings."""


@dataclass(frozen=True)
class Entry:
    """What the fake calendar holds for one part of a booking."""

    booking_id: str
    start: str
    position: int
    note: str = ""


class Faults:
    """What goes wrong next, per key; `always` until it is healed."""

    def __init__(self) -> None:
        self._next: dict[str, list[Fault]] = defaultdict(list)
        self._always: dict[str, Fault] = {}

    def fail_next(self, key: str, *faults: Fault) -> None:
        self._next[key].extend(faults)

    def always(self, key: str, fault: Fault) -> None:
        self._always[key] = fault

    def heal(self) -> None:
        self._next.clear()
        self._always.clear()

    def of(self, key: str) -> Fault | None:
        for name in (key, "*"):
            if self._next[name]:
                return self._next[name].pop(0)
            if name in self._always:
                return self._always[name]
        return None


class OutsideSystem:
    """Counts calls, refuses two at a time for one key, fails as told."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: list[tuple[str, str, int]] = []
        self.tries: Counter[str] = Counter()
        self.credentials_valid = True
        self.probes = 0
        self.closed = 0
        self.gate: asyncio.Event | None = None
        self.busy: set[str] = set()
        self.overlaps: list[str] = []
        self.crashes = Crashes()

    def check_credentials(self) -> None:
        self.probes += 1
        if not self.credentials_valid:
            raise AuthError("401 the token has expired")

    async def before(self, key: str) -> Fault | None:
        """Everything that may happen before a call has its effect."""
        if key in self.busy:
            self.overlaps.append(key)
        self.busy.add(key)
        self.tries[key] += 1
        self.crashes.step()
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        if not self.credentials_valid:
            raise AuthError("401 the token has expired")
        fault = self.faults.of(key)
        match fault:
            case "transient":
                raise TransientError("503 backendError")
            case "told_to_wait":
                raise TransientError("429 rate limit", retry_after=timedelta(minutes=3))
            case "permanent":
                raise PermanentError("400 invalid")
            case "auth":
                raise AuthError("401 the token has expired")
            case "bug":
                raise KeyError("secret-of-ilse@kunde.example")
            case "hang":
                await asyncio.Event().wait()
        return fault

    def after(self, fault: Fault | None) -> None:
        """What may happen between the effect and its answer."""
        self.crashes.step()
        if fault == "lost_reply":
            raise TransientError("connection reset", effect_unknown=True)

    def done(self, key: str) -> None:
        self.busy.discard(key)


async def _nothing() -> None:
    """Nobody interferes."""


class Calendar(OutsideSystem):
    """A calendar whose entries are addressed by ids the caller chooses; writes are absolute."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, Entry] = {}
        self.history: dict[str, list[int]] = defaultdict(list)
        self.looks = 0
        self.while_looking: Callable[[], Awaitable[None]] = _nothing

    def shown(self, entry_id: str) -> Observed | None:
        """An entry as it is read back; those below another name are somebody else's."""
        entry = self.entries.get(entry_id)
        place, key, part = entry_id.split("/", 2)
        if entry is None or place != "calendar-1":
            return None
        return Observed(
            key=key,
            part=part.partition("+")[0],
            external_id=entry_id,
            fields={"start": entry.start} | ({"note": entry.note} if entry.note else {}),
            etag=f"etag-{entry.position}{entry.note}",
            receipt=Receipt(external_id=entry_id, target=place, data={"booking_id": key}),
        )

    def put(self, entry_id: str, entry: Entry) -> str:
        existed = self.entries.get(entry_id)
        self.entries[entry_id] = entry
        if existed is None:
            return "created"
        return "unchanged" if existed == entry else "changed"

    def delete(self, entry_id: str) -> None:
        self.entries.pop(entry_id, None)

    def enter(self, booking_id: str, part: str, *, at: datetime, position: int) -> Receipt:
        """An entry that an earlier process has made."""
        entry_id = f"calendar-1/{booking_id}/{part}"
        self.put(entry_id, Entry(booking_id, at.isoformat(), position))
        return Receipt(external_id=entry_id, position=position, data={"booking_id": booking_id})


class CalendarMirror(BookingMirror[NoConfig]):
    """One entry per booking, or one per host (`per_host`); cancelled bookings have none.

    A `trusting` one makes no call when its receipt says what is wanted; one that `lists` not is asked
    for each part, one that is not `readable` not at all.
    """

    name = "fake_calendar"
    config_class = NoConfig

    def __init__(
        self,
        calendar: Calendar,
        context: AdapterContext,
        *,
        per_host: bool = False,
        target: str = "calendar-1",
        readable: bool = True,
        lists: bool = True,
        trusting: bool = False,
    ) -> None:
        super().__init__(NoConfig(), context)
        self.calendar = calendar
        self.readable = readable
        self.lists = lists
        self.trusting = trusting
        self.per_host = per_host
        self.named_target = target
        self.given: list[Receipt | None] = []

    async def open(self) -> None:
        self.calendar.check_credentials()

    async def close(self) -> None:
        self.calendar.closed += 1

    def target(self) -> str | None:
        return self.named_target

    def parts(self, booking: Booking) -> tuple[str, ...]:
        return tuple(host.id for host in booking.hosts) if self.per_host else ("",)

    def intended(self, booking: Booking, part: str) -> Receipt | None:
        if not self.per_host or booking.status == "cancelled":
            return None
        entry_id = f"{self.named_target}/{booking.booking_id}/{part}"
        return Receipt(external_id=entry_id, detail="intended", data={"booking_id": booking.booking_id})

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        return {} if booking.status == "cancelled" else {"start": booking.start.isoformat()}

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        self.calendar.looks += 1
        if not self.readable:
            raise NotImplementedError("this calendar cannot be read back")
        await self.calendar.while_looking()
        return self.calendar.shown(f"{self.named_target}/{key}/{part}")

    async def survey(self) -> Sequence[Observed] | None:
        self.calendar.looks += 1
        if not self.lists:
            return None
        await self.calendar.while_looking()
        found = (self.calendar.shown(name) for name in self.calendar.entries)
        return [one for one in found if one is not None]

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        if booking is None and receipt is not None:
            return await self._remove(part, receipt)
        key = booking.booking_id if booking else str(receipt and receipt.data["booking_id"])
        try:
            fault = await self.calendar.before(f"{key}/{part}" if self.per_host else key)
            made = self._write(key, booking, part, receipt)
            self.given.append(receipt)
            self.calendar.after(fault)
            return made
        finally:
            self.calendar.done(f"{key}/{part}" if self.per_host else key)

    async def _remove(self, part: str, receipt: Receipt) -> None:
        key = str(receipt.data["booking_id"])
        try:
            fault = await self.calendar.before(f"{key}/{part}" if self.per_host else key)
            self.calendar.calls.append((key, part, 0))
            self.calendar.history[key].append(0)
            self.calendar.delete(receipt.external_id)
            self.given.append(receipt)
            self.calendar.after(fault)
        finally:
            self.calendar.done(f"{key}/{part}" if self.per_host else key)

    def _write(self, key: str, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        entry_id = f"{self.named_target}/{key}/{part}"
        position = booking.position if booking else 0
        self.calendar.calls.append((key, part, position))
        self.calendar.history[key].append(position)
        if booking is None or booking.status == "cancelled":
            self.calendar.delete(entry_id)
            return None
        if self.trusting and receipt is not None and receipt.fingerprint == booking.start.isoformat():
            return receipt.model_copy(update={"position": position, "detail": "unchanged"})
        entry = Entry(key, booking.start.isoformat(), position)
        detail = self.calendar.put(entry_id, entry)
        return Receipt(
            external_id=entry_id,
            etag=f"etag-{position}",
            fingerprint=booking.start.isoformat(),
            position=position,
            url=f"https://calendar.example/{entry_id}",
            detail=detail,
            data={"booking_id": key},
        )


class Crm(OutsideSystem):
    """Contacts with absolute counters."""

    def __init__(self) -> None:
        super().__init__()
        self.counters: dict[str, tuple[int, int]] = {}


class CrmMirror(ContactMirror[NoConfig]):
    """Writes bookings and cancellations of a contact."""

    name = "fake_crm"
    config_class = NoConfig

    def __init__(self, crm: Crm, context: AdapterContext) -> None:
        super().__init__(NoConfig(), context)
        self.crm = crm
        self.looks: list[str] = []

    def preview(self, contact: Contact, part: str) -> dict[str, Any]:
        return {"bookings": contact.booking_count, "cancellations": contact.cancellation_count}

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        self.looks.append(key)
        counted = self.crm.counters.get(key)
        if counted is None:
            return None
        return Observed(
            key=key,
            external_id=key,
            fields={"bookings": counted[0], "cancellations": counted[1]},
            edited_by="mara@studio.example",
        )

    async def sync(self, contact: Contact | None, part: str, receipt: Receipt | None) -> Receipt | None:
        assert contact is not None
        try:
            fault = await self.crm.before(contact.contact_id)
            self.crm.calls.append((contact.contact_id, part, contact.position))
            self.crm.counters[contact.contact_id] = (contact.booking_count, contact.cancellation_count)
            self.crm.after(fault)
            return Receipt(external_id=contact.contact_id, position=contact.position, detail="changed")
        finally:
            self.crm.done(contact.contact_id)


class Chat(OutsideSystem):
    """Shows each message once per idempotency key."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, str] = {}
        self.sent: list[str] = []

    def of(self, booking_id: str) -> list[str]:
        return [text.split(" ", 1)[1] for text in self.sent if text.startswith(f"{booking_id} ")]


class ChatReactor(Reactor[NoConfig]):
    """Tells every fact once; a repeated key is answered and not shown again."""

    name = "fake_chat"
    config_class = NoConfig
    handles: ClassVar[tuple[type[DomainEvent], ...]] = (BookingEvent,)
    repeat: ClassVar[Repeat] = "safe"

    def __init__(self, chat: Chat, context: AdapterContext) -> None:
        super().__init__(NoConfig(), context)
        self.chat = chat

    async def open(self) -> None:
        self.chat.check_credentials()

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        key = envelope.booking_id
        try:
            fault = await self.chat.before(key)
            self.chat.calls.append((key, envelope.type, envelope.position))
            text = f"{key} {envelope.type}"
            if self.chat.messages.setdefault(idempotency_key, text) is text:
                self.chat.sent.append(text)
            self.chat.after(fault)
            return Receipt(external_id=idempotency_key, position=envelope.position)
        finally:
            self.chat.done(key)


class UnsafeChatReactor(ChatReactor):
    """Its other side does not know idempotency keys."""

    name = "fake_unsafe_chat"
    repeat: ClassVar[Repeat] = "unsafe"


class ForgetfulChatReactor(ChatReactor):
    """Its other side remembers idempotency keys for an hour."""

    name = "fake_forgetful_chat"
    repeat: ClassVar[Repeat] = safe_for(timedelta(hours=1))
