"""Activity lines: one readable line per happening, no guest in any of them."""

import asyncio
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from hub import activity
from hub.activity import ENVELOPES, Activity
from hub.telemetry import configure_logging
from tests.factories import NOON, at, attendee, envelopes, history, snapshot
from tests.waiting import until

LATER = NOON + timedelta(days=4, hours=1)


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    written = io.StringIO()
    configure_logging(log_format="text", timezone="Europe/Berlin", stream=written)
    yield written
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "WAIT_SECONDS", 0.05)


def lines(out: io.StringIO) -> list[str]:
    """What was written, without the times."""
    return [line.partition("  ")[2] for line in out.getvalue().splitlines()]


def facts(*snapshots: Any, provenance: Any = "webhook", skip: int = 0) -> None:
    batch = envelopes(history(*snapshots), provenance=provenance)[skip:]
    structlog.get_logger().info(
        "facts recorded",
        source="meetergo",
        booking_id="b1",
        facts=[one.type for one in batch],
        provenance=provenance,
        **{ENVELOPES: batch},
    )


def delivered(sink: str, outcome: str, *, booking_id: str = "b1", covered: int = 0) -> None:
    structlog.get_logger().info(
        "delivered",
        outcome=outcome,
        duration_seconds=0.2,
        covered=covered,
        sink=sink,
        event_id="e1",
        booking_id=booking_id,
        attempt=1,
    )


def failed(sink: str) -> None:
    structlog.get_logger().warning(
        "delivery failed", outcome="retry", error="503 backendError", sink=sink, booking_id="b1"
    )


MOVED = snapshot(start=LATER, version=at(5), rescheduled_at=at(5))


async def test_a_move_stands_in_one_line_with_what_each_sink_did(out: io.StringIO) -> None:
    facts(snapshot(), MOVED, skip=1)
    delivered("team-calendar", "changed")
    delivered("crm", "changed")
    assert out.getvalue() == ""
    await until(lambda: bool(out.getvalue()))
    assert lines(out) == [
        "Erstgespräch b1  moved Fri 23 Oct 10:00 → Tue 27 Oct 10:00   "
        "team-calendar changed in 0.20 s, crm changed in 0.20 s"
    ]


async def test_nobody_is_named(out: io.StringIO) -> None:
    facts(snapshot(attendees=[attendee("a1", name="Ilse Brandvold", email="ilse@kunde.example")]))
    await until(lambda: bool(out.getvalue()))
    assert "Ilse" not in out.getvalue()
    assert "kunde.example" not in out.getvalue()
    assert lines(out) == ["Erstgespräch b1  booked for Fri 23 Oct 10:00"]


async def test_json_holds_no_fact_itself() -> None:
    written = io.StringIO()
    configure_logging(log_format="json", stream=written)
    try:
        facts(snapshot())
        assert ENVELOPES not in written.getvalue()
        assert "kunde.example" not in written.getvalue()
        assert '"facts": ["BookingCreated"]' in written.getvalue()
    finally:
        structlog.reset_defaults()


async def test_what_a_poll_found_is_told_as_such(out: io.StringIO) -> None:
    facts(snapshot(), MOVED, skip=1, provenance="poll")
    await until(lambda: bool(out.getvalue()))
    assert "found by poll, no webhook had told of it: moved" in lines(out)[0]


async def test_a_no_show_is_counted_up_and_down(out: io.StringIO) -> None:
    marked = snapshot(attendees=[attendee(no_show=True)], origin="api", version=at(5))
    undone = snapshot(attendees=[attendee(no_show=False)], origin="api", version=at(6))
    facts(snapshot(), marked, skip=1, provenance="poll")
    facts(snapshot(), marked, undone, skip=2, provenance="poll")
    await until(lambda: len(out.getvalue().splitlines()) == 2)
    assert "no-show, counted up to 1" in lines(out)[0]
    assert "no-show undone, counted down to 0" in lines(out)[1]


