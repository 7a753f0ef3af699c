"""`bookinghub sinks …`."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from hub.cli.asking import opened, print_list, print_one, say, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import local, print_json, print_table, short
from hub.cli.running import usage
from hub.client import segment

SCHEDULE = "schedule"

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the YAML.")]

app = new_app("Targets that are kept in step.")


@command(app, "list", offline=True)
def list_sinks(call: Call) -> None:
    """List the sinks of the configuration."""
    print_list(
        call, "/sinks", ("sink", "type", "state", "lag", "out of step", "parked", "dead", "reason"), row
    )


@command(app, "show", offline=True)
def show_sink(
    call: Call,
    name: Name,
    view: Annotated[
        str | None, typer.Option("--view", metavar="VIEW", help="schedule: a day's plan of rooms and others.")
    ] = None,
    day: Annotated[
        str | None, typer.Option("--day", metavar="D", help="Of this date; today if it is left out.")
    ] = None,
) -> None:
    """Show one sink, or what it plans for a day."""
    if view is None and day is None:
        show(call, f"/sinks/{segment(name)}")
        return
    if view != SCHEDULE:
        raise usage(
            f"there is no view {view!r}; use schedule" if view else "--day belongs to --view schedule"
        )
    selectors = [("day", day)] if day else []
    header = ("pool", "unit", "taken", "meeting", "booking", "title", "who")
    print_list(replace(call, selectors=selectors), f"/sinks/{segment(name)}/schedule", header, slot_row)


@command(app, "pause", acting=True)
def pause(
    call: Call,
    name: Name,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown to others.")] = None,
) -> None:
    """Stop calling a target; everything for it waits until it is resumed."""
    body: dict[str, Any] = {"dry_run": call.dry_run} | ({"reason": reason} if reason else {})
    with opened(call) as client:
        print_one(call, client.post(f"/sinks/{segment(name)}/pause", body), client)
        say(call, _done(call, f"{name} is paused", f"{name} would be paused"))


@command(app, "resume", acting=True)
def resume(call: Call, name: Name) -> None:
    """Call a target again."""
    with opened(call) as client:
        print_one(call, client.post(f"/sinks/{segment(name)}/resume", {"dry_run": call.dry_run}), client)
        say(call, _done(call, f"{name} goes on", f"{name} would go on"))


@command(app, "prepare", acting=True)
def prepare(call: Call, name: Name) -> None:
    """Make what a target needs once, such as properties of a CRM."""
    with opened(call) as client:
        prepared = client.post(f"/sinks/{segment(name)}/prepare", {"dry_run": call.dry_run})
        if call.json:
            print_json(prepared)
        else:
            print_table(("made",), [[made] for made in prepared["made"]])
        done = _done(call, f"{name} is prepared", f"this would be made for {name}")
        say(call, done if prepared["made"] else f"{name} has all it needs")


def row(sink: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        sink["name"],
        sink["type"],
        sink["state"] if sink["enabled"] else "disabled",
        sink["lag_events"],
        sink["out_of_step"],
        sink["parked"],
        sink["dead"],
        sink["reason"],
    ]


def slot_row(slot: dict[str, Any], timezone: str) -> list[Any]:
    """A line of a day's plan."""
    if slot["state"] == "free":
        return [slot["pool"], slot["unit"], "free", "", "", "", ""]
    return [
        slot["pool"],
        slot["unit"] or "waiting",
        _times(slot, "busy_from", "busy_until", timezone),
        _times(slot, "start", "end", timezone),
        short(slot["booking_id"]),
        slot["title"],
        ", ".join(slot["attendees"]),
    ]


def _times(slot: dict[str, Any], first: str, last: str, timezone: str) -> str:
    """From and to, with the date where it is not the plan's own."""
    moments = [local(slot[name], timezone) for name in (first, last)]
    return "\N{EN DASH}".join(
        f"{at:%H:%M}" if at.date().isoformat() == slot["day"] else f"{at:%d %b %H:%M}" for at in moments
    )


def _done(call: Call, done: str, would: str) -> str:
    return would if call.dry_run else done
