"""The receipts of everything that reached our door: HUB_INBOX, kept for 30 days.

What the hub knows of a receipt travels in one header, the body stays as it was received and masked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from hub.errors import LogError
from hub.log.broker import JetStreamRefusedError, LogConnection
from hub.log.direct_get import DirectGet, Stored
from hub.log.group_commit import GroupCommit
from hub.log.publish import Message
from hub.log.streams import stream_state
from hub.log.subjects import inbox_subject, stream_filter, stream_name

ReceiptStatus = Literal["accepted", "duplicate", "ignored", "quarantined"]

ACK_WAIT_SECONDS = 5
MOST_UNACKED = 1000

_HEADER = "Hub-Receipt"
_CONSUMER_NOT_FOUND = 10014
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class NewReceipt:
    """One delivery to our door, masked, about to be stored."""

    receipt_id: str
    source: str
    received_at: datetime
    kind: str
    status: ReceiptStatus
    digest: str
    reason: str | None = None
    provider_id: str | None = None
    version: datetime | None = None
    """Of the booking it shows, in whole seconds."""
    attendee_ids: tuple[str, ...] | None = None
    """Who attends the booking it shows; None where that is not known, or too many to be kept here."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class StoredReceipt(NewReceipt):
    """A receipt as the inbox holds it; `sequence` is its place there."""

    sequence: int = 0


class InboxLog:
    """Stores receipts durably and reads them back."""

    def __init__(self, connection: LogConnection, prefix: str, *, patience: float = 15.0) -> None:
        self.prefix = prefix
        self.stream = stream_name(prefix, "inbox")
        self.consumer = f"{prefix}-inbox"
        self._connection = connection
        self._direct = DirectGet(connection, self.stream)
        self._commit = GroupCommit(connection, self.stream, patience=patience)

    async def store(self, receipt: NewReceipt) -> int:
        """The receipt's place, once it is on disk; LogUnavailableError after 15 s without JetStream.

        Receipts waiting at the same moment are written together. If the answer to a write is lost the
        receipt is written again, so it may be there twice under one receipt id.
        """
        headers = {_HEADER: json.dumps(_described(receipt), separators=(",", ":"))}
        return await self._commit.store(
            Message(inbox_subject(self.prefix, receipt.source), receipt.body, headers)
        )

    async def get(self, sequence: int) -> StoredReceipt | None:
        """The receipt at this place; None if it is too old or was deleted."""
        stored = await self._direct.at(sequence)
        return read_receipt(stored.headers, stored.body, sequence) if stored else None

    async def read(self, after: int, limit: int) -> list[StoredReceipt]:
        """The receipts that follow this place; places may be missing between them."""
        return [_receipt(stored) for stored in await self._direct.from_position(after + 1, limit)]

    async def ensure_consumer(self) -> None:
        """Make the durable consumer as the hub needs it, or bring an existing one to that."""
        config = {
            "durable_name": self.consumer,
            "name": self.consumer,
            "filter_subject": stream_filter(self.prefix, "inbox"),
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT_SECONDS * _SECOND,
            "max_ack_pending": MOST_UNACKED,
            "max_deliver": -1,
            "replay_policy": "instant",
        }
        await self._connection.api(
            f"CONSUMER.CREATE.{self.stream}.{self.consumer}.{config['filter_subject']}",
            {"stream_name": self.stream, "config": config},
        )

    async def waiting(self) -> int:
        """How many receipts the consumer has not acknowledged yet; without a consumer it is all there are."""
        try:
            info = await self._connection.api(f"CONSUMER.INFO.{self.stream}.{self.consumer}")
        except JetStreamRefusedError as error:
            if error.code != _CONSUMER_NOT_FOUND:
                raise
            state = await stream_state(self._connection, self.stream)
            return state.messages if state is not None else 0
        counted = int(info["num_pending"]) + int(info["num_ack_pending"])
        # The server tells a consumer of a new message a moment after it has answered whoever stored it.
        return counted or len(await self._direct.from_position(int(info["delivered"]["stream_seq"]) + 1, 1))

    async def close(self) -> None:
        """Stop storing; whoever waits gets LogUnavailableError."""
        await self._commit.close()


def read_receipt(headers: Mapping[str, str] | None, body: bytes, sequence: int) -> StoredReceipt:
    """The receipt in a message of HUB_INBOX; LogError for a message that is none."""
    try:
        described = json.loads((headers or {})[_HEADER])
        described["received_at"] = datetime.fromisoformat(described["received_at"])
        version = described.pop("version", None)
        described["version"] = datetime.fromisoformat(version) if version else None
        attending = described.pop("attendee_ids", None)
        described["attendee_ids"] = None if attending is None else tuple(attending)
        return StoredReceipt(**described, body=body, sequence=sequence)
    except (KeyError, ValueError, TypeError) as error:
        raise LogError(f"message {sequence} of the inbox is not a receipt") from error


def _receipt(stored: Stored) -> StoredReceipt:
    return read_receipt(stored.headers, stored.body, stored.position)


def _described(receipt: NewReceipt) -> dict[str, Any]:
    return {
        "receipt_id": receipt.receipt_id,
        "source": receipt.source,
        "received_at": receipt.received_at.isoformat(),
        "kind": receipt.kind,
        "status": receipt.status,
        "digest": receipt.digest,
        "reason": receipt.reason,
        "provider_id": receipt.provider_id,
        "version": receipt.version.isoformat() if receipt.version else None,
        "attendee_ids": receipt.attendee_ids,
    }
