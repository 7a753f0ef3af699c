"""From an event to a signed message of Standard Webhooks: pure.

Source of the format: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from events.envelope import Envelope


def body_of(envelope: Envelope) -> bytes:
    """The same bytes at every delivery of the event; `data` is the event as the hub's own API shows it."""
    document = {"type": envelope.type, "timestamp": _time(envelope.occurred_at), "data": event_of(envelope)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def event_of(envelope: Envelope) -> Mapping[str, Any]:
    """The event object; all times RFC 3339 in UTC, what is unknown is null."""
    return {
        "event_id": envelope.event_id,
        "type": envelope.type,
        "booking_id": envelope.booking_id,
        "provider_id": envelope.provider_id,
        "source": envelope.source,
        "position": envelope.position,
        "occurred_at": _time(envelope.occurred_at),
        "recorded_at": _time(envelope.recorded_at),
        "provenance": envelope.provenance,
        "schema_version": envelope.schema_version,
        "causation_id": envelope.causation_id,
        "data": envelope.event.model_dump(mode="json"),
    }


def headers_of(message_id: str, moment: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The id stays the same over retries, the timestamp is that of this attempt; one signature per key."""
    timestamp = str(int(moment.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
