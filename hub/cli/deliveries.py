"""`bookinghub deliveries …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, opened, print_list, show, type_in
from hub.cli.commands import Call, command, new_app
from hub.cli.output import counted, print_json, print_table, short, to_stderr, when
from hub.cli.running import DONE, PARTLY, usage
from hub.client import segment

SELECTORS = (
    "from", "to", "since", "until", "booking", "contact", "sink", "source", "type", "host", "meeting_type",
    "state", "event",
)  # fmt: skip

APPROVE = "approve"

Event = Annotated[str | None, typer.Argument(metavar="[EVENT]", help="One event's deliveries.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Kept with the rows.")]

app = new_app("What goes to the targets.")


@command(app, "list", selectors=SELECTORS, listing=True, offline=True)
def list_deliveries(call: Call) -> None:
    """List delivery rows, the last changed first; dead letters are --state dead."""
    print_list(call, "/deliveries", HEADER, row)


@command(app, "show", offline=True)
def show_delivery(
    call: Call,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Id of the event, or a prefix of six.")],
    sink: Annotated[str | None, typer.Option("--sink", help="At this sink.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="For this key.")] = None,
) -> None:
    """Show the delivery of an event with its tries."""
    query = [(name, value) for name, value in (("sink", sink), ("key", key)) if value]
    show(call, f"/deliveries/{segment(event)}", query)


@command(app, "retry", selectors=SELECTORS, acting=True)
def retry(call: Call, event: Event = None) -> int:
    """Try again what is parked or dead; what is uncertain only with --state uncertain."""
    return _act(call, "retry", event, "Try these again?", {})


@command(app, APPROVE, selectors=SELECTORS, acting=True)
def approve(
    call: Call,
    event: Event = None,
    confirm_count: Annotated[
        int | None, typer.Option("--confirm", metavar="N", help="How many deliveries you mean.")
    ] = None,
) -> int:
    """Let through what waits for a person, such as a refund over the limit."""
    return _act(call, APPROVE, event, "Type the number to let these through:", {}, confirm_count)


@command(app, "drop", selectors=SELECTORS, acting=True)
def drop(call: Call, event: Event = None, reason: Reason = None) -> int:
    """Give rows up for good; they are kept as skipped, with your reason."""
    return _act(call, "drop", event, "Give these up for good?", {"reason": reason} if reason else {})


HEADER = ("sink", "event", "type", "booking", "state", "tries", "changed", "error")


def row(delivery: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    error = delivery["last_error"]
    return [
        delivery["sink"],
        short(delivery["event_id"]),
        delivery["event_type"],
        short(delivery["booking_id"]),
        delivery["state"],
        delivery["attempts"],
        when(delivery["finished_at"] or delivery["created_at"], timezone),
        error["message"] if error else delivery["reason"],
    ]


def _act(
    call: Call, act: str, event: str | None, question: str, more: dict[str, Any], typed: int | None = None
) -> int:
    """Show what matches, ask, and do it to exactly these rows."""
    chosen: dict[str, Any] = {}
    for name, value in call.selectors:
        chosen.setdefault(name, []).append(value)
    if event is not None:
        chosen.setdefault("event", []).append(event)
    if not chosen:
        raise usage(
            f"say which deliveries to {act}: an event, --sink, --booking, --state or another selector"
        )
    with opened(call) as client:
        preview = client.post(f"/deliveries/{act}", chosen | {"dry_run": True})
        if call.dry_run and call.json:
            print_json(preview)
        if not call.json:
            _print_preview(preview, client.timezone)
        if call.dry_run or not preview["count"]:
            return DONE
        question = f"{counted(preview['count'], 'delivery', 'deliveries')}. {question}"
        if act == APPROVE:
            _insist(call, preview["count"], question, typed)
        elif not confirm(call, question):
            return DONE
        done = client.post(f"/deliveries/{act}", chosen | more | {"preview": preview["preview"]})
    if call.json:
        print_json(done)
    else:
        to_stderr(f"{counted(done['count'], 'delivery', 'deliveries')} done")
    return DONE if done["count"] == preview["count"] else PARTLY


def _insist(call: Call, count: int, question: str, typed: int | None) -> None:
    """The number has to be typed, whatever else was said: money may leave."""
    given = type_in(call, question, "--confirm", str(count)) if typed is None else str(typed)
    if given != str(count):
        raise usage(f"{given!r} is not {count}: nothing was let through")


def _print_preview(preview: dict[str, Any], timezone: str) -> None:
    if not preview["count"]:
        to_stderr("nothing matches")
        return
    for sink, states in preview["by_sink"].items():
        to_stderr(f"{sink}: " + ", ".join(f"{count} {state}" for state, count in states.items()))
    print_table(HEADER, [row(item, timezone) for item in preview["items"]])
    left = preview["count"] - len(preview["items"])
    if left:
        to_stderr(f"and {left} more")
