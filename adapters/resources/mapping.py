"""From a booking to what it wants of the ledger, and from an entry to what is told about it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.api import Receipt
from adapters.ledger import LedgerEntry
from adapters.resources.config import Assignment, ResourcesConfig
from events.state import Booking

NOTHING: Mapping[str, tuple[str, ...]] = {}


def needed(config: ResourcesConfig, booking: Booking) -> Assignment | None:
    """What meetings of this type need; None if they need nothing."""
    kind = booking.meeting_type
    names = [name for name in (kind.slug, kind.id, kind.name) if name] if kind else []
    return config.assignment(names)


def takes_place(config: ResourcesConfig, booking: Booking) -> bool:
    """Whether it still wants its units: not if it is cancelled or, where that counts, nobody came."""
    if booking.status == "cancelled":
        return False
    return not ("no_show" in config.release_on and booking.no_show == "all")


def wish_of(
    config: ResourcesConfig,
    booking: Booking,
    needs: Assignment,
    *,
    epoch: int,
    now: datetime,
    old: LedgerEntry | None = None,
) -> LedgerEntry:
    """The entry as it stands before anything was given out: waiting, or released if nothing is wanted."""
    end = max(booking.start, booking.end)
    return LedgerEntry(
        key=booking.booking_id,
        state="waiting" if takes_place(config, booking) else "released",
        line=booking.time_position or _line(booking, old),
        start=booking.start,
        end=end,
        busy_from=_shifted(booking.start, -needs.setup),
        busy_until=_shifted(end, needs.teardown),
        needs=dict(needs.needs),
        units=NOTHING,
        epoch=epoch,
        position=booking.position,
        since=now,
    )


def shown(entry: LedgerEntry) -> dict[str, Any]:
    """What the ledger is to say of a booking, whoever wins the units: the same before and after."""
    return {
        "start": _text(entry.start),
        "end": _text(entry.end),
        "busy_from": _text(entry.busy_from),
        "busy_until": _text(entry.busy_until),
        "needs": dict(sorted(entry.needs.items())),
    }


def external_id(entry: LedgerEntry) -> str:
    """What is held, readable, and for whom."""
    names = [name for _, units in sorted(entry.units.items()) for name in units]
    return f"{'+'.join(names) or 'waiting'}/{entry.key}"


def receipt_of(entry: LedgerEntry, told: Receipt | None, lacking: Sequence[str]) -> Receipt:
    """The receipt for an entry that is held or waits; `told` is the one the hub has."""
    now = {
        "key": entry.key,
        "state": entry.state,
        "units": {pool: list(names) for pool, names in entry.units.items()},
        **shown(entry),
    }
    return Receipt(
        external_id=external_id(entry),
        position=entry.position,
        detail=_detail(now, told.data if told else {}, lacking),
        data=now,
    )


def intended_receipt(booking: Booking) -> Receipt:
    """What names the entry before there is one, so that it can be released whatever comes between."""
    key = booking.booking_id
    return Receipt(external_id=f"waiting/{key}", detail="intended", data={"key": key})


def key_of(receipt: Receipt | None) -> str | None:
    """Whose entry a receipt is about; one that was made from a survey says so by its id alone."""
    if receipt is None:
        return None
    key = receipt.data.get("key")
    return key if isinstance(key, str) else receipt.external_id.rpartition("/")[2] or None


def _detail(now: Mapping[str, Any], before: Mapping[str, Any], lacking: Sequence[str]) -> str:
    if now == before:
        return "unchanged"
    if now["state"] == "waiting":
        return f"waits for {' and '.join(lacking)}" if lacking else "waits"
    return "changed" if before.get("state") == "held" else "created"


def _line(booking: Booking, old: LedgerEntry | None) -> int:
    """The place in line where nobody says which fact asked for this time: that of the first state with it."""
    same = old is not None and old.state != "released" and old.start == booking.start
    return old.line if old is not None and same else booking.position


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """A time at the end of the calendar stays where it is."""
    try:
        return moment + by
    except OverflowError:
        return moment


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
