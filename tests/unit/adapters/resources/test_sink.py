"""What becomes of the plan when bookings come, move and go."""

import pytest

from adapters.api import Receipt
from adapters.resources.sink import ResourcesSink
from events import Booking
from tests.unit.adapters.resources.planning import Plan, booking, cancelled, config, hour

ROOMS = {"room": ["Atelier", "Galerie"]}
ONE_ROOM = {"room": ["Atelier"]}
WITH_BEAMER = {"meeting_type": "*", "needs": {"room": 1, "beamer": 1}}


async def told(plan: Plan, state: Booking) -> Receipt:
    receipt = await plan.sync(state)
    assert receipt is not None
    return receipt


class TestReserving:
    async def test_units_are_given_out_in_the_order_of_the_yaml(self) -> None:
        plan = Plan(config(ROOMS))
        first = await told(plan, booking("a", 9, 10, position=1))
        second = await told(plan, booking("b", 9, 10, position=2))
        assert (first.external_id, second.external_id) == ("Atelier/a", "Galerie/b")
        assert (first.detail, first.position, first.data["units"]) == ("created", 1, {"room": ["Atelier"]})

    async def test_who_finds_no_unit_waits_and_is_told_for_what(self) -> None:
        plan = Plan(config(ONE_ROOM | {"beamer": ["Beamer 1"]}, WITH_BEAMER))
        await plan.sync(booking("a", 9, 10, position=1))
        receipt = await told(plan, booking("b", 9.5, 11, position=2))
        assert (receipt.detail, receipt.external_id) == ("waits for beamer and room", "waiting/b")
        assert plan.entry("b").units == {}

    async def test_needs_are_met_together_or_not_at_all(self) -> None:
        plan = Plan(
            config(
                {"room": ["Atelier"], "beamer": ["Beamer 1"]},
                {"meeting_type": "talk", "needs": {"beamer": 1}},
                WITH_BEAMER,
            )
        )
        await plan.sync(booking("talk", 9, 10, position=1, kind="talk"))
        receipt = await told(plan, booking("b", 9, 10, position=2))
        assert receipt.detail == "waits for beamer"
        assert plan.units("b") == []

    async def test_touching_meetings_share_a_unit(self) -> None:
        plan = Plan(config(ONE_ROOM))
        for number, start in enumerate((9, 10, 8)):
            await plan.sync(booking(f"b{number}", start, start + 1, position=number + 1))
        assert plan.waiting() == []

    async def test_setup_and_teardown_are_times_of_the_unit(self) -> None:
        rule = {"meeting_type": "*", "needs": {"room": 1}, "setup": "10m", "teardown": "20m"}
        plan = Plan(config(ONE_ROOM, rule))
        await plan.sync(booking("a", 9, 10, position=1))
        entry = plan.entry("a")
        assert (entry.busy_from, entry.busy_until) == (hour(9 - 1 / 6), hour(10 + 1 / 3))
        assert (await told(plan, booking("b", 10.25, 11, position=2))).detail == "waits for room"
        assert (await told(plan, booking("c", 10.5, 11, position=3))).detail == "created"

    async def test_a_meeting_of_no_length_is_in_nobodys_way(self) -> None:
        plan = Plan(config(ONE_ROOM))
        await plan.sync(booking("a", 9, 11, position=1))
        await plan.sync(booking("point", 10, 10, position=2))
        await plan.sync(booking("backwards", 10, 9, position=3))
        assert plan.waiting() == []

    async def test_a_meeting_at_the_end_of_the_calendar_is_no_accident(self) -> None:
        rule = {"meeting_type": "*", "needs": {"room": 1}, "teardown": "1h"}
        plan = Plan(config(ONE_ROOM, rule))
        last = hour(0).replace(year=9999, month=12, day=31, hour=23, minute=30)
        state = booking("a", 9, 10, position=1).model_copy(update={"start": last, "end": last})
        assert (await told(plan, state)).detail == "created"

    @pytest.mark.parametrize("kind", ["vor-ort-beratung", "VOR-ORT-Tag"])
    async def test_first_entry_that_fits_the_meeting_type_counts(self, kind: str) -> None:
        rules = (
            {"meeting_type": ["demo", "vor-ort-*"], "needs": {"room": 2}},
            {"meeting_type": "*", "needs": {"room": 1}},
        )
        plan = Plan(config(ROOMS, *rules))
        await plan.sync(booking("a", 9, 10, position=1, kind=kind))
        await plan.sync(booking("b", 11, 12, position=2, kind="anything"))
        assert plan.held() == {"a": ["Atelier", "Galerie"], "b": ["Atelier"]}

    async def test_a_type_that_needs_nothing_leaves_no_trace(self) -> None:
        plan = Plan(config(ONE_ROOM, {"meeting_type": "vor-ort", "needs": {"room": 1}}))
        assert await plan.sync(booking("a", 9, 10, position=1, kind="online")) is None
        unnamed = booking("b", 9, 10, position=2).model_copy(update={"meeting_type": None})
        assert await plan.sync(unnamed) is None
        assert plan.ledger.entries == {}


