"""`bookinghub inbox …`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.asking import opened, print_list, print_one, say, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import print_json, short, when
from hub.cli.running import usage
from hub.client import segment

SELECTORS = ("since", "until", "booking", "source", "type", "state")

Receipt = Annotated[str, typer.Argument(metavar="RECEIPT", help="Id of a receipt, or a prefix of six.")]

app = new_app("What reached our door.")


@command(app, "list", selectors=SELECTORS, listing=True, offline=True)
def list_receipts(call: Call) -> None:
    """List receipts of the last 30 days, the newest first."""
    print_list(call, "/inbox", ("receipt", "received", "source", "kind", "status", "booking", "reason"), row)


@command(app, "show", offline=True)
def show_receipt(call: Call, ref: Receipt) -> None:
    """Show one receipt with its body, secrets masked."""
    show(call, f"/inbox/{segment(ref)}")


@command(app, "reprocess", acting=True)
def reprocess(call: Call, ref: Receipt) -> None:
    """Read a receipt in quarantine again, as after a fix."""
    with opened(call) as client:
        done = client.post(f"/inbox/{segment(ref)}/reprocess", {"dry_run": call.dry_run})
        print_one(call, done, client)
        say(call, "would be read again" if call.dry_run else "read again")


@command(app, "send", acting=True)
def send(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A payload; - reads standard input.")],
    source: Annotated[str | None, typer.Option("--source", help="Whose payload it is.")] = None,
) -> None:
    """Post a payload to our own door, as the provider would."""
    content = _read(file)
    if call.dry_run:
        say(call, f"would post {len(content)} bytes to the door of {source or 'the source'}")
        return
    with opened(call) as client:
        said = client.post_raw("/inbox/send", content, query=[("source", source)] if source else [])
    if call.json:
        print_json(said)
    else:
        say(
            call,
            f"{said['status']}, receipt {said['receipt']}",
            next=f"bookinghub inbox show {said['receipt']}",
        )


def row(receipt: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        short(receipt["receipt_id"]),
        when(receipt["received_at"], timezone),
        receipt["source"],
        receipt["kind"],
        receipt["status"],
        short(receipt["booking_id"]),
        receipt["reason"],
    ]


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise usage(f"{file} cannot be read: {error.strerror}") from error