async def test_history_is_one_line(out: io.StringIO) -> None:
    facts(snapshot(), provenance="backfill")
    structlog.get_logger().info("backfilled", source="meetergo", bookings=14, facts=37, months=3)
    delivered("crm", "created", booking_id="b1")
    delivered("crm", "created", booking_id="b2")
    delivered("crm", "changed", booking_id="b3")
    await until(lambda: len(out.getvalue().splitlines()) == 2)
    assert lines(out) == [
        "history of meetergo read: 14 bookings, 37 facts",
        "crm 2 created, 1 changed in 0.20 s",
    ]


async def test_an_outage_and_the_one_call_after_it(out: io.StringIO) -> None:
    facts(snapshot(), MOVED, skip=1)
    failed("team-calendar")
    failed("team-calendar")
    await until(lambda: len(out.getvalue().splitlines()) == 2)
    delivered("team-calendar", "changed", covered=2)
    structlog.get_logger().info("the target serves again", sink="team-calendar")
    assert lines(out) == [
        "b1  team-calendar failed: 503 backendError; tried again later",
        "Erstgespräch b1  moved Fri 23 Oct 10:00 → Tue 27 Oct 10:00",
        "b1  team-calendar serves again: changed in 0.20 s (one call for 3 changes)",
    ]


def test_a_repeated_webhook_is_nothing_to_do(out: io.StringIO) -> None:
    structlog.get_logger().info("nothing new", source="meetergo", booking_id="0123456789")
    assert lines(out) == ["01234567  nothing to do: the webhook says what is known already"]


def test_requests_are_no_activity(out: io.StringIO) -> None:
    structlog.get_logger().info("request", method="GET", route="/api/v1/status", status=200)
    structlog.get_logger().info("polled", source="meetergo", outcome="ok", bookings=3)
    structlog.get_logger().info("command", command="reschedule", outcome="done")
    assert out.getvalue() == ""


def test_what_has_no_words_is_shown_with_its_fields(out: io.StringIO) -> None:
    structlog.get_logger().warning("log_connection_lost", reason="refused")
    structlog.get_logger().warning("polled", source="meetergo", outcome="partly")
    structlog.get_logger().info("command", command="cancel", outcome="refused")
    assert lines(out) == [
        "warning: log connection lost   reason refused",
        "warning: polled   source meetergo, outcome partly",
        "command   command cancel, outcome refused",
    ]


def test_a_defect_shows_its_trace(out: io.StringIO) -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        structlog.get_logger().critical("part_ended", part="work", exc_info=True)
    assert "critical: part ended   part work" in out.getvalue()
    assert "ValueError: odd" in out.getvalue()


def test_without_a_loop_nothing_is_held_back(out: io.StringIO) -> None:
    facts(snapshot())
    assert lines(out) == ["Erstgespräch b1  booked for Fri 23 Oct 10:00"]


async def test_a_second_fact_lets_the_first_go(out: io.StringIO) -> None:
    shown = Activity(out)
    batch = envelopes(history(snapshot(), MOVED))
    for one in batch:
        with pytest.raises(structlog.DropEvent):
            shown(None, "info", {"event": "facts recorded", ENVELOPES: [one]})
    assert len(out.getvalue().splitlines()) == 1
    await asyncio.wait_for(until(lambda: len(out.getvalue().splitlines()) == 2), 60)


async def test_details_are_left_out_beside_something_greater(out: io.StringIO) -> None:
    both = snapshot(start=LATER, version=at(5), rescheduled_at=at(5), link="https://other.example/1")
    facts(snapshot(), both, skip=1)
    await until(lambda: bool(out.getvalue()))
    assert lines(out) == ["Erstgespräch b1  moved Fri 23 Oct 10:00 → Tue 27 Oct 10:00"]


async def test_a_newer_version_that_shows_nothing_else_is_no_line(out: io.StringIO) -> None:
    facts(snapshot(), snapshot(version=at(5)), skip=1)
    facts(snapshot(), snapshot(version=at(5), link="https://other.example/1"), skip=1)
    await until(lambda: bool(out.getvalue()))
    assert lines(out) == ["Erstgespräch b1  details changed"]
