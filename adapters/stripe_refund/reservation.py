"""Which refunds are under way and how much goes back on a day, kept in the sink's ledger.

A payment is given back at most once, by whoever reserved it first: a policy and a command may come at the
same moment. The amount is decided then, and no later change of the settings makes a second attempt ask for
another one.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.ledger import LedgerEntry, LedgerPage
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.mapping import Mark
from adapters.stripe_refund.money import shown

MEMORY = timedelta(hours=24)
"""How long Stripe remembers a key; a refund that was begun longer ago and is not there was never made."""

_PAYMENT, _WAIVED = "payment:", "waived:"
_BY = "by"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to go back; `unasked` if no person said so, `approved` if one has since."""

    mark: Mark
    charge_id: str
    amount: int
    unasked: bool = False
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """The amount that was decided; None with the reason why none was.

    `asks`: a person may let it through.
    """

    amount: int | None
    reason: str = ""
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the hub's time zone."""

    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, now: datetime, timezone: str) -> "Day":
        today = now.astimezone(ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(today.astimezone(UTC), (today + timedelta(days=1)).astimezone(UTC))


def reserve(page: LedgerPage, wish: Wish, config: StripeRefundConfig, *, now: datetime, day: Day) -> Reserved:
    """Decide, alone: nobody else reserves meanwhile. Whoever asks has just seen no refund of the payment."""
    known = page.get(_PAYMENT + wish.charge_id)
    if known is not None and known.state == "held":
        if known.names == {wish.mark.key}:
            return Reserved(known.needs.get(config.currency), "it was begun in another currency")
        if now - known.since < MEMORY:
            return Reserved(None, "another refund of the payment was begun less than a day ago")
    if wish.unasked:
        limit = _limit(page, wish, config, day)
        if limit is not None and not (wish.approved and _was_asked(known, wish, config)):
            page.put(_entry(wish, config, now, day, held=False))
            told = shown(wish.amount, config.currency)
            return Reserved(None, f"{told} would go back, {limit}; bookinghub deliveries approve", asks=True)
    page.put(_entry(wish, config, now, day, held=True))
    return Reserved(wish.amount)


def release(page: LedgerPage, wish: Wish) -> None:
    """Nothing went back, for sure: the payment is free again and counts for no day."""
    known = page.get(_PAYMENT + wish.charge_id)
    if known is not None and known.names == {wish.mark.key}:
        page.put(replace(known, state="released"))


def waive(page: LedgerPage, booking_id: str, *, now: datetime, day: Day) -> bool:
    """Remember that nothing is to go back for this booking; False if that is known."""
    if is_waived(page, booking_id):
        return False
    key = _WAIVED + booking_id
    page.put(LedgerEntry(key, "held", 0, now, now, day.begins, day.ends, {}, {}, 0, 0, now))
    return True


def unwaive(page: LedgerPage, booking_id: str) -> None:
    """Nobody says any more that nothing is to go back."""
    known = page.get(_WAIVED + booking_id)
    if known is not None:
        page.put(replace(known, state="released"))


def is_waived(page: LedgerPage, booking_id: str) -> bool:
    """Whether a person said that nothing is to go back."""
    known = page.get(_WAIVED + booking_id)
    return known is not None and known.state == "held"


def _limit(page: LedgerPage, wish: Wish, config: StripeRefundConfig, day: Day) -> str | None:
    """The limit that this refund would pass."""
    if wish.amount > config.most_unasked:
        return f"over {shown(config.most_unasked, config.currency)}"
    spent = sum(entry.needs.get(config.currency, 0) for entry in page.between(day.begins, day.ends))
    if spent + wish.amount > config.most_a_day:
        already = shown(spent, config.currency)
        return f"{already} of {shown(config.most_a_day, config.currency)} a day are reached"
    return None


def _was_asked(known: LedgerEntry | None, wish: Wish, config: StripeRefundConfig) -> bool:
    """Whether a person has seen this amount, or a larger one, before approving."""
    return known is not None and wish.amount <= known.needs.get(config.currency, 0)


def _entry(wish: Wish, config: StripeRefundConfig, now: datetime, day: Day, *, held: bool) -> LedgerEntry:
    return LedgerEntry(
        key=_PAYMENT + wish.charge_id,
        state="held" if held else "released",
        line=0,
        start=now,
        end=now,
        busy_from=day.begins,
        busy_until=day.ends,
        needs={config.currency: wish.amount},
        units={_BY: (wish.mark.key,)},
        epoch=0,
        position=0,
        since=now,
    )
