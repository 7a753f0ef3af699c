"""`bookinghub bookings …`: what is asked of the provider, and the link for an attendee."""

from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, opened, print_list
from hub.cli.booking_acts import Attendee
from hub.cli.bookings import Ref
from hub.cli.commands import Call, command
from hub.cli.output import print_json, print_table, text, to_stderr, to_stdout, when
from hub.cli.running import DONE
from hub.client import LONG_PATIENCE_SECONDS, HubClient, segment


def add_to(app: typer.Typer) -> None:
    """Declare the commands."""
    command(app, "availability")(availability)
    command(app, "link", acting=True)(link)


def availability(
    call: Call,
    ref: Ref,
    begin: Annotated[str, typer.Option("--from", metavar="D", help="Times from then on.")],
    end: Annotated[str, typer.Option("--to", metavar="D", help="Earlier times; a date includes its day.")],
    host: Annotated[str | None, typer.Option("--host", metavar="H", help="With this host.")] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="TZ", help="The provider reckons in this zone.")
    ] = None,
) -> None:
    """List free times a booking could move to; its own time does not count as taken."""
    chosen = [("from", begin), ("to", end), ("host", host), ("timezone", timezone)]
    asked = Call(
        config=call.config,
        url=call.url,
        json=call.json,
        selectors=[(name, value) for name, value in chosen if value],
        limit=None,
    )
    path = f"/bookings/{segment(ref)}/availability"
    print_list(asked, path, ("from", "until", "places"), _time, patience=LONG_PATIENCE_SECONDS)


def link(
    call: Call,
    ref: Ref,
    attendee: Attendee = None,
    send: Annotated[
        bool, typer.Option("--send", help="Have a notify sink with a mailto address write it to them.")
    ] = False,
) -> int:
    """Print the address where an attendee moves or cancels the booking themselves."""
    body = {"attendee": attendee} if attendee else {}
    path = f"/bookings/{segment(ref)}/link"
    with opened(call, patience=LONG_PATIENCE_SECONDS) as client:
        if not send:
            shown = client.get(path, list(body.items()))
        else:
            shown = client.post(path, body | {"dry_run": True}, patience=LONG_PATIENCE_SECONDS)
            question = f"{shown['sent_by']} writes the link to {shown['email']}. Send it?"
            if not call.dry_run:
                if not confirm(call, question):
                    return DONE
                shown = client.post(path, body, patience=LONG_PATIENCE_SECONDS)
        if call.json:
            print_json(shown)
        else:
            to_stdout(shown["link"])
            if send:
                said = "would be sent" if call.dry_run else "was sent"
                to_stderr(text(f"it {said} to {shown['email']} by {shown['sent_by']}"))
    return DONE


def show_live(call: Call, client: HubClient, ref: str) -> None:
    """A booking beside what its provider shows now."""
    shown = client.get(f"/bookings/{segment(ref)}/live")
    if call.json:
        print_json(shown)
        return
    _print_live(shown, client.timezone)


def _print_live(shown: dict[str, Any], timezone: str) -> None:
    if shown["missing"]:
        to_stderr("the provider has no such booking any more, or not for its hosts")
    elif shown["reason"]:
        to_stderr(text(f"what the provider shows could not be read: {shown['reason']}"))
    elif not shown["differences"]:
        to_stderr("the provider shows the same")
    else:
        rows = [[one["name"], one["hub"], one["provider"]] for one in shown["differences"]]
        print_table(("differs", "here", "at the provider"), rows)


def _time(slot: dict[str, Any], timezone: str) -> list[Any]:
    form = "%a %d %b %Y %H:%M"
    return [when(slot["start"], timezone, form), when(slot["end"], timezone, "%H:%M"), slot["places"]]
