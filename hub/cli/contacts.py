"""`bookinghub contacts …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import print_list, show
from hub.cli.commands import Call, command, new_app
from hub.cli.output import short, when
from hub.client import segment

SELECTORS = ("from", "to", "since", "until", "booking", "contact", "source", "host", "meeting_type")

app = new_app("People and their counters.")


@command(app, "list", selectors=SELECTORS, listing=True, offline=True)
def list_contacts(call: Call) -> None:
    """List contacts, the last changed first."""
    header = ("contact", "name", "mail", "bookings", "cancelled", "moved", "no-shows", "last seen")
    print_list(call, "/contacts", header, row)


@command(app, "show", offline=True)
def show_contact(
    call: Call,
    ref: Annotated[str, typer.Argument(metavar="REF", help="Id, prefix of six, mail, phone, name.")],
) -> None:
    """Show one contact."""
    show(call, f"/contacts/{segment(ref)}")


def row(contact: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        short(contact["contact_id"]),
        contact["name"],
        contact["email"] or contact["phone"],
        contact["booking_count"],
        contact["cancellation_count"],
        contact["reschedule_count"],
        contact["no_show_count"],
        when(contact["last_seen_at"], timezone),
    ]