class TestMoving:
    async def test_the_same_unit_is_kept_where_it_is_free(self) -> None:
        plan = Plan(config(ROOMS))
        await plan.sync(booking("a", 9, 10, position=1))
        await plan.sync(booking("b", 9, 10, position=2))
        receipt = await told(plan, booking("b", 14, 15, position=3))
        assert (receipt.external_id, receipt.detail) == ("Galerie/b", "changed")

    async def test_another_one_is_taken_where_it_is_not(self) -> None:
        plan = Plan(config(ROOMS))
        await plan.sync(booking("a", 9, 10, position=1))
        await plan.sync(booking("b", 14, 15, position=2))
        assert (await told(plan, booking("a", 14, 15, position=3))).external_id == "Galerie/a"

    async def test_without_any_it_frees_its_old_time_and_waits(self) -> None:
        plan = Plan(config(ONE_ROOM))
        await plan.sync(booking("a", 9, 10, position=1))
        await plan.sync(booking("b", 14, 15, position=2))
        await plan.sync(booking("c", 9, 10, position=3))
        assert (await told(plan, booking("a", 14, 15, position=4))).detail == "waits for room"
        assert plan.held() == {"b": ["Atelier"], "c": ["Atelier"]}
        assert plan.ledger.recalled == ["c"]

    async def test_by_moving_nothing_is_lost_to_those_in_line(self) -> None:
        """The one that waits asked earlier than the move, and wants the old and the new time."""
        plan = Plan(config(ONE_ROOM))
        await plan.sync(booking("a", 10, 11, position=1))
        await plan.sync(booking("day", 9, 18, position=2))
        assert (await told(plan, booking("a", 14, 15, position=3))).external_id == "Atelier/a"
        assert plan.waiting() == ["day"]

    async def test_a_move_goes_to_the_end_of_the_line(self) -> None:
        plan = Plan(config(ONE_ROOM))
        holder = booking("holder", 9, 10, position=1)
        await plan.sync(holder)
        await plan.sync(booking("mover", 12, 13, position=2))
        await plan.sync(booking("early", 9, 10, position=3))
        await plan.sync(booking("mover", 9, 10, position=4))
        assert plan.waiting() == ["early", "mover"]
        await plan.sync(cancelled(holder, position=5))
        assert plan.held() == {"early": ["Atelier"]}

    async def test_other_changes_keep_the_place_in_line(self) -> None:
        plan = Plan(config(ONE_ROOM))
        holder = booking("holder", 9, 10, position=1)
        await plan.sync(holder)
        first = booking("first", 9, 10, position=2)
        await plan.sync(first)
        await plan.sync(booking("second", 9, 10, position=3))
        for known in (2, 0):
            changed = first.model_copy(update={"position": 9, "time_position": known, "notes": None})
            assert (await told(plan, changed)).detail == "unchanged"
            assert plan.waiting() == ["first", "second"]


