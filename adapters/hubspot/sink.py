"""Mirrors a contact's counters into HubSpot: what is wanted, on which contact, and what the receipt says."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.api import AdapterContext, ContactMirror, Observed, Receipt
from adapters.hubspot.client import Address, HubSpotClient
from adapters.hubspot.config import HubSpotConfig
from adapters.hubspot.mapping import Found, Wanted, contact_values, definitions, kinds_of, normalised
from adapters.hubspot.preparing import Preparing
from adapters.hubspot.upkeep import CONTACTS, Shown, Upkeep
from adapters.stamps import is_newer, stamp_position
from events.contact import Contact

CONTACT_TYPE = "0-1"


class _Memory(BaseModel):
    """The adapter's own part of a receipt; no stamp = no contact of HubSpot's shows us anything."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    contact_id: str
    stamp: str = ""


class HubSpotSink(ContactMirror[HubSpotConfig]):
    """The counters of each contact as properties of the HubSpot contact with their mail address."""

    name = "hubspot"
    config_class = HubSpotConfig

    def __init__(self, config: HubSpotConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        self._client = HubSpotClient(config, context)
        self._upkeep = Upkeep(self._client)
        self._kinds = kinds_of(config.contact)
        self._preparing = Preparing(
            self._client, CONTACTS, definitions(config.contact), like="email", instance=context.instance
        )

    async def open(self) -> None:
        await self._client.find_account()
        await self._preparing.check()

    async def prepare(self, *, dry_run: bool = False) -> Sequence[str]:
        return await self._preparing.make(dry_run=dry_run)

    def target(self) -> str | None:
        return self._client.where

    def preview(self, contact: Contact, part: str) -> dict[str, Any]:
        if contact.email is None and contact.booking_count:
            return {}
        return contact_values(contact, self.config.contact, self.context.timezone)

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        settings = self.config.contact
        names = (settings.identity, settings.position, *settings.properties)
        found = await self._client.get(CONTACTS, Address(key, settings.identity), names)
        if found is None:
            return None
        return Observed(
            key=key,
            part=part,
            external_id=found.id,
            fields=normalised(found.properties, self._kinds),
            url=self._client.page(CONTACT_TYPE, found.id),
        )

    async def sync(self, contact: Contact | None, part: str, receipt: Receipt | None) -> Receipt | None:
        memory = self._memory(receipt)
        if contact is None:
            if memory is not None:
                await self._upkeep.clear(self._wanted(memory.contact_id, ""), at_any_position=True)
            return None
        return await self._bring(contact, receipt if memory else None, memory.stamp if memory else "")

    async def _bring(self, contact: Contact, receipt: Receipt | None, held: str) -> Receipt | None:
        stamp = self.context.stamp(contact.position)
        if receipt is not None and is_newer(held, stamp):
            return receipt.model_copy(update={"detail": "unchanged"})
        wanted = self._wanted(contact.contact_id, stamp, contact)
        if contact.email is None and contact.booking_count:
            return await self._without_address(wanted, contact)
        shown = None
        if receipt is not None and is_newer(stamp, held) and receipt.fingerprint != wanted.fingerprint:
            shown = await self._upkeep.write_blindly(wanted)
        if shown is None:
            mail = (contact.email or "").strip() or None
            shown = await self._upkeep.show(wanted, mail=mail, create=self.config.contact.create)
        return self._receipt(shown, wanted, contact)

    async def _without_address(self, wanted: Wanted, contact: Contact) -> Receipt | None:
        """Somebody forgotten, whose contact loses what is ours; or known by telephone only, so not there."""
        shown = await self._upkeep.clear(wanted)
        if shown.detail == "changed":
            return None
        receipt = self._receipt(shown, wanted, contact)
        return receipt if shown.found else receipt.model_copy(update={"detail": "no mail address"})

    def _wanted(self, contact_id: str, stamp: str, contact: Contact | None = None) -> Wanted:
        settings = self.config.contact
        values = dict.fromkeys(settings.properties, "")
        if contact is not None:
            values = contact_values(contact, settings, self.context.timezone)
        return Wanted((settings.identity, contact_id), settings.position, stamp, values, self._kinds)

    def _memory(self, receipt: Receipt | None) -> _Memory | None:
        """What the receipt says; None if it is about another account or not of this adapter's making."""
        if receipt is None or receipt.target != self.target():
            return None
        try:
            return _Memory.model_validate(receipt.data)
        except ValidationError:
            return None

    def _receipt(self, shown: Shown, wanted: Wanted, contact: Contact) -> Receipt:
        found = shown.found
        stamp = _later(found, wanted) if found else ""
        memory = _Memory(contact_id=contact.contact_id, stamp=stamp)
        return Receipt(
            external_id=found.id if found else "",
            fingerprint=wanted.fingerprint if stamp == wanted.stamp else None,
            position=stamp_position(stamp) if found else contact.position,
            url=self._client.page(CONTACT_TYPE, found.id) if found else None,
            target=self.target(),
            detail=shown.detail,
            data=memory.model_dump(),
        )


def _later(found: Found, wanted: Wanted) -> str:
    """The state the contact shows: what was wanted, or a later one that stood there already."""
    there = found.get(wanted.position)
    return there if is_newer(there, wanted.stamp) else wanted.stamp
