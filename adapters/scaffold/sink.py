"""Keeps one card per booking in step."""

from collections.abc import Sequence
from typing import Any

from adapters.api import AdapterContext, BookingMirror, Observed, Receipt
from adapters.errors import TransientError
from adapters.scaffold.client import BoardCard, BoardClient
from adapters.scaffold.config import BoardConfig
from adapters.scaffold.mapping import card_id, card_of, is_newer
from events import Booking

MARKS = frozenset(("id", "hub_position", "hub_installation", "hub_key"))
"""Members of a card by which it is found again; not part of what people compare."""


class BoardSink(BookingMirror[BoardConfig]):
    """One card per active booking; a cancelled booking has none."""

    name = "board"
    config_class = BoardConfig

    def __init__(self, config: BoardConfig, context: AdapterContext) -> None:
        super().__init__(config, context)
        self._board = BoardClient(context.http, url=config.url, token=config.token.get_secret_value())

    async def open(self) -> None:
        await self._board.cards()

    def target(self) -> str:
        return self.config.url

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        if booking.status == "cancelled":
            return {}
        return card_of(booking, self.config, self.context.timezone)

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        if booking is None:
            if receipt is not None:
                await self._remove(receipt.external_id, stamp=None)
            return None
        identity = card_id(self.context.installation_id, booking.booking_id, part)
        stamp = self.context.stamp(booking.position)
        if booking.status == "cancelled":
            await self._remove(identity, stamp=stamp)
            return None
        return await self._show(identity, booking, part, stamp)

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        identity = receipt.external_id if receipt else card_id(self.context.installation_id, key, part)
        card = await self._board.get(identity)
        return None if card is None else self._observed(card, key, part)

    async def survey(self) -> Sequence[Observed]:
        mine = self.context.installation_id
        return [
            self._observed(card, card.content["hub_key"], "")
            for card in await self._board.cards()
            if card.content.get("hub_installation") == mine
        ]

    async def _show(self, identity: str, booking: Booking, part: str, stamp: str) -> Receipt:
        wanted = self.preview(booking, part)
        found = await self._board.get(identity)
        if found is not None and is_newer(found.content.get("hub_position"), stamp):
            return self._receipt(found, booking.position, "unchanged")
        marks = {
            "id": identity,
            "hub_position": stamp,
            "hub_installation": self.context.installation_id,
            "hub_key": booking.booking_id,
        }
        if found is not None and found.content == wanted | marks:
            return self._receipt(found, booking.position, "unchanged")
        shown = await self._board.put(identity, wanted | marks, over=found)
        if shown.content != wanted | marks:
            raise TransientError(f"card {identity} does not show what was written")
        return self._receipt(shown, booking.position, "changed" if found else "created")

    async def _remove(self, identity: str, *, stamp: str | None) -> None:
        """Absent is what was wanted, so a card that is gone already is success."""
        found = await self._board.get(identity)
        if found is None or (stamp and is_newer(found.content.get("hub_position"), stamp)):
            return
        await self._board.delete(identity, held=found)

    def _receipt(self, card: BoardCard, position: int, detail: str) -> Receipt:
        return Receipt(
            external_id=card.content["id"],
            etag=card.etag,
            position=position,
            target=self.target(),
            detail=detail,
        )

    @staticmethod
    def _observed(card: BoardCard, key: str, part: str) -> Observed:
        fields = {name: value for name, value in card.content.items() if name not in MARKS}
        return Observed(key=key, part=part, external_id=card.content["id"], fields=fields, etag=card.etag)
