"""Rows as the store's tests need them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.store.tables import DeliveryRow, DirtyRow, InboxRow, LeaseRow, QuarantineRow, TargetReceiptRow

NOW = datetime(2026, 10, 12, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def lease(name: str, **overrides: Any) -> LeaseRow:
    return LeaseRow(**{"name": name, "owner": "a", "until": NOW, **overrides})


def delivery(key: str, position: int, **overrides: Any) -> DeliveryRow:
    values = {
        "sink": "calendar",
        "event_id": f"{key}-{position}",
        "key": key,
        "booking_id": key,
        "position": position,
        "event_type": "BookingCreated",
        "due_at": NOW,
        "created_at": NOW,
    }
    return DeliveryRow(**{**values, **overrides})


def mark(provider_id: str, receipt_id: str, **overrides: Any) -> DirtyRow:
    values = {"source": "meetergo", "marked_at": NOW, "due_at": NOW}
    return DirtyRow(**{**values, "provider_id": provider_id, "receipt_id": receipt_id, **overrides})


def inbox_receipt(receipt_id: str, **overrides: Any) -> InboxRow:
    values = {
        "source": "meetergo",
        "received_at": NOW,
        "kind": "booking_created",
        "status": "accepted",
        "digest": f"digest of {receipt_id}",
    }
    return InboxRow(**{**values, "receipt_id": receipt_id, **overrides})


def quarantined(receipt_id: str, **overrides: Any) -> QuarantineRow:
    values = {"source": "meetergo", "received_at": NOW, "reason": "no envelope", "body": b"[1]"}
    return QuarantineRow(**{**values, "receipt_id": receipt_id, **overrides})


def target_receipt(position: int, **overrides: Any) -> TargetReceiptRow:
    values = {
        "sink": "calendar",
        "key": "b1",
        "part": "",
        "target": "team@group",
        "external_id": f"entry-{position}",
        "position": position,
        "epoch": 1,
        "updated_at": NOW,
    }
    return TargetReceiptRow(**{**values, **overrides})
