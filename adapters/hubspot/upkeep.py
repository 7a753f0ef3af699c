"""Finds the contact that is meant and brings it to what is wanted: the order of the calls.

HubSpot knows no conditional write. The hub's claim lets one worker at a time write for a key, and a
contact carries whose counters it shows and of which state; it is read before it is written, save where
the receipt says that nothing later can stand there. See docs/adr/0013-hubspot-contacts.md.
"""

from dataclasses import dataclass
from typing import Literal

from adapters.errors import TransientError
from adapters.hubspot.client import Address, HubSpotClient, Taken
from adapters.hubspot.mapping import BLANK, Found, Wanted
from adapters.stamps import is_newer

CONTACTS = "contacts"
ROUNDS = 3
"""How often the contact is looked for again after it changed hands between two calls."""

Detail = Literal["created", "changed", "unchanged", "not there", "kept for another address"]


@dataclass(frozen=True, slots=True)
class Shown:
    """How it ended; `found` is the contact that shows it, None if there is none of ours."""

    detail: Detail
    found: Found | None = None


class Upkeep:
    """Keeps the contacts of one account through a client."""

    def __init__(self, client: HubSpotClient) -> None:
        self._client = client

    async def write_blindly(self, wanted: Wanted) -> Shown | None:
        """The one call that is enough in most cases; None if no contact is marked as this one."""
        updated = await self._client.update(CONTACTS, _marked(wanted), wanted.properties)
        return None if updated is None else _shown(updated, wanted, "changed")

    async def show(self, wanted: Wanted, *, mail: str | None, create: bool) -> Shown:
        """Make the marked contact show it, else the one with this address, else a new one."""
        known: str | None = None
        for _ in range(ROUNDS):
            address, found = await self._find(wanted, mail, known)
            if found is not None:
                shown = await self._settle(wanted, address, found, mail)
            elif mail is not None and create:
                shown, known = await self._create(wanted, mail)
            else:
                return Shown("not there")
            if shown is not None:
                return shown
        raise TransientError("the contact changes hands faster than it can be written")

    async def clear(self, wanted: Wanted, *, at_any_position: bool = False) -> Shown:
        """Blank what the hub wrote, its mark included, on the contact marked as this one."""
        address = _marked(wanted)
        if not at_any_position:
            found = await self._client.get(CONTACTS, address, wanted.properties)
            if found is None:
                return Shown("not there")
            if is_newer(found.get(wanted.position), wanted.stamp):
                return Shown("unchanged", found)
        blank = dict.fromkeys(wanted.properties, BLANK)
        cleared = await self._client.update(CONTACTS, address, blank)
        return Shown("changed" if cleared else "not there")

    async def _find(
        self, wanted: Wanted, mail: str | None, known: str | None
    ) -> tuple[Address, Found | None]:
        names = ("email", *wanted.properties)
        addresses = [_marked(wanted)]
        addresses += [Address(mail, "email")] if mail is not None else []
        addresses += [Address(known)] if known is not None else []
        for address in addresses:
            found = await self._client.get(CONTACTS, address, names)
            if found is not None:
                break
        return address, found

    async def _settle(self, wanted: Wanted, address: Address, found: Found, mail: str | None) -> Shown | None:
        name, mine = wanted.identity
        theirs = found.get(name)
        if theirs == mine and is_newer(found.get(wanted.position), wanted.stamp):
            return Shown("unchanged", found)
        if theirs not in (BLANK, mine) and not (mail and found.is_addressed_by(mail)):
            return Shown("kept for another address")
        if theirs == mine and wanted.is_said_by(found):
            return Shown("unchanged", found)
        updated = await self._client.update(CONTACTS, address, wanted.properties)
        return None if updated is None else _shown(updated, wanted, "changed")

    async def _create(self, wanted: Wanted, mail: str) -> tuple[Shown | None, str | None]:
        made = await self._client.create(CONTACTS, {"email": mail, **wanted.properties})
        if isinstance(made, Taken):
            return None, made.by
        return _shown(made, wanted, "created"), None


def _marked(wanted: Wanted) -> Address:
    name, value = wanted.identity
    return Address(value, name)


def _shown(found: Found, wanted: Wanted, detail: Detail) -> Shown:
    """Done means that the answer shows it."""
    if not wanted.is_marked_on(found):
        raise TransientError(f"contact {found.id} does not show what was written")
    return Shown(detail, found)
