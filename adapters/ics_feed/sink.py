"""Mirrors bookings into a feed that the hub serves itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from adapters.api import BookingMirror, Observed, Receipt
from adapters.ical import EntryContent, EntryName, WantedEntry, entry_content, next_sequence
from adapters.ics_feed.config import IcsFeedConfig
from adapters.ics_feed.mapping import audiences_of, entry_text, shown_content
from adapters.publishing import Document
from events.state import Booking


class IcsFeedSink(BookingMirror[IcsFeedConfig]):
    """One entry per booking, kept at its newest state; nobody is called, subscribers come and read."""

    name = "ics_feed"
    config_class = IcsFeedConfig

    def target(self) -> str:
        """The only one there is: what this sink publishes, which goes along when it is renamed."""
        return "feeds"

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        gone = booking.status == "cancelled" and self.config.on_cancel == "delete"
        return {} if gone else self._content(booking).fields()

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        publication = self.context.publication
        if booking is None:
            key = receipt.data.get("key") if receipt else None
            there = await publication.find(key, part) if isinstance(key, str) else None
            if there is not None:
                await publication.publish(there.withdrawn(changed_at=self.context.clock()))
            return None
        there = await publication.find(booking.booking_id, part)
        shown = await publication.publish(self._document(booking, part, there))
        return None if shown.content is None else self._receipt(shown, detail=_detail(shown, there))

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        found = await self.context.publication.find(key, part)
        return None if found is None or found.content is None else self._observed(found, found.content)

    async def survey(self) -> Sequence[Observed]:
        found = await self.context.publication.every()
        return [self._observed(document, document.content) for document in found if document.content]

    def _document(self, booking: Booking, part: str, there: Document | None) -> Document:
        """What is to stand there: unchanged contents keep their text and their time.

        A cancelled booking that was never shown gets an empty one, which keeps older states out.
        """
        now = self.context.clock()
        before = there or Document(booking.booking_id, part, None, changed_at=now, epoch=0, position=0)
        stamped = replace(before, epoch=self.context.epoch, position=booking.position)
        if booking.status == "cancelled" and (self.config.on_cancel == "delete" or before.content is None):
            return stamped.withdrawn(changed_at=now)
        content, audiences = self._content(booking), audiences_of(booking)
        if (before.fingerprint, before.audiences) == (content.fingerprint, audiences):
            return stamped
        sequence = next_sequence(booking.position, there.sequence if there else None)
        wanted = WantedEntry(self._name(booking.booking_id, part), content, stamp="")
        return replace(
            stamped,
            content=entry_text(wanted.event(sequence=sequence, now=now, marked=False)),
            changed_at=now,
            ends_at=booking.end,
            audiences=audiences,
            fingerprint=content.fingerprint,
            sequence=sequence,
        )

    def _content(self, booking: Booking) -> EntryContent:
        return entry_content(
            booking,
            self.config.event,
            on_no_show=self.config.on_no_show,
            timezone=self.context.timezone,
        )

    def _name(self, booking_id: str, part: str) -> EntryName:
        """The place is not the sink's name, so that a renamed sink keeps its entries."""
        return EntryName(self.context.installation_id, "feed", booking_id, part)

    def _receipt(self, shown: Document, *, detail: str) -> Receipt:
        return Receipt(
            external_id=self._name(shown.key, shown.part).uid,
            fingerprint=shown.fingerprint,
            position=shown.position,
            target=self.target(),
            detail=detail,
            data={"key": shown.key},
        )

    def _observed(self, document: Document, content: str) -> Observed:
        return Observed(
            key=document.key,
            part=document.part,
            external_id=self._name(document.key, document.part).uid,
            fields=shown_content(content).fields(),
            receipt=self._receipt(document, detail="found"),
        )


def _detail(shown: Document, there: Document | None) -> str:
    if there is None or there.content is None:
        return "created"
    return "unchanged" if shown.fingerprint == there.fingerprint else "changed"
