"""One bad booking and one dead target delay nobody else; a backlog is one call per booking."""

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from tests.e2e.harness import Hub, calendar_stand_in, wait_until
from tests.e2e.life import Life

WATCHED = "tests.e2e.watched:create_app"
BAD = 7
"""The number of the booking whose entry the target refuses."""


class Scene:
    """A hub with two calendars, one of which may be down, and the bookings that arrive."""

    def __init__(self, stack: ExitStack, folder: Path, bookings: int) -> None:
        self.team = stack.enter_context(calendar_stand_in(folder, app=WATCHED))
        self.other = stack.enter_context(calendar_stand_in(folder, app=WATCHED))
        self.hub = Hub(folder, sinks={"team": self.team.sink, "other": self.other.sink})
        stack.callback(self.hub.close)
        self.hub.start()
        for target in (self.team, self.other):
            wait_until(target.calls, what="the opening of the sinks")
        self.lives = [Life(number, Random(number)) for number in range(bookings)]

    def arrive(self, *, seconds: float) -> None:
        """Every booking is made, then moved, evenly over this time."""
        webhooks = [life.created() for life in self.lives] + [life.moved() for life in self.lives]
        began = monotonic()
        with httpx.Client(timeout=60) as client:
            for number, webhook in enumerate(webhooks):
                sleep(max(0.0, began + number * seconds / len(webhooks) - monotonic()))
                assert client.post(self.hub.door, json=webhook).status_code == 200

    def rows(self, sink: str) -> list[dict[str, Any]]:
        return self.hub.items("deliveries", sink=sink)

    def healthy(self) -> list[dict[str, Any]]:
        """The deliveries to the target that works, but for the booking it refuses."""
        bad = self.lives[BAD].booking_id
        return [row for row in self.rows("team") if row["booking_id"] != bad]

    def is_healthy_done(self) -> bool:
        rows = self.healthy()
        done = [row for row in rows if row["state"] in ("delivered", "covered")]
        return len(done) == len(rows) >= 2 * (len(self.lives) - 1)

    def latencies(self) -> list[float]:
        """From the row to the target, per delivery that was one."""
        return [
            (_moment(row["finished_at"]) - _moment(row["created_at"])).total_seconds()
            for row in self.healthy()
            if row["state"] == "delivered"
        ]


def run(folder: Path, *, bookings: int, seconds: float, disturbed: bool) -> list[float]:
    """The latencies of the healthy bookings, the others being in trouble for as long as that lasts."""
    folder.mkdir()
    with ExitStack() as stack:
        scene = Scene(stack, folder, bookings)
        if disturbed:
            scene.other.fault(kind="status", status=503, times=None)
            scene.team.refuse(f'Ada {BAD}"')
        scene.arrive(seconds=seconds)
        wait_until(scene.is_healthy_done, within=120, what="the deliveries of the healthy bookings")
        latencies = scene.latencies()
        if disturbed:
            assert_trouble_is_kept_apart(scene)
            recover(scene)
        return latencies


def assert_trouble_is_kept_apart(scene: Scene) -> None:
    bad = scene.lives[BAD].booking_id

    def is_over() -> bool:
        states = {row["state"] for row in scene.rows("team") if row["booking_id"] == bad}
        return "dead" in states <= {"dead", "covered"}

    wait_until(is_over, what="the end of the refused booking's deliveries")
    sinks = scene.hub.api("status")["sinks"]
    assert (sinks["team"]["state"], sinks["other"]["state"]) == ("running", "circuit_open")
    waiting = scene.rows("other")
    assert {row["state"] for row in waiting} <= {"pending", "sending"}
    assert max(row["attempts"] for row in waiting) <= 10, "an outage uses nobody up"
    codes = {issue["code"] for issue in scene.hub.api("issues")["items"]}
    assert codes == {"circuit_open", "delivery_dead"}


