"""Desired against observed: what would have to be done at a target, and why. Pure; calls nobody.

A difference for which a delivery is on its way is no drift: it is shown, and left to that delivery.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from adapters.api import Observed, Receipt
from hub.delivery.previews import object_digest

Action = Literal["create", "change", "remove", "none"]
Cause = Literal[
    "in_step",
    "deleted_by_hand",
    "edited_by_hand",
    "never_written",
    "outdated",
    "outlived",
    "not_matched",
    "unknown_booking",
    "doubled",
    "delivery_pending",
    "delivery_parked",
    "delivery_dead",
    "delivery_dropped",
    "not_read_yet",
]
Waiting = Literal["delivery_pending", "delivery_parked", "delivery_dead", "delivery_dropped"]

ON_ITS_WAY: frozenset[Cause] = frozenset(("delivery_pending", "not_read_yet"))
BY_HAND: frozenset[Cause] = frozenset(("deleted_by_hand", "edited_by_hand"))
FOR_A_PERSON: frozenset[Cause] = frozenset(("delivery_parked", "delivery_dead", "delivery_dropped"))
"""What a delivery has come to an end about, without being in step: nothing repairs that unasked."""

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class About:
    """What people call the object: the kind of meeting, who attends, when."""

    title: str | None = None
    people: tuple[str, ...] = ()
    start: datetime | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """What a target is to show for one key: fields by part, parts that show nothing left out.

    `may_be_absent`: a booking that is cancelled, or a contact without any, need not be shown, so nothing
    there is right as well. What is not `matched` by the sink's `match` may not be there.
    """

    key: str
    position: int
    parts: Mapping[str, Fields] = field(default_factory=dict)
    booking_id: str | None = None
    may_be_absent: bool = False
    matched: bool = True
    about: About = About()


@dataclass(frozen=True, slots=True)
class Held:
    """What the hub knows to have written: the receipt, and a digest of what was wanted then."""

    receipt: Receipt
    wanted: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The hub's side at one moment, `position` being how far its projections had read."""

    position: int = 0
    of_bookings: bool = True
    desired: Mapping[str, Desired] = field(default_factory=dict)
    held: Mapping[str, Mapping[str, Held]] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)

    def moved_since(self, earlier: "Standing", key: str) -> bool:
        """Whether a fact or a delivery changed what is wanted or held for this key meanwhile."""
        wanted = self.desired.get(key)
        if wanted is not None and wanted.position > earlier.position:
            return True
        return self.held.get(key) != earlier.held.get(key)


