"""Entries of a morning."""

from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.ledger import LedgerEntry

NINE = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)


def at(hours: float) -> datetime:
    """So many hours after nine."""
    return NINE + timedelta(hours=hours)


def entry(key: str, start: float, end: float, *units: str, **members: Any) -> LedgerEntry:
    """Held if there are units, else waiting; busy for exactly as long as it lasts."""
    values: dict[str, Any] = {
        "key": key,
        "state": "held" if units else "waiting",
        "line": 1,
        "start": at(start),
        "end": at(end),
        "busy_from": at(start),
        "busy_until": at(end),
        "needs": {"room": 1},
        "units": {"room": units} if units else {},
        "epoch": 1,
        "position": 1,
        "since": NINE,
    }
    return LedgerEntry(**values | members)