class TestReleasing:
    async def test_the_next_in_line_gets_the_units_in_the_same_transaction(self) -> None:
        plan = Plan(config(ONE_ROOM))
        states = [booking(f"b{n}", 9, 10, position=n) for n in range(1, 5)]
        for state in (states[0], states[3], states[1], states[2]):
            await plan.sync(state)
        assert await plan.sync(cancelled(states[0], position=9)) is None
        assert plan.held() == {"b2": ["Atelier"]}
        assert plan.waiting() == ["b3", "b4"]
        assert plan.ledger.recalled == ["b2"]
        receipt = await told(plan, states[1])
        assert (receipt.external_id, receipt.detail) == ("Atelier/b2", "created")

    async def test_one_that_cannot_be_met_keeps_nobody_behind_it(self) -> None:
        rules = (
            {"meeting_type": "big", "needs": {"room": 2}},
            {"meeting_type": "*", "needs": {"room": 1}},
        )
        plan = Plan(config(ROOMS, *rules))
        states = [booking(key, 9, 10, position=n) for n, key in enumerate("ab", start=1)]
        for state in states:
            await plan.sync(state)
        await plan.sync(booking("big", 9, 10, position=3, kind="big"))
        await plan.sync(booking("small", 9, 10, position=4))
        await plan.sync(cancelled(states[0], position=5))
        assert plan.held() == {"b": ["Galerie"], "small": ["Atelier"]}
        assert plan.waiting() == ["big"]

    async def test_a_waiting_one_leaves_the_line(self) -> None:
        plan = Plan(config(ONE_ROOM))
        holder, waiting = booking("a", 9, 10, position=1), booking("b", 9, 10, position=2)
        await plan.sync(holder)
        await plan.sync(waiting)
        assert await plan.sync(cancelled(waiting, position=3)) is None
        await plan.sync(cancelled(holder, position=4))
        assert (plan.held(), plan.waiting(), plan.ledger.recalled) == ({}, [], [])

    async def test_nobody_is_given_what_is_over(self) -> None:
        plan = Plan(config(ONE_ROOM))
        holder = booking("a", 9, 11, position=1)
        await plan.sync(holder)
        await plan.sync(booking("past", 9, 10, position=2))
        await plan.sync(booking("later", 10, 11, position=3))
        plan.now = hour(10)
        await plan.sync(cancelled(holder, position=4))
        assert plan.held() == {"later": ["Atelier"]}

    async def test_a_late_state_does_not_bring_a_cancelled_booking_back(self) -> None:
        plan = Plan(config(ONE_ROOM))
        state = booking("a", 9, 10, position=1)
        assert await plan.sync(cancelled(state, position=3)) is None
        assert await plan.sync(state) is None
        assert plan.held() == {}

    async def test_a_reinstated_booking_asks_again(self) -> None:
        plan = Plan(config(ONE_ROOM))
        state = booking("a", 9, 10, position=1)
        await plan.sync(state)
        await plan.sync(cancelled(state, position=2))
        await plan.sync(booking("b", 9, 10, position=3))
        back = state.model_copy(update={"position": 4, "time_position": 4})
        assert (await told(plan, back)).detail == "waits for room"

    async def test_no_shows_count_when_configured_and_only_if_nobody_came(self) -> None:
        state = booking("a", 9, 10, position=1)
        some = state.with_attendee(state.attendees[0].marked(start=state.start, at=hour(10), present=True))
        everybody = some.with_attendee(some.attendees[1].marked(start=state.start, at=hour(10), present=True))
        for release_on, expected in ((["cancelled"], ["a"]), (["cancelled", "no_show"], [])):
            plan = Plan(config(ONE_ROOM, release_on=release_on))
            await plan.sync(some.model_copy(update={"position": 2}))
            assert list(plan.held()) == ["a"]
            await plan.sync(everybody.model_copy(update={"position": 3}))
            assert list(plan.held()) == expected

    async def test_a_no_show_taken_back_asks_again_from_its_old_place(self) -> None:
        plan = Plan(config(ONE_ROOM, release_on=["cancelled", "no_show"]))
        state = booking("a", 9, 10, position=1)
        missed = state.model_copy(
            update={
                "position": 2,
                "attendees": tuple(
                    one.marked(start=state.start, at=hour(9), present=True) for one in state.attendees
                ),
            }
        )
        await plan.sync(state)
        assert await plan.sync(missed) is None
        assert (await told(plan, state.model_copy(update={"position": 3}))).detail == "created"

    async def test_a_booking_that_is_not_matched_any_more_sets_its_units_free(self) -> None:
        plan = Plan(config(ONE_ROOM))
        await plan.sync(booking("a", 9, 10, position=1))
        await plan.sync(booking("b", 9, 10, position=2))
        assert await plan.remove("a") is None
        assert plan.held() == {"b": ["Atelier"]}
        assert await plan.remove("a") is None
        assert await plan.sink.sync(None, "", None) is None

    async def test_killed_before_its_receipt_was_stored_it_can_still_be_released(self) -> None:
        plan = Plan(config(ONE_ROOM, {"meeting_type": "demo", "needs": {"room": 1}}))
        state = booking("a", 9, 10, position=1)
        intended = plan.sink.intended(state, "")
        assert intended is not None
        await plan.sink.sync(state, "", intended)
        assert list(plan.held()) == ["a"]
        assert await plan.sink.sync(None, "", intended) is None
        assert plan.held() == {}
        assert plan.sink.intended(cancelled(state, position=2), "") is None
        assert plan.sink.intended(booking("b", 9, 10, position=3, kind="online"), "") is None

    async def test_a_stray_is_released_by_what_a_survey_says_of_it(self) -> None:
        plan = Plan(config({"room": ["Saal 1/2"]}))
        await plan.sync(booking("a", 9, 10, position=1))
        (stray,) = await plan.sink.survey()
        assert await plan.sink.sync(None, stray.part, Receipt(external_id=stray.external_id)) is None
        assert plan.held() == {}

    async def test_another_meeting_type_that_needs_nothing_sets_them_free(self) -> None:
        rule = {"meeting_type": "demo", "needs": {"room": 1}}
        plan = Plan(config(ONE_ROOM, rule))
        await plan.sync(booking("a", 9, 10, position=1))
        assert await plan.sync(booking("a", 9, 10, position=2, kind="online")) is None
        assert plan.held() == {}


