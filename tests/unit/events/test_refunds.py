"""Money that went back, as a fact."""

from datetime import UTC, datetime

from events import BookingRefunded
from events.ids import event_id
from events.refunds import Refund, refunded
from tests.factories import history, snapshot

GIVEN = Refund(refund_id="re_1", amount=4900, currency="EUR", at=datetime(2026, 10, 20, 15, 0, tzinfo=UTC))


def test_a_history_takes_each_refund_once() -> None:
    booking = history(snapshot())[-1].booking
    fact = refunded(booking, GIVEN)
    assert isinstance(fact, BookingRefunded)
    assert (fact.refund_id, fact.amount, fact.currency, fact.ordinal) == ("re_1", 4900, "EUR", 1)
    assert (fact.occurred_at, fact.booking.fact_at) == (GIVEN.at, GIVEN.at)
    assert refunded(fact.booking, GIVEN) is None
    other = refunded(fact.booking, GIVEN.model_copy(update={"refund_id": "re_2"}))
    assert other is not None
    assert event_id(other) != event_id(fact)


def test_the_id_of_the_fact_is_that_of_the_refund() -> None:
    """Whichever process notes it, and whatever happened to the booking meanwhile."""
    booking = history(snapshot())[-1].booking
    later = booking.model_copy(update={"title": "New"})
    first, second = refunded(booking, GIVEN), refunded(later, GIVEN)
    assert first is not None
    assert second is not None
    assert event_id(first) == event_id(second)


def test_nothing_else_of_the_booking_changes() -> None:
    booking = history(snapshot())[-1].booking
    fact = refunded(booking, GIVEN)
    assert fact is not None
    changed = {
        name for name in type(booking).model_fields if getattr(fact.booking, name) != getattr(booking, name)
    }
    assert changed == {"ordinals", "fact_at"}
