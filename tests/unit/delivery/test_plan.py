"""What a comparison makes of what is wanted, what was written and what is there."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.api import Observed, Receipt
from hub.delivery.plan import (
    Desired,
    Held,
    Item,
    Standing,
    Waiting,
    compare,
    counts,
    missing,
)
from hub.delivery.previews import object_digest

WANTED = {"start": "ten", "title": "Demo"}


def seen(part: str = "", *, id: str = "e1", key: str = "b1", **fields: Any) -> Observed:
    return Observed(key=key, part=part, external_id=id, fields=WANTED | fields, etag="etag-1")


def held(id: str = "e1", *, wanted: Any = WANTED, etag: str | None = "etag-1") -> Held:
    receipt = Receipt(external_id=id, etag=etag)
    return Held(receipt, None if wanted is None else object_digest(wanted))


def standing(
    *, waits: Waiting | None = None, known: bool = True, absent: bool = False, **parts: Held | None
) -> Standing:
    """One booking with the one part `""`, unless `parts` says otherwise; `_` stands for that part."""
    names = {name.strip("_"): receipt for name, receipt in (parts or {"_": None}).items()}
    desired = Desired("b1", 7, dict.fromkeys(names, WANTED), booking_id="b1", may_be_absent=absent)
    receipts = {name: receipt for name, receipt in names.items() if receipt is not None}
    return Standing(
        position=7,
        desired={"b1": desired} if known else {},
        held={"b1": receipts} if receipts else {},
        waiting={"b1": waits} if waits else {},
    )


def verdicts(standing: Standing, *observed: Observed) -> list[tuple[str, str]]:
    return [(item.action, item.cause) for item in compare("calendar", standing, observed)]


class TestVerdict:
    def test_what_shows_what_is_wanted_is_in_step(self) -> None:
        assert verdicts(standing(_=held()), seen()) == [("none", "in_step")]
        assert verdicts(standing(_=None), seen()) == [("none", "in_step")]

    def test_what_was_written_and_is_gone_was_deleted_by_hand(self) -> None:
        assert verdicts(standing(_=held())) == [("create", "deleted_by_hand")]
        assert verdicts(standing(_=None)) == [("create", "never_written")]

    def test_what_was_written_as_wanted_and_differs_was_edited_by_hand(self) -> None:
        assert verdicts(standing(_=held()), seen(title="Mine")) == [("change", "edited_by_hand")]

    def test_what_was_written_for_something_else_is_outdated(self) -> None:
        older = held(wanted=WANTED | {"start": "nine"})
        assert verdicts(standing(_=older), seen(start="nine")) == [("change", "outdated")]
        assert verdicts(standing(_=None), seen(start="nine")) == [("change", "outdated")]

    @pytest.mark.parametrize(
        ("etag", "cause"), [("etag-0", "edited_by_hand"), ("etag-1", "outdated"), (None, "outdated")]
    )
    def test_without_a_digest_the_etag_tells(self, etag: str | None, cause: str) -> None:
        unsure = held(wanted=None, etag=etag)
        assert verdicts(standing(_=unsure), seen(title="Mine")) == [("change", cause)]

    def test_what_an_adapter_did_not_create_is_no_deleted_one(self) -> None:
        assert verdicts(standing(_=held(""))) == [("none", "in_step")]

    def test_a_part_nobody_wants_goes(self) -> None:
        assert verdicts(standing(anna=held()), seen("anna"), seen("bert", id="e2")) == [
            ("none", "in_step"),
            ("remove", "outlived"),
        ]

    def test_a_cancelled_booking_need_not_be_shown(self) -> None:
        assert verdicts(standing(absent=True, _=held())) == [("none", "in_step")]
        assert verdicts(standing(absent=True, _=held()), seen(title="Mine")) == [("change", "edited_by_hand")]
        nothing = Standing(desired={"b1": Desired("b1", 7, may_be_absent=True)})
        assert verdicts(nothing) == [("none", "in_step")]
        assert verdicts(nothing, seen()) == [("remove", "outlived")]

    def test_what_a_sink_does_not_take_any_more_goes(self) -> None:
        unmatched = Standing(desired={"b1": Desired("b1", 7, matched=False, may_be_absent=True)})
        assert verdicts(unmatched) == [("none", "in_step")]
        assert verdicts(unmatched, seen()) == [("remove", "not_matched")]

    def test_an_object_of_nobody_goes(self) -> None:
        assert verdicts(standing(known=False), seen()) == [("remove", "unknown_booking")]
        (item,) = compare("calendar", standing(known=False, _=held()), [seen()])
        assert (item.booking_id, item.ticket.position, item.is_held) == ("b1", 0, True)
        contacts = replace(standing(known=False), of_bookings=False)
        assert compare("crm", contacts, [seen()])[0].booking_id is None

    @pytest.mark.parametrize("kept", ["e1", "e2"])
    def test_of_two_objects_the_one_a_receipt_names_stays(self, kept: str) -> None:
        items = compare("calendar", standing(_=held(kept)), [seen(id="e1"), seen(id="e2")])
        assert {item.external_id: item.cause for item in items} == {
            kept: "in_step",
            "e2" if kept == "e1" else "e1": "doubled",
        }

    def test_of_two_objects_without_a_receipt_the_last_one_stays(self) -> None:
        items = compare("calendar", standing(), [seen(id="e1"), seen(id="e2")])
        assert {item.external_id: item.cause for item in items} == {"e1": "doubled", "e2": "in_step"}

    @pytest.mark.parametrize(
        "waits", ["delivery_pending", "delivery_parked", "delivery_dead", "delivery_dropped"]
    )
    def test_a_delivery_that_is_not_done_is_the_cause_of_a_difference_and_of_nothing_else(
        self, waits: Waiting
    ) -> None:
        assert verdicts(standing(waits=waits, _=held())) == [("create", waits)]
        assert verdicts(standing(waits=waits, _=held()), seen(title="Mine")) == [("change", waits)]
        assert verdicts(standing(waits=waits, known=False), seen()) == [("remove", waits)]
        assert verdicts(standing(waits=waits, _=held()), seen()) == [("none", "in_step")]
        (item,) = compare("calendar", standing(waits=waits, _=held()), [])
        assert item.is_due is (waits != "delivery_pending")


def test_differences_name_what_is_there_and_what_is_wanted() -> None:
    (item,) = compare("calendar", standing(_=held()), [seen(start="nine", colour="red")])
    assert [(d.name, d.found, d.wanted) for d in item.differences] == [
        ("start", "nine", "ten"),
        ("colour", "red", None),
    ]


def test_a_ticket_changes_with_everything_that_decides() -> None:
    def ticket(standing: Standing, *observed: Observed) -> object:
        return compare("calendar", standing, observed)[0].ticket

    first = ticket(standing(_=held()), seen(title="Mine"))
    assert ticket(standing(_=held()), seen(title="Mine")) == first
    other = seen(title="Mine").model_copy(update={"etag": "etag-2"})
    moved = standing(_=held())
    later = replace(moved, desired={"b1": replace(moved.desired["b1"], position=8)})
    wanted = replace(moved.desired["b1"], parts={"": WANTED | {"start": "eleven"}})
    changes = [
        ticket(standing(_=held()), seen(title="Mine again")),
        ticket(standing(_=held()), other),
        ticket(standing(_=held())),
        ticket(later, seen(title="Mine")),
        ticket(replace(moved, desired={"b1": wanted}), seen(title="Mine")),
    ]
    assert all(changed != first for changed in changes)


def test_what_was_written_and_is_not_listed_is_missing() -> None:
    assert missing(standing(anna=held(), bert=held("e2"), cleo=None), [seen("anna")]) == [("b1", "bert")]


def test_counts_tell_what_is_on_its_way_apart() -> None:
    pending = compare("calendar", standing(waits="delivery_pending", _=held()), [])
    gone = compare("calendar", standing(_=held()), [])
    right = compare("calendar", standing(_=held()), [seen()])
    assert counts([*pending, *gone, *right]) == {
        "create": 1,
        "change": 0,
        "remove": 0,
        "on_its_way": 1,
        "in_step": 1,
    }


def test_a_key_moved_when_a_fact_or_a_receipt_came() -> None:
    before = standing(_=held())
    assert not before.moved_since(before, "b1")
    newer = replace(before, desired={"b1": replace(before.desired["b1"], position=8)})
    assert newer.moved_since(before, "b1")
    assert standing(_=held("e2")).moved_since(before, "b1")
    assert standing(_=None).moved_since(before, "b1")
    assert not standing(known=False).moved_since(before, "b9")


class Target:
    """A target whose ids come from key and part, with a counter so that an object may be there twice."""

    def __init__(self, objects: list[Observed]) -> None:
        self.objects = {one.external_id: one for one in objects}

    def do(self, item: Item, wanted: dict[str, Any]) -> None:
        """What the workers bring about for one item."""
        if item.action == "remove":
            assert item.external_id is not None
            del self.objects[item.external_id]
        elif item.action != "none":
            id = item.external_id or f"{item.key}/{item.part}/new"
            self.objects[id] = Observed(key=item.key, part=item.part, external_id=id, fields=wanted)


keys, parts = st.sampled_from(["b1", "b2", "b3"]), st.sampled_from(["", "anna"])
fields = st.fixed_dictionaries({"title": st.sampled_from(["a", "b"])})
desired_parts = st.dictionaries(keys, st.tuples(st.dictionaries(parts, fields), st.booleans()))


@st.composite
def observed_objects(draw: st.DrawFn) -> list[Observed]:
    found = draw(st.lists(st.tuples(keys, parts, st.integers(0, 2), fields), max_size=8))
    by_id = {f"{key}/{part}/{n}": (key, part, shown) for key, part, n, shown in found}
    return [
        Observed(key=key, part=part, external_id=id, fields=shown) for id, (key, part, shown) in by_id.items()
    ]


@given(
    wanted=desired_parts,
    there=observed_objects(),
    receipts=st.sets(st.tuples(keys, parts, st.integers(0, 2))),
)
def test_once_a_plan_is_done_the_next_one_is_empty(
    wanted: dict[str, tuple[dict[str, dict[str, str]], bool]],
    there: list[Observed],
    receipts: set[tuple[str, str, int]],
) -> None:
    desired = {
        key: Desired(key, 1, shown, booking_id=key, may_be_absent=absent)
        for key, (shown, absent) in wanted.items()
    }
    known: dict[str, dict[str, Held]] = {}
    for key, part, number in sorted(receipts):
        known.setdefault(key, {})[part] = Held(Receipt(external_id=f"{key}/{part}/{number}"))
    now = Standing(desired=desired, held=known)
    target = Target(there)
    untouched = {item.external_id for item in compare("calendar", now, there) if item.action == "none"}
    before = {id: one for id, one in target.objects.items() if id in untouched}
    for item in compare("calendar", now, there):
        plan = desired.get(item.key)
        target.do(item, dict(plan.parts.get(item.part, {})) if plan else {})
    again = compare("calendar", now, list(target.objects.values()))
    assert [item for item in again if item.action != "none"] == []
    assert before.items() <= target.objects.items()
    shown = {(one.key, one.part) for one in target.objects.values()}
    assert len(shown) == len(target.objects)
    must = {(key, part) for key, plan in desired.items() for part in plan.parts if not plan.may_be_absent}
    assert must <= shown <= {(key, part) for key, plan in desired.items() for part in plan.parts}
