"""`bookinghub sinks …`."""

import json
from dataclasses import replace
from typing import Annotated, Any

import typer

from hub.cli import deliveries
from hub.cli.asking import confirm, opened, print_list, print_one, say, show, type_in
from hub.cli.commands import Call, command, new_app
from hub.cli.output import counted, local, print_json, print_table, short, to_stderr, to_stdout
from hub.cli.running import DONE, usage
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
def resume(
    call: Call,
    name: Name,
    confirm_count: Annotated[
        int | None, typer.Option("--confirm", metavar="N", help="How many held objects you mean.")
    ] = None,
) -> int:
    """Call a target again; what the guard holds is shown first, and let go if you say so."""
    path = f"/sinks/{segment(name)}/resume"
    with opened(call) as client:
        before = client.post(path, {"dry_run": True})
        waiting = before["waiting"]
        if call.dry_run and call.json:
            print_one(call, before, client)
        if waiting["count"] and not call.json:
            _print_waiting(waiting, client.timezone)
        if call.dry_run:
            say(call, f"{name} would go on")
            return DONE
        if waiting["count"] and not _let_go(call, name, waiting["count"], confirm_count):
            return DONE
        body = {"preview": waiting["preview"]} if waiting["count"] else {}
        print_one(call, _summary(call, client.post(path, body)), client)
        say(call, f"{name} goes on")
        return DONE


@command(app, "preview", offline=True)
def preview(
    call: Call,
    name: Name,
    booking: Annotated[str, typer.Option("--booking", metavar="REF", help="Any REF of a booking.")],
) -> None:
    """Print the object that would be written for a booking; the target is not called."""
    with opened(call) as client:
        shown = client.get(f"/sinks/{segment(name)}/preview", [("booking", booking)])
    if call.json:
        print_json(shown)
        return
    for part in shown["parts"]:
        if part["part"]:
            to_stdout(f"{part['part']}:")
        to_stdout(json.dumps(part["object"], indent=2, ensure_ascii=False) if part["object"] else "nothing")
    if not shown["parts"]:
        to_stdout("nothing")
    if shown["no_match"]:
        say(call, f"{name} does not take this booking: {shown['no_match']}")


@command(app, "forget", acting=True)
def forget(
    call: Call,
    name: Name,
    confirm_name: Annotated[
        str | None, typer.Option("--confirm", metavar="NAME", help="The name again.")
    ] = None,
) -> int:
    """Forget a sink that left the configuration, or what it left at a former target; objects stay there."""
    path = f"/sinks/{segment(name)}/forget"
    with opened(call) as client:
        shown = client.post(path, {"dry_run": True})
        left = sum(one["count"] for one in shown["former"])
        text = (
            f"{name}: {counted(shown['receipts'] + left, 'object stays', 'objects stay')} where "
            f"{'it is' if shown['receipts'] + left == 1 else 'they are'} and "
            f"{counted(shown['deliveries'], 'delivery', 'deliveries')} would be forgotten"
        )
        if call.dry_run:
            print_json(shown) if call.json else say(call, text)
            return DONE
        say(call, text)
        typed = confirm_name or type_in(call, f"Type {name} to forget this for good:", "--confirm", name)
        if typed != name:
            raise usage(f"{typed!r} is not {name}: nothing was forgotten")
        done = client.post(path, {"confirm": typed})
        print_json(done) if call.json else say(call, f"{name} is forgotten")
        return DONE


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


def _let_go(call: Call, name: str, count: int, confirmed: int | None) -> bool:
    if confirmed is not None:
        if confirmed != count:
            raise usage(f"--confirm {confirmed}: {name} holds {count}; nothing was let go")
        return True
    return confirm(call, f"{counted(count, 'object', 'objects')} would change or go. Let them go?")


def _print_waiting(waiting: dict[str, Any], timezone: str) -> None:
    to_stderr(
        f"the guard holds {counted(waiting['count'], 'object', 'objects')}: "
        f"{waiting['remove']} to remove, {waiting['change']} to change"
    )
    print_table(deliveries.HEADER, [deliveries.row(item, timezone) for item in waiting["items"]])
    left = waiting["count"] - len(waiting["items"])
    if left:
        to_stderr(f"and {left} more")


def _summary(call: Call, resumed: dict[str, Any]) -> dict[str, Any]:
    """The answer; people have seen what was waiting."""
    return resumed if call.json else {key: value for key, value in resumed.items() if key != "waiting"}


def _done(call: Call, done: str, would: str) -> str:
    return would if call.dry_run else done
