"""`bookinghub bookings …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import opened, print_list, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import short, when
from hub.client import LONG_PATIENCE_SECONDS, segment

SELECTORS = ("from", "to", "since", "until", "booking", "contact", "source", "host", "meeting_type", "state")

Ref = Annotated[str, typer.Argument(metavar="REF", help="Id, prefix of six, mail, name part, @last.")]

app = new_app("Bookings as they are now.")


@command(app, "list", selectors=SELECTORS, listing=True, offline=True)
def list_bookings(call: Call) -> None:
    """List bookings, the last changed first."""
    print_list(call, "/bookings", ("booking", "start", "status", "title", "attendees", "in step"), row)


@command(app, "show", offline=True)
def show_booking(
    call: Call,
    ref: Ref,
    live: Annotated[
        bool, typer.Option("--live", help="What the provider says now, differences marked.")
    ] = False,
) -> None:
    """Show one booking."""
    if not live:
        show(call, f"/bookings/{segment(ref)}")
        return
    from hub.cli.booking_questions import show_live

    with opened(call, patience=LONG_PATIENCE_SECONDS) as client:
        show_live(call, client, ref)


def row(booking: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    present = [one["name"] or one["email"] for one in booking["attendees"] if not one["removed"]]
    return [
        short(booking["booking_id"]),
        when(booking["start"], timezone, "%a %d %b %Y %H:%M"),
        booking["status"]
        if booking["no_show"] == "none"
        else f"{booking['status']}, no-show {booking['no_show']}",
        booking["title"],
        ", ".join(filter(None, present)),
        in_step(booking["in_step"]),
    ]


def in_step(states: dict[str, str]) -> str:
    """One word for all sinks, or the ones that are behind."""
    behind = [f"{sink} {state}" for sink, state in states.items() if state not in ("in_step", "not_matched")]
    return ", ".join(behind) or "yes"
