"""Mirrors bookings into meetings, one on the contact of each attendee."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.api import AdapterContext, BookingMirror, Observed, Receipt
from adapters.errors import TransientError
from adapters.hubspot.client import Address, HubSpotClient, Taken
from adapters.hubspot.config import HubSpotMeetingsConfig
from adapters.hubspot.mapping import Found, Wanted, normalised
from adapters.hubspot.meeting_mapping import (
    KINDS,
    addressable,
    meeting_definitions,
    meeting_id,
    meeting_values,
)
from adapters.hubspot.preparing import Preparing
from adapters.hubspot.upkeep import CONTACTS
from adapters.stamps import is_newer, stamp_position
from events.state import Booking

MEETINGS = "meetings"
MEETING_TYPE = "0-47"
ROUNDS = 3


class _Memory(BaseModel):
    """The adapter's own part of a receipt; `contact` is HubSpot's id of the one the meeting is tied to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    meeting: str
    stamp: str = ""
    contact: str = ""


class HubSpotMeetingsSink(BookingMirror[HubSpotMeetingsConfig]):
    """One meeting per booking and contact, with the outcome for this attendee, kept at the newest state."""

    name = "hubspot_meetings"
    config_class = HubSpotMeetingsConfig

    def __init__(self, config: HubSpotMeetingsConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        self._client = HubSpotClient(config, context)
        self._preparing = Preparing(
            self._client,
            MEETINGS,
            meeting_definitions(config.meeting),
            like="hs_meeting_title",
            instance=context.instance,
        )

    async def open(self) -> None:
        await self._client.find_account()
        await self._preparing.check()

    async def prepare(self, *, dry_run: bool = False) -> Sequence[str]:
        return await self._preparing.make(dry_run=dry_run)

    def target(self) -> str | None:
        return self._client.where

    def parts(self, booking: Booking) -> tuple[str, ...]:
        """The contacts of the attendees; a corrected address is another contact, and another meeting."""
        return tuple(addressable(booking))

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        if part not in addressable(booking):
            return {}
        return meeting_values(booking, part, self.config.meeting, self.context.timezone)

    def intended(self, booking: Booking, part: str) -> Receipt | None:
        """Names the meeting before it is made: an attendee forgotten meanwhile could not be named after."""
        memory = _Memory(meeting=self._identity(booking, part))
        return Receipt(
            external_id="", target=self.target(), detail="intended", data=memory.model_dump(mode="json")
        )

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        memory = self._memory(receipt)
        mail = addressable(booking).get(part) if booking is not None else None
        if booking is None or mail is None:
            await self._remove(memory)
            return None
        stamp = self.context.stamp(booking.position)
        if receipt is not None and memory is not None and is_newer(memory.stamp, stamp):
            return receipt.model_copy(update={"detail": "unchanged"})
        wanted = self._wanted(booking, part, stamp)
        if receipt is not None and memory is not None and receipt.fingerprint != wanted.fingerprint:
            written = await self._write_blindly(wanted, memory)
            if written is not None:
                return self._receipt(written, wanted, memory.contact, "changed")
        return await self._show(wanted, mail, memory.contact if memory else "")

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        memory = self._memory(receipt)
        if memory is None:
            return None
        found = await self._client.get(MEETINGS, self._address(memory.meeting), KINDS)
        if found is None:
            return None
        return Observed(
            key=key,
            part=part,
            external_id=found.id,
            fields=normalised(found.properties, KINDS),
            url=self._client.page(MEETING_TYPE, found.id),
        )

    async def _write_blindly(self, wanted: Wanted, memory: _Memory) -> Found | None:
        """The one call that is enough where the receipt is older and the meeting tied to its contact."""
        if not memory.contact or not is_newer(wanted.stamp, memory.stamp):
            return None
        updated = await self._client.update(MEETINGS, self._address(memory.meeting), wanted.properties)
        return updated and _done(updated, wanted)

    async def _show(self, wanted: Wanted, mail: str, contact: str) -> Receipt:
        """Read before it is written, since HubSpot knows no conditional write."""
        address = self._address(wanted.identity[1])
        found = await self._client.get(MEETINGS, address, wanted.properties)
        if found is not None and is_newer(found.get(wanted.position), wanted.stamp):
            return self._receipt(found, wanted, contact, "unchanged")
        tied = contact if found is not None else ""
        contact = tied or await self._contact(mail) or ""
        if not contact:
            return self._receipt(None, wanted, "", "no such contact")
        detail = "created" if found is None else "unchanged"
        if found is None or not wanted.is_said_by(found):
            detail = detail if found is None else "changed"
            found = _done(await self._client.upsert(MEETINGS, address, wanted.properties), wanted)
        if not tied:
            await self._client.associate(MEETINGS, found.id, CONTACTS, contact)
        return self._receipt(found, wanted, contact, detail)

    async def _contact(self, mail: str) -> str | None:
        """HubSpot's id of the contact with this address, made if need be."""
        address = Address(mail, "email")
        for _ in range(ROUNDS):
            found = await self._client.get(CONTACTS, address, ("email",))
            if found is not None or not self.config.create_contacts:
                return found.id if found else None
            made = await self._client.create(CONTACTS, {"email": mail})
            if isinstance(made, Found):
                return made.id
            if isinstance(made, Taken) and made.by is not None:
                return made.by
        raise TransientError("the contact of an attendee is taken and not found")

    async def _remove(self, memory: _Memory | None) -> None:
        if memory is None:
            return
        found = await self._client.get(MEETINGS, self._address(memory.meeting), ())
        if found is not None:
            await self._client.archive(MEETINGS, found.id)

    def _identity(self, booking: Booking, contact_id: str) -> str:
        return meeting_id(self.context.installation_id, booking, contact_id)

    def _address(self, meeting: str) -> Address:
        return Address(meeting, self.config.meeting.identity)

    def _wanted(self, booking: Booking, part: str, stamp: str) -> Wanted:
        settings = self.config.meeting
        values = meeting_values(booking, part, settings, self.context.timezone)
        identity = (settings.identity, self._identity(booking, part))
        return Wanted(identity, settings.position, stamp, values, KINDS)

    def _memory(self, receipt: Receipt | None) -> _Memory | None:
        """What the receipt says; None if it is about another account or not of this adapter's making."""
        if receipt is None or receipt.target != self.target():
            return None
        try:
            return _Memory.model_validate(receipt.data)
        except ValidationError:
            return None

    def _receipt(self, found: Found | None, wanted: Wanted, contact: str, detail: str) -> Receipt:
        there = found.get(wanted.position) if found else ""
        stamp = there if is_newer(there, wanted.stamp) else wanted.stamp
        memory = _Memory(meeting=wanted.identity[1], stamp=stamp if found else "", contact=contact)
        return Receipt(
            external_id=found.id if found else "",
            fingerprint=wanted.fingerprint if found and stamp == wanted.stamp else None,
            position=stamp_position(stamp),
            url=self._client.page(MEETING_TYPE, found.id) if found else None,
            target=self.target(),
            detail=detail,
            data=memory.model_dump(mode="json"),
        )


def _done(found: Found, wanted: Wanted) -> Found:
    """Done means that the answer shows it."""
    if not wanted.is_marked_on(found):
        raise TransientError(f"meeting {found.id} does not show what was written")
    return found
