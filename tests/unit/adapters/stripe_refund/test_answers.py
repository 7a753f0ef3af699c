"""Reading Stripe's objects, old and new, whole and broken."""

from typing import Any

import pytest

from adapters.errors import PermanentError
from adapters.stripe_refund.answers import Charge, Intent, Refund, is_payment_id, read

CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "amount": 4900,
    "amount_captured": 4900,
    "amount_refunded": 0,
    "captured": True,
    "currency": "eur",
    "disputed": False,
    "refunded": False,
    "status": "succeeded",
}


def charge(**changes: Any) -> Charge:
    return read(Charge, CHARGE | changes)


@pytest.mark.parametrize(
    ("changes", "paid", "left"),
    [
        ({}, 4900, 4900),
        ({"amount_captured": None}, 4900, 4900),
        ({"amount_captured": 3000}, 3000, 3000),
        ({"amount_refunded": 900}, 4900, 4000),
        ({"amount_refunded": 9000}, 4900, 0),
        ({"refunded": True}, 4900, 0),
        ({"captured": False}, 0, 0),
        ({"status": "failed"}, 0, 0),
        ({"status": "something new"}, 0, 0),
    ],
    ids=str,
)
def test_what_was_paid_and_what_is_left(changes: dict[str, Any], paid: int, left: int) -> None:
    found = charge(**changes)
    assert (found.paid, found.left) == (paid, left)


def test_a_dispute_is_told_in_two_ways() -> None:
    assert not charge().is_disputed
    assert charge(disputed=True).is_disputed
    assert charge(dispute="dp_1").is_disputed


def test_addresses_are_compared_in_one_spelling() -> None:
    found = charge(
        receipt_email=" A@Kunde.example", billing_details={"email": "b@kunde.example", "name": "B"}
    )
    assert found.emails == {"a@kunde.example", "b@kunde.example"}
    assert charge(billing_details={"email": None}).emails == frozenset()


def test_the_charge_of_an_intent_knows_what_the_intent_says() -> None:
    told = {"id": "pi_1", "metadata": {"of": "intent", "a": "1"}, "receipt_email": "x@kunde.example"}
    found = read(Intent, told | {"latest_charge": CHARGE | {"metadata": {"of": "charge"}}}).charged()
    assert found is not None
    assert found.metadata == {"of": "charge", "a": "1"}
    assert found.emails == {"x@kunde.example"}
    assert read(Intent, told | {"latest_charge": None}).charged() is None


@pytest.mark.parametrize("missing", [name for name in CHARGE if name not in ("amount_captured", "disputed")])
def test_an_answer_that_lacks_something_decides_nothing(missing: str) -> None:
    """And what it holds of the guest is not told."""
    told = CHARGE | {"billing_details": {"email": "ilse@kunde.example"}}
    del told[missing]
    with pytest.raises(PermanentError, match=f"without a usable {missing}") as refused:
        read(Charge, told)
    assert "ilse" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_what_is_no_object_decides_nothing(document: Any) -> None:
    with pytest.raises(PermanentError):
        read(Refund, document)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("pi_3OabcDEF", True),
        ("ch_3Oabc", True),
        ("py_3Oabc", True),
        ("cs_test_a1B2", True),
        ("pi_", False),
        ("pi_1/refunds", False),
        ("pi_1?x=1", False),
        ("PAYID-ABC", False),
        ("6f1c2d3e-0000-4000-8000-000000000000", False),
        ("", False),
        ("pi_1\n", False),
    ],
)
def test_ids_of_payments(text: str, known: bool) -> None:
    assert is_payment_id(text) is known
