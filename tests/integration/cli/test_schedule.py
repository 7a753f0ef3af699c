"""`sinks show NAME --view schedule`: a table for people, an object per line for programs."""

import asyncio

from tests.factories import NOON, attendee
from tests.integration.cli.served import bookinghub
from tests.integration.web.test_schedule import ROOMS, entry, planned, waiting
from tests.integration.web.world import World

SHOWN = ("sinks", "show", ROOMS, "--view", "schedule")
DAY = ("--day", "2026-10-23")


def plan(hub: World) -> None:
    """The Atelier for one of two bookings at ten in Berlin, and one that reaches over midnight."""
    hub.booking(provider_id="b1", attendees=[attendee("a1", name="Ilse Brandvold")])
    hub.booking(provider_id="b2", attendees=[attendee("a2", name="Jon Ekdal")])
    night = NOON.replace(hour=21)
    asyncio.run(
        planned(
            hub,
            entry("b1", NOON),
            waiting("b2", NOON),
            entry("b3", night, hours=3, units={"room": ("Galerie",)}),
        )
    )


def test_people_get_a_table_in_the_hub_s_time_zone(hub: World) -> None:
    plan(hub)
    ran = bookinghub(*SHOWN, *DAY)
    assert (ran.code, ran.err) == (0, "")
    table = ran.out.replace("\N{EN DASH}", "-").splitlines()
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table]
    assert cells == [
        ["pool", "unit", "taken", "meeting", "booking", "title", "who"],
        ["room", "Galerie", "22:50-24 Oct 02:10", "23:00-24 Oct 02:00", "b3", "-"],
        ["room", "Atelier", "09:50-11:10", "10:00-11:00", "b1", "Erstgespräch", "Ilse Brandvold"],
        ["room", "waiting", "09:50-11:10", "10:00-11:00", "b2", "Erstgespräch", "Jon Ekdal"],
        ["beamer", "Beamer 1", "free"],
        ["a", "Only one", "free"],
    ]


def test_programs_get_an_object_per_line(hub: World) -> None:
    plan(hub)
    ran = bookinghub(*SHOWN, *DAY, "--json")
    assert [(slot["unit"], slot["state"], slot["booking_id"]) for slot in ran.lines] == [
        ("Galerie", "held", "b3"),
        ("Atelier", "held", "b1"),
        (None, "waiting", "b2"),
        ("Beamer 1", "free", None),
        ("Only one", "free", None),
    ]


def test_without_a_day_the_one_that_was_meant_is_told(hub: World) -> None:
    plan(hub)
    assert "day=2026-10-21" in bookinghub(*SHOWN).err


def test_what_cannot_be_shown_is_one_line(hub: World) -> None:
    plan(hub)
    for arguments, code, words in (
        (("sinks", "show", ROOMS, "--view", "calendar"), 2, "there is no view 'calendar'; use schedule"),
        (("sinks", "show", ROOMS, *DAY), 2, "--day belongs to --view schedule"),
        ((*SHOWN, "--day", "soon"), 2, "'soon' is not a day"),
        (("sinks", "show", "crm", "--view", "schedule"), 1, "crm gives out no rooms"),
    ):
        ran = bookinghub(*arguments)
        assert (ran.code, ran.out) == (code, "")
        assert words in ran.err
