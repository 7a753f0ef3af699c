"""Bookings on a small grid of hours, and a sink on a ledger in memory."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.api import AdapterContext, Receipt
from adapters.ledger import LedgerEntry
from adapters.ledger_in_memory import MemoryLedger
from adapters.resources.config import ResourcesConfig
from adapters.resources.sink import ResourcesSink
from adapters.testing import sample_booking
from events import Booking
from events.state import MeetingType

MIDNIGHT = datetime(2026, 10, 27, tzinfo=UTC)


def hour(number: float) -> datetime:
    return MIDNIGHT + timedelta(hours=number)


def booking(
    key: str, start: float, end: float, *, position: int, kind: str = "demo", **changes: Any
) -> Booking:
    members: dict[str, Any] = {
        "booking_id": key,
        "provider_id": key,
        "provider_ids": (key,),
        "start": hour(start),
        "end": hour(end),
        "meeting_type": MeetingType(id=f"id-{kind}", slug=kind, name=kind.title()),
        "position": position,
        "time_position": position,
    }
    return sample_booking(**members | changes)


def cancelled(state: Booking, *, position: int) -> Booking:
    return state.cancelled(None).model_copy(update={"position": position})


def config(pools: Mapping[str, Sequence[str]], *assign: Mapping[str, Any], **members: Any) -> ResourcesConfig:
    default = ({"meeting_type": "*", "needs": {"room": 1}},)
    return ResourcesConfig.model_validate({"pools": pools, "assign": assign or default} | members)


class Plan:
    """A sink, its ledger, and the receipts as the hub keeps them."""

    def __init__(self, settings: ResourcesConfig, *, now: datetime = MIDNIGHT) -> None:
        self.ledger = MemoryLedger()
        self.receipts: dict[str, Receipt] = {}
        self.now = now
        self.configure(settings)

    def configure(self, settings: ResourcesConfig, *, epoch: int = 1) -> None:
        context = AdapterContext(
            instance="rooms",
            installation_id="i1",
            clock=lambda: self.now,
            epoch=epoch,
            ledger=self.ledger,
        )
        self.sink = ResourcesSink(settings, context)

    async def sync(self, state: Booking) -> Receipt | None:
        key = state.booking_id
        receipt = await self.sink.sync(state, "", self.receipts.get(key))
        return self._keep(key, receipt)

    async def remove(self, key: str) -> Receipt | None:
        return self._keep(key, await self.sink.sync(None, "", self.receipts.get(key)))

    def _keep(self, key: str, receipt: Receipt | None) -> Receipt | None:
        if receipt is None:
            self.receipts.pop(key, None)
        else:
            self.receipts[key] = receipt
        return receipt

    def entry(self, key: str) -> LedgerEntry:
        return self.ledger.entries[key]

    def units(self, key: str) -> list[str]:
        return sorted(self.entry(key).names)

    def held(self) -> dict[str, list[str]]:
        """The units of everybody who has some."""
        return {key: self.units(key) for key, entry in self.ledger.entries.items() if entry.state == "held"}

    def waiting(self) -> list[str]:
        """Who waits, in line order."""
        waiting = [entry for entry in self.ledger.entries.values() if entry.state == "waiting"]
        return [entry.key for entry in sorted(waiting, key=lambda entry: entry.line)]
