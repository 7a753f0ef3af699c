"""Keeps rooms and equipment reserved for bookings: each call is one transaction of the ledger."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from adapters.api import BookingMirror, Observed, Receipt
from adapters.ledger import LedgerEntry, LedgerPage
from adapters.resources.allocation import lacking, settle
from adapters.resources.config import ResourcesConfig
from adapters.resources.mapping import (
    NOTHING,
    external_id,
    intended_receipt,
    key_of,
    needed,
    receipt_of,
    shown,
    takes_place,
    wish_of,
)
from events.state import Booking


class ResourcesSink(BookingMirror[ResourcesConfig]):
    """Reserves, moves and releases units; who gets none waits in line and is served when one is free."""

    name = "resources"
    config_class = ResourcesConfig

    async def open(self) -> None:
        """Where the YAML differs from what the plan was made by, every booking is looked at again."""
        terms = hashlib.sha256(self.config.model_dump_json().encode()).hexdigest()
        pools = self.config.pools
        await self.context.ledger.transact(lambda page: page.agree(terms, pools))

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        needs = needed(self.config, booking)
        if needs is None or not takes_place(self.config, booking):
            return {}
        wish = wish_of(self.config, booking, needs, epoch=self.context.epoch, now=self.context.clock())
        return shown(wish)

    def intended(self, booking: Booking, part: str) -> Receipt | None:
        """Stored before the first call: killed in it, nobody would else know of an entry to release."""
        wanted = needed(self.config, booking) is not None and takes_place(self.config, booking)
        return intended_receipt(booking) if wanted else None

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        if booking is not None:
            return await self.context.ledger.transact(partial(self._bring, booking, receipt))
        key = key_of(receipt)
        return None if key is None else await self.context.ledger.transact(partial(self._remove, key))

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        entry = await self.context.ledger.read(lambda page: page.get(key))
        return None if entry is None or entry.state == "released" else _observed(entry)

    async def survey(self) -> Sequence[Observed]:
        return [_observed(entry) for entry in await self.context.ledger.read(lambda page: page.every())]

    def _bring(self, booking: Booking, receipt: Receipt | None, page: LedgerPage) -> Receipt | None:
        old = page.get(booking.booking_id)
        if old is not None and old.epoch == self.context.epoch and old.position > booking.position:
            return self._receipt(page, old, receipt)
        wish = self._wish(booking, old)
        if wish is None:
            return None
        return self._receipt(page, self._settle(page, old, wish), receipt)

    def _wish(self, booking: Booking, old: LedgerEntry | None) -> LedgerEntry | None:
        """What is to be decided; None if the booking needs nothing and never did."""
        epoch, now = self.context.epoch, self.context.clock()
        needs = needed(self.config, booking)
        if needs is not None:
            return wish_of(self.config, booking, needs, epoch=epoch, now=now, old=old)
        return old and replace(_released(old), epoch=epoch, position=booking.position)

    def _remove(self, key: str, page: LedgerPage) -> None:
        old = page.get(key)
        if old is not None and old.state != "released":
            self._settle(page, old, _released(old))

    def _settle(self, page: LedgerPage, old: LedgerEntry | None, wish: LedgerEntry) -> LedgerEntry:
        """Write what follows from the wish; whoever got something by it is brought up to date by the hub."""
        around = _around(page, *([old] if old else []), wish)
        settled = settle(self.config.pools, around, old, wish, now=self.context.clock())
        page.put(settled.own)
        for entry in settled.others:
            page.put(entry)
        if settled.others:
            page.recall([entry.key for entry in settled.others], position=wish.position)
        return settled.own

    def _receipt(self, page: LedgerPage, entry: LedgerEntry, told: Receipt | None) -> Receipt | None:
        if entry.state == "released":
            return None
        pools: tuple[str, ...] = ()
        if entry.state == "waiting":
            pools = lacking(self.config.pools, entry, page.between(entry.busy_from, entry.busy_until))
        return receipt_of(entry, told, pools)


def _around(page: LedgerPage, *asked: LedgerEntry) -> Sequence[LedgerEntry]:
    """All at the times that were asked for, and at the times of those who wait there."""
    near = {entry.key: entry for one in asked for entry in page.between(one.busy_from, one.busy_until)}
    waiting = [entry for entry in near.values() if entry.state == "waiting"]
    if waiting:
        first = min(entry.busy_from for entry in waiting)
        last = max(entry.busy_until for entry in waiting)
        near |= {entry.key: entry for entry in page.between(first, last)}
    return list(near.values())


def _released(entry: LedgerEntry) -> LedgerEntry:
    return replace(entry, state="released", units=NOTHING)


def _observed(entry: LedgerEntry) -> Observed:
    return Observed(
        key=entry.key,
        external_id=external_id(entry),
        fields=shown(entry),
        receipt=receipt_of(entry, None, ()),
    )