def recover(scene: Scene) -> None:
    """The target comes back: one call per booking, and nothing is left over."""
    scene.other.forget_calls()
    scene.other.heal()
    scene.hub.cli("sinks", "resume", "other", "--yes")
    wait_until(lambda: not scene.hub.api("status")["sinks"]["other"]["lag_events"], what="the drain")
    # What asked while it was still away got a 503.
    calls = Counter(call["call"] for call in scene.other.calls() if call["status"] != 503)
    assert calls == {"insert": len(scene.lives)}
    assert len(scene.other.entries()) == len(scene.lives)


def told(name: str, latencies: Sequence[float]) -> str:
    cuts = statistics.quantiles(latencies, n=20)
    return f"{name}: p50 {cuts[9] * 1000:.0f} ms, p95 {cuts[18] * 1000:.0f} ms of {len(latencies)}"


def compare(folder: Path, *, bookings: int, seconds: float) -> None:
    quiet = run(folder / "quiet", bookings=bookings, seconds=seconds, disturbed=False)
    disturbed = run(folder / "disturbed", bookings=bookings, seconds=seconds, disturbed=True)
    ratio = statistics.median(disturbed) / statistics.median(quiet)
    print(  # noqa: T201 - the figures of the comparison
        f"\none booking refused, one target down for {seconds:g} s. {told('quiet', quiet)}; "
        f"{told('disturbed', disturbed)}; ratio of the medians {ratio:.2f}"
    )


def test_trouble_of_one_booking_and_one_target_is_theirs_alone(tmp_path: Path) -> None:
    compare(tmp_path, bookings=20, seconds=8)


@pytest.mark.slow
def test_ten_minutes_of_trouble_are_nobody_elses(tmp_path: Path) -> None:
    compare(tmp_path, bookings=300, seconds=600)


def drain(folder: Path, *, bookings: int, changes: int) -> None:
    with calendar_stand_in(folder, app=WATCHED) as calendar:
        hub = Hub(folder, sinks={"team": calendar.sink})
        try:
            hub.start()
            wait_until(calendar.calls, what="the opening of the sink")
            hub.cli("sinks", "pause", "team", "--yes")
            lives = [Life(number, Random(number)) for number in range(bookings)]
            with httpx.Client(timeout=60) as client:
                for webhook in [life.created() for life in lives]:
                    assert client.post(hub.door, json=webhook).status_code == 200
                for _ in range(changes - 1):
                    for life in lives:
                        assert client.post(hub.door, json=life.moved()).status_code == 200
            wait_until(lambda: _read(hub, bookings * changes), within=120, what="the backlog")
            assert [call["call"] for call in calendar.calls()] == ["list"], "only the sink's opening"
            calendar.forget_calls()
            began = monotonic()
            hub.cli("sinks", "resume", "team", "--yes")
            hub.settle(within=120)
            took = monotonic() - began
            calls = Counter(call["call"] for call in calendar.calls())
            print(  # noqa: T201 - the figure of the drain
                f"\nbacklog of {changes} changes on each of {bookings} bookings: "
                f"{sum(calls.values())} calls in {took:.1f} s"
            )
            assert calls == {"insert": bookings}
            starts = {datetime.fromisoformat(entry["start"]["dateTime"]) for entry in calendar.entries()}
            assert starts == {life.start for life in lives}
        finally:
            hub.close()


def _read(hub: Hub, facts: int) -> bool:
    status = hub.api("status")
    waits = status["inbox"]["waiting"] or status["inbox"]["dirty"]
    return not waits and status["projections"]["bookings"]["position"] == facts


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_backlog_of_ten_changes_is_one_call_per_booking(tmp_path: Path) -> None:
    drain(tmp_path, bookings=20, changes=10)


@pytest.mark.slow
def test_backlog_of_two_thousand_changes_is_two_hundred_calls(tmp_path: Path) -> None:
    drain(tmp_path, bookings=200, changes=10)
