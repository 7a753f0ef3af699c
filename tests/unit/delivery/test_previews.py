"""What a mirror would write, and its digest."""

from typing import Any

from adapters.api import AdapterContext, BookingMirror, ContactMirror, Receipt, SinkConfig
from events import Booking, Contact
from hub.delivery.previews import digest_of, digests_of, parts_of, previews
from tests.factories import CREATED, history, snapshot


class NoConfig(SinkConfig):
    """Nothing to set."""


class Wall(BookingMirror[NoConfig]):
    name = "wall"
    config_class = NoConfig

    def parts(self, booking: Booking) -> tuple[str, ...]:
        return ("a", "b", "a")

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        if booking.title == "broken":
            raise KeyError("ilse@kunde.example")
        return {"part": part, "stamp": self.context.stamp(booking.position)} if part == "a" else {}

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        return receipt


class Silent(Wall):
    preview = BookingMirror.preview


class Book(ContactMirror[NoConfig]):
    name = "book"
    config_class = NoConfig

    def preview(self, contact: Contact, part: str) -> dict[str, Any]:
        return {"count": contact.booking_count}

    async def sync(self, contact: Contact | None, part: str, receipt: Receipt | None) -> Receipt | None:
        return receipt


CONTEXT = AdapterContext(instance="wall", installation_id="i1", clock=lambda: CREATED)
BOOKING = history(snapshot())[-1].booking


def test_every_wanted_part_is_shown_once() -> None:
    found = previews(Wall(NoConfig(), CONTEXT), BOOKING)
    assert [(one.part, one.object) for one in found] == [("a", {"part": "a", "stamp": "1:0"}), ("b", None)]


def test_a_digest_is_the_same_at_every_position_and_names_what_is_wanted_only() -> None:
    wall = Wall(NoConfig(), CONTEXT)
    later = BOOKING.model_copy(update={"position": 7})
    assert digests_of(wall, BOOKING) == digests_of(wall, later)
    assert set(digests_of(wall, BOOKING) or ()) == {"a"}


def test_contacts_have_digests_too() -> None:
    book = Book(NoConfig(), CONTEXT)
    one, two = (Contact(contact_id="c", booking_count=count) for count in (1, 2))
    assert digests_of(book, one) != digests_of(book, two)
    assert parts_of(book, one) == ("",)


def test_what_is_not_shown_is_unknown() -> None:
    assert digests_of(Silent(NoConfig(), CONTEXT), BOOKING) is None
    broken = BOOKING.model_copy(update={"title": "broken"})
    assert digest_of(Wall(NoConfig(), CONTEXT), broken, "a") is None
    assert parts_of(Wall(NoConfig(), CONTEXT), None) == ()