class TestConfiguration:
    async def test_a_new_unit_goes_to_the_head_of_the_line_whoever_is_looked_at_first(self) -> None:
        plan = Plan(config(ONE_ROOM))
        states = [booking(f"b{n}", 9, 10, position=n) for n in range(1, 4)]
        for state in states:
            await plan.sync(state)
        plan.configure(config(ROOMS))
        receipt = await told(plan, states[2])
        assert receipt.detail == "unchanged"
        assert plan.held() == {"b1": ["Atelier"], "b2": ["Galerie"]}
        assert plan.ledger.recalled == ["b2"]

    async def test_a_unit_that_is_gone_is_replaced_or_waited_for(self) -> None:
        plan = Plan(config(ROOMS))
        states = [booking("a", 9, 10, position=1), booking("b", 9, 10, position=2)]
        for state in states:
            await plan.sync(state)
        plan.configure(config({"room": ["Galerie", "Salon"]}))
        assert (await told(plan, states[0])).external_id == "Salon/a"
        plan.configure(config({"room": ["Salon"]}))
        assert (await told(plan, states[1])).detail == "waits for room"
        assert (await told(plan, states[0])).detail == "unchanged"

    async def test_a_unit_in_another_pool_is_still_the_same_unit(self) -> None:
        plan = Plan(config({"room": ["Atelier"]}))
        await plan.sync(booking("a", 9, 10, position=1))
        plan.configure(
            config({"room": ["Galerie"], "hall": ["Atelier"]}, {"meeting_type": "*", "needs": {"hall": 1}})
        )
        assert (await told(plan, booking("b", 9, 10, position=2))).detail == "waits for hall"

    async def test_more_needs_are_met_beside_what_is_held(self) -> None:
        plan = Plan(config({"room": ["Atelier", "Galerie"]}))
        await plan.sync(booking("x", 9, 10, position=1))
        await plan.sync(booking("a", 9, 10, position=2))
        await plan.sync(cancelled(booking("x", 9, 10, position=1), position=3))
        plan.configure(config(ROOMS, {"meeting_type": "*", "needs": {"room": 2}}))
        assert (await told(plan, booking("a", 9, 10, position=2))).external_id == "Atelier+Galerie/a"

    async def test_opening_recalls_everybody_once_per_change(self) -> None:
        plan = Plan(config(ONE_ROOM))
        await plan.sink.open()
        await plan.sync(booking("a", 9, 10, position=1))
        await plan.sink.open()
        assert plan.ledger.recalled == []
        plan.configure(config(ROOMS))
        for _ in range(2):
            await plan.sink.open()
        assert plan.ledger.recalled == ["a"]


class TestReadingBack:
    async def test_what_is_observed_is_what_was_previewed(self) -> None:
        plan = Plan(config(ONE_ROOM, {"meeting_type": "*", "needs": {"room": 1}, "setup": "10m"}))
        states = [booking("a", 9, 10, position=1), booking("b", 9, 10, position=2)]
        for state in states:
            await plan.sync(state)
        for state in states:
            observed = await plan.sink.observe(state.booking_id, "", None)
            assert observed is not None
            assert observed.fields == plan.sink.preview(state, "")
            assert observed.fields["busy_from"] == "2026-10-27T08:50:00Z"
        survey = await plan.sink.survey()
        assert [(one.key, one.external_id) for one in survey] == [("a", "Atelier/a"), ("b", "waiting/b")]

    async def test_what_is_released_is_nothing(self) -> None:
        plan = Plan(config(ONE_ROOM))
        state = booking("a", 9, 10, position=1)
        await plan.sync(state)
        gone = cancelled(state, position=2)
        await plan.sync(gone)
        assert await plan.sink.observe("a", "", None) is None
        assert list(await plan.sink.survey()) == []
        assert plan.sink.preview(gone, "") == {}

    async def test_a_lost_ledger_is_made_again_from_the_bookings(self) -> None:
        plan = Plan(config(ROOMS))
        states = [booking(f"b{n}", 9, 10, position=n) for n in range(1, 4)]
        for state in states:
            await plan.sync(state)
        before = plan.held(), plan.waiting()
        plan.ledger.entries.clear()
        for state in states:
            await plan.sync(state)
        assert (plan.held(), plan.waiting()) == before


def test_the_parts_are_one() -> None:
    plan = Plan(config(ONE_ROOM))
    assert isinstance(plan.sink, ResourcesSink)
    assert plan.sink.parts(booking("a", 9, 10, position=1)) == ("",)
    assert plan.sink.target() is None
