"""Between a booking and a card: pure, both ways."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from adapters.scaffold.config import BoardConfig
from adapters.templates import booking_fields
from events import Booking

TITLE_LIMIT = 200


def card_id(installation_id: str, key: str, part: str) -> str:
    """The card's id, found again without memory; another installation has cards of its own."""
    return uuid5(NAMESPACE_URL, f"bookinghub:{installation_id}:{key}:{part}").hex


def card_of(booking: Booking, config: BoardConfig, timezone: str) -> dict[str, Any]:
    """The members of the card that the hub decides."""
    fields = booking_fields(booking, timezone)
    missed = "no-show, " if booking.no_show != "none" else ""
    return {
        "title": missed + config.title.render(fields, limit=TITLE_LIMIT, single_line=True),
        "start": booking.start.isoformat(),
        "end": booking.end.isoformat(),
        "notes": booking.notes or "",
    }


def is_newer(stamp: object, than: str) -> bool:
    """Whether a card was written for a later position of the same epoch; another epoch never blocks."""
    epoch, _, position = than.partition(":")
    written_epoch, _, written = str(stamp).partition(":")
    return written_epoch == epoch and written.isdigit() and int(written) > int(position)
