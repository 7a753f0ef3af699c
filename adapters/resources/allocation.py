"""Who gets which units: pure, so that every rule of the plan can be read and tried here.

A booking gets all it needs or nothing. Units are given out in the order of the YAML, and whoever has
some keeps them for as long as it needs them at that time: nobody is moved to make room for another.
Those that get nothing wait in line by the position of the fact that asked for the time. When something
becomes free the line is gone through from its head, and everybody whose needs can be met by then gets
them; one that cannot be met keeps nobody behind it from what it could not use (docs/adr/0014).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.ledger import LedgerEntry, Pools

Units = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What follows from one wish: the entry of the booking itself, and those in line that got units by it.

    `own` has to be written before `others`, for they may hold what it had.
    """

    own: LedgerEntry
    others: tuple[LedgerEntry, ...]


def settle(
    pools: Pools,
    entries: Iterable[LedgerEntry],
    old: LedgerEntry | None,
    wish: LedgerEntry,
    *,
    now: datetime,
) -> Settlement:
    """Decide about one booking, given all entries at the time it had, wants, or somebody waits for there.

    `wish` is waiting if the booking wants something, else released; `old` is its entry so far. It asks
    for its new time before it lets the old one go, so it loses nothing by moving to where there is room.
    If there is none it stands in line with the others. Who waits for a time that is over waits in vain.
    """
    around = [entry for entry in entries if entry.key != wish.key]
    holders = [entry for entry in around if entry.state == "held"]
    line = [entry for entry in around if _may_profit(entry, old, wish) and entry.busy_until > now]
    own = _met(pools, wish, holders, keep=old.names, now=now) if old and old.state == "held" else wish
    if own.state == "held":
        holders.append(own)
    elif own.state == "waiting":
        line.append(own)
    met: list[LedgerEntry] = []
    for waiting in sorted(line, key=lambda entry: (entry.line, entry.key)):
        served = _met(pools, waiting, holders, now=now)
        if served.state == "held":
            holders.append(served)
            met.append(served)
    own = next((entry for entry in met if entry.key == wish.key), own)
    others = tuple(entry for entry in met if entry.key != wish.key)
    return Settlement(_dated(old, own, now), others)


def lacking(pools: Pools, wish: LedgerEntry, entries: Iterable[LedgerEntry]) -> tuple[str, ...]:
    """The pools that have too little left for this wish, by name."""
    free = _free(pools, wish, [entry for entry in entries if entry.key != wish.key])
    return tuple(pool for pool, count in sorted(wish.needs.items()) if len(free[pool]) < count)


def _may_profit(entry: LedgerEntry, old: LedgerEntry | None, wish: LedgerEntry) -> bool:
    """Whether it waits for a time at which this booking changes something."""
    asked = (wish,) if old is None else (old, wish)
    return entry.state == "waiting" and any(entry.meets(one.busy_from, one.busy_until) for one in asked)


def _met(
    pools: Pools,
    wish: LedgerEntry,
    holders: Sequence[LedgerEntry],
    *,
    keep: Collection[str] = (),
    now: datetime,
) -> LedgerEntry:
    """The wish with its units, those in `keep` first; the wish as it is if they cannot all be had."""
    if wish.state == "released":
        return wish
    free = _free(pools, wish, holders)
    units: dict[str, tuple[str, ...]] = {}
    for pool, count in wish.needs.items():
        if len(free[pool]) < count:
            return wish
        chosen = sorted(free[pool], key=lambda unit: unit not in keep)[:count]
        units[pool] = tuple(unit for unit in free[pool] if unit in chosen)
    return replace(wish, state="held", units=units, since=now)


def _free(pools: Pools, wish: LedgerEntry, holders: Iterable[LedgerEntry]) -> Units:
    """What nobody holds at any instant of the wish, of each pool it needs."""
    taken = {name for held in holders if held.meets(wish.busy_from, wish.busy_until) for name in held.names}
    return {pool: tuple(unit for unit in pools.get(pool, ()) if unit not in taken) for pool in wish.needs}


def _dated(old: LedgerEntry | None, new: LedgerEntry, now: datetime) -> LedgerEntry:
    """The entry with `since` kept for as long as nothing has changed for the booking."""
    same = old is not None and _standing(old) == _standing(new)
    return replace(new, since=old.since if old is not None and same else now)


def _standing(entry: LedgerEntry) -> tuple[object, ...]:
    return (entry.state, entry.line, entry.busy_from, entry.busy_until, entry.units)
