"""Amounts as Stripe counts them: whole numbers of the smallest unit, which differs by currency; pure.

Source: docs.stripe.com/currencies, "Minor units in API amounts" and "Special cases".
"""

import re
from decimal import Decimal

_NO_DECIMALS = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
_THREE_DECIMALS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
_WHOLE_ONLY = frozenset(("isk", "ugx"))
"""Written with two decimals that have to be zero."""

_CURRENCY = re.compile("[a-z]{3}")
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,3})?")


def currency_code(value: object) -> str:
    """The three letters in lower case, as Stripe writes them; raises ValueError."""
    text = value.lower() if isinstance(value, str) else ""
    if not _CURRENCY.fullmatch(text):
        raise ValueError("is not a currency; write its three letters, such as eur")
    return text


def decimals(currency: str) -> int:
    """How many digits of an amount stand behind the point."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def step(currency: str) -> int:
    """Amounts have to be multiples of this."""
    if currency in _WHOLE_ONLY:
        return 100
    return 10 if currency in _THREE_DECIMALS else 1


def parse_amount(value: object) -> Decimal:
    """Read `49.90`, in whole units of the currency; raises ValueError."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise ValueError("is not an amount; write 49.90, in whole units of the currency")
    return Decimal(value)


def minor_units(amount: Decimal, currency: str) -> int:
    """The amount as Stripe takes it; ValueError if the currency has no such amount."""
    exact = amount.scaleb(decimals(currency))
    if exact != exact.to_integral_value() or int(exact) % step(currency):
        raise ValueError(f"{currency.upper()} has no amount {amount}")
    return int(exact)


def share_of(amount: int, percent: int, currency: str) -> int:
    """This many hundredths of an amount, rounded down to what the currency has."""
    part = amount * percent // 100
    return part - part % step(currency)


def shown(amount: int, currency: str) -> str:
    """The amount for people: `49.90 EUR`."""
    return f"{Decimal(amount).scaleb(-decimals(currency)):f} {currency.upper()}"