@dataclass(frozen=True, slots=True)
class Difference:
    """One member that is not as wanted; None stands for absent."""

    name: str
    found: Any
    wanted: Any


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an item was decided by: it is acted on only while all of this still holds."""

    etag: str | None
    fingerprint: str
    position: int


@dataclass(frozen=True, slots=True)
class Item:
    """One object at a target and what is to be done about it; `is_held`: a receipt names exactly this one."""

    sink: str
    key: str
    part: str
    action: Action
    cause: Cause
    ticket: Ticket
    booking_id: str | None = None
    differences: tuple[Difference, ...] = ()
    about: About = About()
    observed: Observed | None = None
    is_held: bool = False

    @property
    def is_due(self) -> bool:
        """Whether somebody has to do something about it; what is on its way is not."""
        return self.action != "none" and self.cause not in ON_ITS_WAY

    @property
    def external_id(self) -> str | None:
        return self.observed.external_id if self.observed else None


def compare(sink: str, standing: Standing, observed: Sequence[Observed]) -> tuple[Item, ...]:
    """An item for every object that is wanted or there, by key and part."""
    seen: dict[str, dict[str, list[Observed]]] = defaultdict(lambda: defaultdict(list))
    for one in observed:
        seen[one.key][one.part].append(one)
    items: list[Item] = []
    for key in sorted(standing.desired.keys() | seen.keys()):
        desired, there = standing.desired.get(key), seen.get(key, {})
        if desired is None:
            items += _strays(sink, standing, key, there)
        else:
            items += _of_key(sink, standing, desired, there)
    return tuple(items)


def missing(standing: Standing, observed: Iterable[Observed]) -> list[tuple[str, str]]:
    """Keys and parts that are wanted and were written once, but are not among what a target listed."""
    seen = {(one.key, one.part) for one in observed}
    return [
        (key, part)
        for key, desired in standing.desired.items()
        for part in desired.parts
        if part in standing.held.get(key, {}) and (key, part) not in seen
    ]


def counts(items: Iterable[Item]) -> dict[str, int]:
    """How many items there are of each kind; what is on its way counts as nothing else."""
    found = Counter("on_its_way" if item.cause in ON_ITS_WAY else item.action for item in items)
    return {
        "create": found["create"],
        "change": found["change"],
        "remove": found["remove"],
        "on_its_way": found["on_its_way"],
        "in_step": found["none"],
    }


def digest_of(*values: object) -> str:
    """Equal for equal contents, whatever the order of their members."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Case:
    """One part of one key: what is wanted, what is there, what was written, and what is under way."""

    sink: str
    desired: Desired
    part: str
    one: Observed | None
    held: Held | None
    waits: Waiting | None

    @property
    def wanted(self) -> Fields:
        return self.desired.parts.get(self.part, {})

    @property
    def found(self) -> Fields:
        return self.one.fields if self.one else {}

    def judged(self) -> Item:
        """The item for an object that counts."""
        if self.part not in self.desired.parts:
            cause: Cause = "outlived" if self.desired.matched else "not_matched"
            return self.item("remove", cause) if self.one else self.item("none", "in_step")
        if self.one is None:
            return self._absent()
        if not self._differences():
            return self.item("none", "in_step")
        return self.item("change", "edited_by_hand" if self._is_edited(self.one) else "outdated")

    def item(self, action: Action, cause: Cause) -> Item:
        """An item; whatever is under way for the key is the cause of any difference."""
        return Item(
            sink=self.sink,
            key=self.desired.key,
            part=self.part,
            action=action,
            cause=cause if action == "none" or self.waits is None else self.waits,
            ticket=Ticket(
                self.one.etag if self.one else None,
                digest_of(self.found, self.wanted),
                self.desired.position,
            ),
            booking_id=self.desired.booking_id,
            differences=self._differences() if action == "change" else (),
            about=self.desired.about,
            observed=self.one,
            is_held=self.held is not None
            and (self.one is None or self.one.external_id == self.held.receipt.external_id),
        )

    def _absent(self) -> Item:
        absent_by_right = self.held is not None and not self.held.receipt.external_id
        if self.desired.may_be_absent or absent_by_right:
            return self.item("none", "in_step")
        return self.item("create", "deleted_by_hand" if self.held else "never_written")

    def _is_edited(self, one: Observed) -> bool:
        """Whether what is wanted had been written, so that somebody changed it since."""
        if self.held is None:
            return False
        if self.held.wanted is not None:
            return self.held.wanted == object_digest(self.wanted)
        known = self.held.receipt.etag
        return None not in (one.etag, known) and one.etag != known

    def _differences(self) -> tuple[Difference, ...]:
        found, wanted = self.found, self.wanted
        names = [*wanted, *(name for name in found if name not in wanted)]
        return tuple(
            Difference(name, found.get(name), wanted.get(name))
            for name in names
            if found.get(name) != wanted.get(name)
        )


def _strays(
    sink: str, standing: Standing, key: str, there: Mapping[str, Sequence[Observed]]
) -> Iterator[Item]:
    held, waits = standing.held.get(key, {}), standing.waiting.get(key)
    named = Desired(key, 0, booking_id=key if standing.of_bookings else None)
    for part, objects in sorted(there.items()):
        for one in objects:
            yield _Case(sink, named, part, one, held.get(part), waits).item("remove", "unknown_booking")


def _of_key(
    sink: str, standing: Standing, desired: Desired, there: Mapping[str, Sequence[Observed]]
) -> Iterator[Item]:
    held, waits = standing.held.get(desired.key, {}), standing.waiting.get(desired.key)
    for part in sorted(desired.parts.keys() | there.keys()) or [""]:
        objects = there.get(part, ())
        counting = _counting(objects, held.get(part))
        for one in objects:
            if one is not counting:
                yield _Case(sink, desired, part, one, None, waits).item("remove", "doubled")
        yield _Case(sink, desired, part, counting, held.get(part), waits).judged()


def _counting(objects: Sequence[Observed], held: Held | None) -> Observed | None:
    """Of several objects for one part the one we wrote last, else the newest, which comes last."""
    known = held.receipt.external_id if held else None
    return next((one for one in objects if one.external_id == known), objects[-1] if objects else None)
