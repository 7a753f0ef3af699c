"""Who the people of a snapshot are: what a payload does not say about them stays as it is known."""

from typing import Any

from events.derive import fold
from events.snapshot import GuestSnapshot
from events.state import Booking
from hub.ingest.contacts import with_contacts
from tests.factories import attendee, history, snapshot


class Identities:
    """Readable contact ids in place of keyed hashes."""

    def contact_id(
        self, source: str, attendee_id: str | None, *, email: str | None = None, phone: str | None = None
    ) -> str:
        return f"c-{email or phone or attendee_id}"


def contacts(*people: Any, state: Booking | None = None, **members: Any) -> list[str]:
    shown = with_contacts(snapshot(attendees=people, **members), state, Identities())
    return [one.contact_id for one in shown.attendees]


def known(**members: Any) -> Booking:
    state = fold(history(with_contacts(snapshot(attendees=[attendee("a1", **members)]), None, Identities())))
    assert state is not None
    return state


def test_a_contact_is_the_mail_else_the_phone_else_the_attendee() -> None:
    people = [
        attendee("a1", email="a@x.example", phone="1"),
        attendee("a2", email=None, phone="2"),
        attendee("a3", email=None),
    ]
    assert contacts(*people) == ["c-a@x.example", "c-2", "c-a3"]


def test_another_mail_is_another_contact() -> None:
    state = known(email="a@x.example")
    assert contacts(attendee("a1", email="b@x.example"), state=state) == ["c-b@x.example"]


def test_a_payload_that_says_nothing_of_the_mail_leaves_the_contact() -> None:
    state = known(email="a@x.example", phone="1")
    silent = attendee("a1").model_copy(update={"contact_id": ""})
    silent = type(silent)(attendee_id="a1", name="A")
    assert contacts(silent, state=state) == ["c-a@x.example"]
    assert contacts(type(silent)(attendee_id="a1", phone="2"), state=state) == ["c-a@x.example"]


def test_guests_are_contacts_only_where_they_are_known() -> None:
    shown = with_contacts(snapshot(guests=(GuestSnapshot(email="g@x.example"),)), None, Identities())
    assert [guest.contact_id for guest in shown.guests] == ["c-g@x.example"]
    assert not with_contacts(snapshot(), None, Identities()).knows("guests")


def test_the_texts_of_a_booking_belong_to_who_was_first() -> None:
    first = with_contacts(snapshot(attendees=["a1", "a2"]), None, Identities())
    assert first.booker == "c-a1@kunde.example"
    assert with_contacts(snapshot(attendees=[]), None, Identities()).booker == "c-booking b1"
    state = fold(history(first))
    assert with_contacts(snapshot(attendees=["a2"]), state, Identities()).booker == ""
