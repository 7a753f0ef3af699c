"""`bookinghub events …`."""

import sys
from typing import Annotated, Any

import typer

from hub.cli.asking import opened, print_list, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import print_json, short, to_stderr, to_stdout, when
from hub.client import HubClient, UnreachableError, segment

SELECTORS = (
    "from", "to", "since", "until", "booking", "contact", "source", "type", "host", "meeting_type"
)  # fmt: skip
FOLLOWED = ("booking", "source", "type")
RETRIES = 30
RETRY_SECONDS = 1.0

app = new_app("Facts in the event log.")


@command(app, "list", selectors=SELECTORS, listing=True, offline=True)
def list_events(call: Call) -> None:
    """List events, the newest first."""
    print_list(call, "/events", ("position", "event", "recorded", "type", "booking", "by"), row)


@command(app, "show", offline=True)
def show_event(
    call: Call, ref: Annotated[str, typer.Argument(metavar="REF", help="Id, prefix of six, or position.")]
) -> None:
    """Show one event with its data."""
    show(call, f"/events/{segment(ref)}")


@command(app, "tail", selectors=FOLLOWED)
def tail(
    call: Call,
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="Begin after this position; else with what is new.")
    ] = None,
) -> None:
    """Follow events as they happen, until interrupted."""
    with opened(call) as client:
        missed = 0
        while True:
            before = after
            try:
                for event in client.events(call.selectors, after=after):
                    after, missed = event["position"], 0
                    _print(call, client, event)
            except UnreachableError:
                missed = 1 if after != before else missed + 1
                if missed > RETRIES:
                    raise
                if missed == 1 and not call.json:
                    to_stderr("the stream broke; trying to follow it again")
                client.pause(RETRY_SECONDS)


def row(event: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        event["position"],
        short(event["event_id"]),
        when(event["recorded_at"], timezone),
        event["type"],
        short(event["booking_id"]),
        event["provenance"],
    ]


def _print(call: Call, client: HubClient, event: dict[str, Any]) -> None:
    if call.json:
        print_json(event)
    else:
        to_stdout("  ".join(map(str, row(event, client.timezone))))
    sys.stdout.flush()
