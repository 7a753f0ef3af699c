"""Amounts in the units of their currency."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe_refund.money import currency_code, minor_units, parse_amount, share_of, shown, step

CURRENCIES = ("eur", "jpy", "kwd", "isk")


@pytest.mark.parametrize(
    ("text", "currency", "minor", "told"),
    [
        ("49.90", "eur", 4990, "49.90 EUR"),
        ("49", "eur", 4900, "49.00 EUR"),
        ("4990", "jpy", 4990, "4990 JPY"),
        ("4.990", "kwd", 4990, "4.990 KWD"),
        ("49", "isk", 4900, "49.00 ISK"),
        ("0", "eur", 0, "0.00 EUR"),
    ],
)
def test_an_amount_in_its_smallest_unit_and_back(text: str, currency: str, minor: int, told: str) -> None:
    assert minor_units(parse_amount(text), currency) == minor
    assert shown(minor, currency) == told


@pytest.mark.parametrize(
    ("amount", "currency"), [("0.001", "eur"), ("0.5", "jpy"), ("1.005", "kwd"), ("1.50", "isk")]
)
def test_an_amount_the_currency_does_not_have(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="has no amount"):
        minor_units(Decimal(amount), currency)


@pytest.mark.parametrize(
    "text", ["", "-1", "1,50", "1e3", "1.", ".5", "49.9000", "99999999999", "٣", 49, 4.5, None]
)
def test_what_is_no_amount(text: object) -> None:
    with pytest.raises(ValueError, match=r"write 49\.90"):
        parse_amount(text)


@pytest.mark.parametrize("text", ["", "euro", "e1r", "€", None, 978])
def test_what_is_no_currency(text: object) -> None:
    with pytest.raises(ValueError, match="three letters"):
        currency_code(text)


def test_currencies_are_written_small() -> None:
    assert currency_code("EUR") == "eur"


@given(amount=st.integers(0, 10**9), percent=st.integers(0, 100), currency=st.sampled_from(CURRENCIES))
def test_a_share_is_never_more_than_it_says_and_payable(amount: int, percent: int, currency: str) -> None:
    share = share_of(amount, percent, currency)
    assert 0 <= share * 100 <= amount * percent
    assert share % step(currency) == 0
    assert amount * percent // 100 - share < step(currency)
