"""A day's plan of rooms: every unit, who has it when, and who waits; conflicts as an issue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.ledger import LedgerEntry, LedgerPage
from hub.store.ledger import StoreLedger
from tests.factories import attendee
from tests.integration.web.world import NOW, World, keys, on_both_databases

ROOMS = "team-calendar"
POOLS = {"room": ["Galerie", "Atelier"], "beamer": ["Beamer 1"], "a": ["Only one"]}
MARGIN = timedelta(minutes=10)
PATH = f"/api/v1/sinks/{ROOMS}/schedule"
SLOT = keys("sink day pool unit state booking_id title attendees busy_from busy_until start end needs since")


def entry(
    key: str, start: datetime, *, hours: float = 1, margin: timedelta = MARGIN, **more: Any
) -> LedgerEntry:
    """A booking that has the Atelier, unless it is said otherwise; lines follow the names."""
    end = start + timedelta(hours=hours)
    values: dict[str, Any] = {
        "key": key,
        "state": "held",
        "line": ord(key[-1]),
        "start": start,
        "end": end,
        "busy_from": start - margin,
        "busy_until": end + margin,
        "needs": {"room": 1},
        "units": {"room": ("Atelier",)},
        "epoch": 1,
        "position": 1,
        "since": NOW,
    }
    return LedgerEntry(**values | more)


def waiting(key: str, start: datetime, **more: Any) -> LedgerEntry:
    return entry(key, start, **{"state": "waiting", "units": {}, **more})


def berlin(day: int, hour: int, minute: int = 0, month: int = 10) -> datetime:
    """A time of October 2026 in Berlin, where summer time ends on the 25th."""
    offset = 1 if (month, day) > (10, 25) or month == 11 else 2
    return datetime(2026, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=offset)


async def planned(world: World, *entries: LedgerEntry) -> None:
    def work(page: LedgerPage) -> None:
        page.agree("terms", POOLS)
        for one in entries:
            page.put(one)

    await StoreLedger(world.database, ROOMS, clock=world.clock).transact(work)


async def slots(world: World, day: str) -> list[dict[str, Any]]:
    answer = await world.client("read").get(PATH, params={"day": day})
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    found: list[dict[str, Any]] = answer.json()["items"]
    assert all(set(slot) == SLOT and (slot["sink"], slot["day"]) == (ROOMS, day) for slot in found)
    return found


def lines(found: list[dict[str, Any]]) -> list[tuple[str, str | None, str, str | None]]:
    return [(slot["pool"], slot["unit"], slot["state"], slot["booking_id"]) for slot in found]


@on_both_databases
async def test_every_unit_has_its_lines_in_the_order_of_the_settings(world: World) -> None:
    await planned(
        world,
        entry("late", berlin(27, 15)),
        entry(
            "early",
            berlin(27, 9),
            needs={"room": 1, "beamer": 1},
            units={"room": ("Atelier",), "beamer": ("Beamer 1",)},
        ),
        waiting("w2", berlin(27, 9)),
        waiting("w1", berlin(27, 16), needs={"beamer": 1, "room": 1}),
        entry("gone", berlin(27, 12), state="released", units={}),
        entry("other day", berlin(28, 9)),
    )
    assert lines(await slots(world, "2026-10-27")) == [
        ("room", "Galerie", "free", None),
        ("room", "Atelier", "held", "early"),
        ("room", "Atelier", "held", "late"),
        ("room", None, "waiting", "w1"),
        ("room", None, "waiting", "w2"),
        ("beamer", "Beamer 1", "held", "early"),
        ("beamer", None, "waiting", "w1"),
        ("a", "Only one", "free", None),
    ]


async def test_a_line_tells_whose_meeting_it_is_and_how_long_the_unit_is_taken(world: World) -> None:
    world.booking(provider_id="b1", attendees=[attendee("a1", name="Ilse Brandvold"), attendee("a2")])
    await planned(world, entry("b1", berlin(27, 10), hours=0.75))
    slot = next(slot for slot in await slots(world, "2026-10-27") if slot["state"] == "held")
    assert slot["title"] == "Erstgespräch"
    assert slot["attendees"][0] == "Ilse Brandvold"
    assert (slot["busy_from"], slot["start"]) == ("2026-10-27T08:50:00Z", "2026-10-27T09:00:00Z")
    assert (slot["end"], slot["busy_until"]) == ("2026-10-27T09:45:00Z", "2026-10-27T09:55:00Z")
    assert (slot["needs"], slot["since"]) == ({"room": 1}, "2026-10-21T12:00:00Z")


@pytest.mark.parametrize(
    ("start", "hours", "day", "shown"),
    [
        (berlin(27, 0, 10), 1, "2026-10-27", True),
        (berlin(27, 0, 10), 1, "2026-10-26", False),
        (berlin(27, 0, 5), 1, "2026-10-26", True),
        (berlin(26, 23), 2, "2026-10-27", True),
        (berlin(26, 22), 2 - 1 / 6, "2026-10-27", False),
        (berlin(25, 0, 15), 24, "2026-10-25", True),
        (berlin(25, 23, 45), 0.1, "2026-10-25", True),
    ],
    ids=[
        "first",
        "touches the day before",
        "prepared the day before",
        "over midnight",
        "ends at midnight",
        "25 hours",
        "the last hour of 25",
    ],
)
async def test_a_day_is_one_of_the_hub_s_time_zone(
    world: World, start: datetime, hours: float, day: str, shown: bool
) -> None:
    await planned(world, entry("b1", start, hours=hours))
    held = [slot for slot in await slots(world, day) if slot["state"] == "held"]
    assert bool(held) is shown


async def test_what_lasts_no_time_is_shown_where_it_begins(world: World) -> None:
    await planned(world, entry("b1", berlin(27, 0), hours=0, margin=timedelta(0)))
    assert [slot["booking_id"] for slot in await slots(world, "2026-10-27") if slot["unit"] == "Atelier"] == [
        "b1"
    ]
    assert [slot["booking_id"] for slot in await slots(world, "2026-10-26") if slot["unit"] == "Atelier"] == [
        None
    ]


async def test_a_unit_the_settings_name_no_more_is_shown_while_it_is_held(world: World) -> None:
    await planned(
        world,
        entry("b1", berlin(27, 9), units={"room": ("Salon",)}),
        waiting("b2", berlin(27, 9), needs={"hall": 1}),
    )
    found = lines(await slots(world, "2026-10-27"))
    assert found[2:] == [
        ("room", "Salon", "held", "b1"),
        ("beamer", "Beamer 1", "free", None),
        ("a", "Only one", "free", None),
        ("hall", None, "waiting", "b2"),
    ]


async def test_without_a_day_it_is_today_and_says_so(world: World) -> None:
    await planned(world)
    answer = await world.client("read").get(PATH)
    assert {slot["day"] for slot in answer.json()["items"]} == {"2026-10-21"}
    assert answer.headers["selectors-read-as"] == "day=2026-10-21"


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01", "20261027", "9999-12-31", "2026-W44-2"])
async def test_what_is_no_day_is_refused(world: World, day: str) -> None:
    await planned(world)
    answer = await world.client("read").get(PATH, params={"day": day})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/day"


async def test_other_selectors_and_other_sinks_are_refused(world: World) -> None:
    await planned(world)
    client = world.client("read")
    assert (await client.get(PATH, params={"days": "2026-10-27"})).status_code == 422
    assert (await client.get("/api/v1/sinks/nobody/schedule")).status_code == 404
    none = (await client.get("/api/v1/sinks/crm/schedule")).json()
    assert (none["code"], none["status"]) == ("not-supported", 501)


@on_both_databases
async def test_who_waits_for_a_time_to_come_is_an_issue_of_the_sink(world: World) -> None:
    await planned(
        world,
        waiting("over", berlin(20, 9)),
        waiting("b1", berlin(28, 0, 30), since=NOW - timedelta(hours=2)),
        waiting("b2", berlin(29, 9), since=NOW - timedelta(hours=3)),
        entry("b3", berlin(27, 9)),
    )
    client = world.client("read")
    (issue,) = (await client.get("/api/v1/issues")).json()["items"]
    assert (issue["issue_id"], issue["severity"]) == (f"resource_conflict:{ROOMS}", "warning")
    assert issue["since"] == "2026-10-21T09:00:00Z"
    assert "2 bookings wait, the first on 2026-10-28" in issue["meaning"]
    assert issue["what_to_do"] == f"bookinghub sinks show {ROOMS} --view schedule --day 2026-10-28"
    await planned(
        world, waiting("b1", berlin(28, 0), state="released"), waiting("b2", berlin(29, 9), state="released")
    )
    assert (await client.get("/api/v1/issues")).json()["items"] == []
