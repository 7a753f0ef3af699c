"""Sealing at the log's edge: no name, address or note of a guest is stored in the clear.

The personal members of an event are replaced, container by container, by one `_sealed` text under
the key of their owner. See docs/adr/0003-sealing-with-a-key-per-contact.md.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from pydantic_core import from_json, to_json

from events.personal import Container, personal_containers
from hub.errors import LogError
from hub.log.broker import LogConnection
from hub.log.keys import KEY_ID_BYTES, Key, Keyring

SEALED = "_sealed"

_SECRET_NAME = "_contact"  # noqa: S105 - the name of a subject
_FORMAT = b"\x01"
_NONCE_BYTES = 12
# A group of hundreds is sealed in every event of it; nobody else should wait for all of them.
_SEALED_AT_ONCE = 20
_OPENED_AT_ONCE = 1000
_ID_CHARACTERS = 32
_KEY_ID = slice(1, 1 + KEY_ID_BYTES)
_NONCE = slice(_KEY_ID.stop, _KEY_ID.stop + _NONCE_BYTES)
_NOT_IN_PHONES = re.compile(r"[^0-9+]")


@dataclass(frozen=True, slots=True)
class _Sealed:
    """One sealed container of a message."""

    container: Container
    aad: bytes
    blob: bytes = field(repr=False)

    @property
    def key_id(self) -> bytes:
        return self.blob[_KEY_ID]


class Privacy:
    """Seals and opens event messages, and computes contact ids; `load` it before anything else."""

    def __init__(self, connection: LogConnection, prefix: str) -> None:
        self.keyring = Keyring(connection, prefix)
        self._secret: bytes | None = None

    async def load(self) -> None:
        """Fetch the secret behind all contact ids; the first hub of an installation makes it."""
        await self.keyring.open()
        self._secret = await self.keyring.secret(_SECRET_NAME)

    def contact_id(
        self, source: str, attendee_id: str | None, *, email: str | None = None, phone: str | None = None
    ) -> str:
        """The same person's id everywhere: keyed hash of the mail, else the phone, else this one attendee.

        Only spaces around a mail and its case are evened out, and all but digits and `+` in a phone.
        """
        if self._secret is None:
            raise RuntimeError("Privacy.load was not awaited")
        identity = _identity(source, attendee_id, email, phone)
        digest = hmac.new(self._secret, identity.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return digest.hexdigest()[:_ID_CHARACTERS]

    async def ensure_keys(self, contact_ids: Iterable[str]) -> dict[str, Key]:
        """Make the keys that are missing; await this before an event sealed with them is appended."""
        return await self.keyring.ensure(contact_ids)

    async def preload(self, contact_ids: Iterable[str]) -> dict[str, Key]:
        """Fetch the existing keys of these contacts in one round trip."""
        return await self.keyring.load({contact_id: frozenset() for contact_id in contact_ids})

    async def seal_all(self, messages: Sequence[dict[str, Any]]) -> None:
        """Seal messages in place, making the keys that are missing."""
        owners = (container.owner for message in messages for container in _readable(message))
        keys = await self.ensure_keys(owners)
        for number, message in enumerate(messages, 1):
            seal(message, keys)
            if number % _SEALED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def open_all(self, messages: Sequence[dict[str, Any]]) -> frozenset[str]:
        """Open messages in place with one round trip for all keys; the contacts who were forgotten."""
        sealed = [part for message in messages for part in _sealed_parts(message)]
        wanted: defaultdict[str, set[bytes]] = defaultdict(set)
        for part in sealed:
            wanted[part.container.owner].add(part.key_id)
        keys = await self.keyring.load(wanted)
        forgotten: set[str] = set()
        for number, part in enumerate(sealed, 1):
            if not _open(part, keys):
                forgotten.add(part.container.owner)
            if number % _OPENED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return frozenset(forgotten)

    async def forget(self, contact_id: str) -> bool:
        """Delete the contact's key for good; False if there was none."""
        return await self.keyring.delete(contact_id)


def seal(message: dict[str, Any], keys: Mapping[str, Key]) -> None:
    """Replace the personal members of an event message by sealed texts, in place."""
    for container in tuple(_readable(message)):
        key = keys[container.owner]
        members = {
            name: container.members.pop(name) for name in container.fields if name in container.members
        }
        nonce = os.urandom(_NONCE_BYTES)
        text = key.cipher.encrypt(nonce, to_json(members), _aad(message, container))
        blob = _FORMAT + key.id + nonce + text
        container.members[SEALED] = base64.b64encode(blob).decode("ascii")


def _open(part: _Sealed, keys: Mapping[str, Key]) -> bool:
    """Put the members back; without the key they become None, and the answer is False."""
    members = part.container.members
    key = keys.get(part.container.owner)
    del members[SEALED]
    if key is None or key.id != part.key_id:
        members.update(dict.fromkeys(part.container.fields))
        return False
    try:
        text = key.cipher.decrypt(part.blob[_NONCE], part.blob[_NONCE.stop :], part.aad)
    except InvalidTag as error:
        place = part.aad.decode(errors="replace").replace("\n", " at ")
        raise LogError(
            f"the sealed members of event {place or 'its top'} were changed after sealing"
        ) from error
    members.update(from_json(text))
    return True


def _readable(message: dict[str, Any]) -> Iterator[Container]:
    """The containers that hold something to seal."""
    for container in personal_containers(message["data"]):
        if any(container.members.get(name) is not None for name in container.fields):
            yield container


def _sealed_parts(message: dict[str, Any]) -> Iterator[_Sealed]:
    for container in personal_containers(message["data"]):
        text = container.members.get(SEALED)
        if text is not None:
            blob = base64.b64decode(text)
            if blob[:1] != _FORMAT:
                raise LogError(f"event {message['id']} is sealed in a way this hub does not know; update it")
            yield _Sealed(container, _aad(message, container), blob)


def _aad(message: dict[str, Any], container: Container) -> bytes:
    """Binds a sealed text to its event and its place, so that it opens nowhere else."""
    return f"{message['id']}\n{container.path}".encode()


def identity_of(email: str | None, phone: str | None) -> str | None:
    """What a person is known by, however it is spelled: the mail, else the phone; None without either."""
    mail = (email or "").strip().lower()
    if mail:
        return f"mail:{mail}"
    number = _NOT_IN_PHONES.sub("", phone or "")
    return f"phone:{number}" if number.strip("+") else None


def _identity(source: str, attendee_id: str | None, email: str | None, phone: str | None) -> str:
    known = identity_of(email, phone)
    if known is None and not attendee_id:
        raise ValueError("a contact needs a mail address, a phone number or an attendee id")
    return known or f"attendee:{source}:{attendee_id}"
