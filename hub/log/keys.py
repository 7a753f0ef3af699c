"""The keys that personal members are sealed with: one per contact, one message each in HUB_KEYS.

A key is made before the first event that needs it is appended, and deleting it makes everything it
sealed unreadable, in every copy of the log. A key has an id of its own, so that what an older,
deleted key sealed is not mistaken for a damaged event once the contact has come back.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nats.aio.msg import Msg

from hub.errors import LogError
from hub.log.broker import JetStreamRefusedError, LogConnection
from hub.log.direct_get import MOST_SUBJECTS, DirectGet, Stored
from hub.log.publish import Message, expected_version, store
from hub.log.subjects import contact_of_key_subject, key_subject, stream_name

KEY_ID_BYTES = 8

_KEY_BYTES = 32
_CACHED_KEYS = 50_000
_AT_ONCE = 16
_ANY: Set[bytes] = frozenset()

_EXISTS = frozenset({10071, 10077, 10164})
_NO_MESSAGE = 10037


@dataclass(frozen=True, slots=True)
class Key:
    """One contact's key."""

    id: bytes
    cipher: AESGCM = field(repr=False)


class Keyring:
    """Reads, makes and deletes keys, and remembers the ones used last.

    A key deleted by another hub leaves this cache when that hub says so, and the whole cache is
    dropped after a lost connection, in which such a word may have been lost.
    """

    def __init__(self, connection: LogConnection, prefix: str, *, capacity: int = _CACHED_KEYS) -> None:
        self._connection = connection
        self._prefix = prefix
        self._stream = stream_name(prefix, "keys")
        self._direct = DirectGet(connection, self._stream)
        self._cache: OrderedDict[str, Key] = OrderedDict()
        self._capacity = capacity
        self._making = asyncio.Semaphore(_AT_ONCE)

    async def open(self) -> None:
        """Listen for keys that other hubs delete."""
        await self._connection.subscribe(self._forgotten_subject, self._forgotten)
        self._connection.on_reconnect.add(self._cache.clear)

    async def secret(self, name: str) -> bytes:
        """The one secret of this name, made by whoever asks first."""
        return await self._read(name) or await self._make(name, os.urandom(_KEY_BYTES))

    async def ensure(self, contact_ids: Iterable[str]) -> dict[str, Key]:
        """The key of every contact, made where there is none."""
        wanted = dict.fromkeys(contact_ids, _ANY)
        keys = await self.load(wanted)
        missing = [contact_id for contact_id in wanted if contact_id not in keys]
        for contact_id, key in zip(missing, await asyncio.gather(*map(self._new, missing)), strict=True):
            keys[contact_id] = key
        return keys

    async def load(self, wanted: Mapping[str, Set[bytes]]) -> dict[str, Key]:
        """The keys of these contacts that exist; a cached one is read again if another key id is wanted."""
        keys = {}
        unknown = []
        for contact_id, key_ids in wanted.items():
            key = self._cache.get(contact_id)
            if key is not None and key_ids <= {key.id}:
                self._cache.move_to_end(contact_id)
                keys[contact_id] = key
            else:
                unknown.append(contact_id)
        for start in range(0, len(unknown), MOST_SUBJECTS):
            keys |= await self._fetch(unknown[start : start + MOST_SUBJECTS])
        return keys

    async def delete(self, contact_id: str) -> bool:
        """Delete a contact's key so that its bytes are overwritten on disk; False if there was none."""
        try:
            question = {"last_by_subj": key_subject(self._prefix, contact_id)}
            found = await self._connection.api(f"STREAM.MSG.GET.{self._stream}", question)
            position = found["message"]["seq"]
            await self._connection.api(f"STREAM.MSG.DELETE.{self._stream}", {"seq": position})
        except JetStreamRefusedError as error:
            if error.code == _NO_MESSAGE:
                return False
            raise
        finally:
            self._cache.pop(contact_id, None)
        await self._connection.post(self._forgotten_subject, contact_id.encode())
        return True

    @property
    def _forgotten_subject(self) -> str:
        return f"{self._prefix}.forgotten"

    async def _forgotten(self, message: Msg) -> None:
        self._cache.pop(message.data.decode(errors="replace"), None)

    async def _fetch(self, contact_ids: list[str]) -> dict[str, Key]:
        for contact_id in contact_ids:
            self._cache.pop(contact_id, None)
        subjects = [key_subject(self._prefix, contact_id) for contact_id in contact_ids]
        found = await self._direct.last_of_each(subjects)
        return {contact: self._remember(contact, message.body) for contact, message in map(_owned, found)}

    async def _new(self, contact_id: str) -> Key:
        async with self._making:
            return self._remember(
                contact_id, await self._make(contact_id, os.urandom(KEY_ID_BYTES + _KEY_BYTES))
            )

    async def _make(self, name: str, value: bytes) -> bytes:
        """Store the value as the first of its subject, or return what somebody stored before."""
        subject = key_subject(self._prefix, name)
        try:
            await store(
                self._connection, self._stream, [Message(subject, value, expected_version(0, subject))]
            )
        except JetStreamRefusedError as error:
            if error.code not in _EXISTS:
                raise
            existing = await self._read(name)
            if existing is None:
                raise LogError(f"{subject} was deleted while it was being made") from error
            return existing
        return value

    async def _read(self, name: str) -> bytes | None:
        stored = await self._direct.last(key_subject(self._prefix, name))
        return stored.body if stored else None

    def _remember(self, contact_id: str, value: bytes) -> Key:
        key = Key(value[:KEY_ID_BYTES], AESGCM(value[KEY_ID_BYTES:]))
        self._cache[contact_id] = key
        self._cache.move_to_end(contact_id)
        if len(self._cache) > self._capacity:
            self._cache.popitem(last=False)
        return key


def _owned(message: Stored) -> tuple[str, Stored]:
    return contact_of_key_subject(message.subject), message
