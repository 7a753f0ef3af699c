"""`bookinghub bookings cancel-range`: everything of a host in a span of time, shown first and counted."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, follow, opened, type_in
from hub.cli.booking_acts import Reason
from hub.cli.commands import Call, command
from hub.cli.output import counted, print_json, print_table, short, to_stderr, when
from hub.cli.running import DONE, FAILED, PARTLY, usage
from hub.client import HubClient

UNASKED = 20
"""More than so many have to be typed."""


def add_to(app: typer.Typer) -> None:
    """Declare the command."""
    command(app, "cancel-range", acting=True)(cancel_range)


def cancel_range(
    call: Call,
    host: Annotated[str, typer.Option("--host", metavar="H", help="Whose: id, mail or name.")],
    begin: Annotated[str, typer.Option("--from", metavar="D", help="Meetings that begin then or later.")],
    end: Annotated[
        str, typer.Option("--to", metavar="D", help="Meetings that begin earlier; a date includes its day.")
    ],
    reason: Reason = None,
    meeting_type: Annotated[
        str | None, typer.Option("--meeting-type", metavar="M", help="Of this type only: id, slug or name.")
    ] = None,
    confirm_count: Annotated[
        int | None, typer.Option("--confirm", metavar="N", help="How many you mean, above 20.")
    ] = None,
) -> int:
    """Cancel a host's bookings in a span of time; given again it goes on where it ended."""
    body: dict[str, Any] = {"host": host, "from": begin, "to": end}
    body |= {"reason": reason} if reason else {}
    body |= {"meeting_type": meeting_type} if meeting_type else {}
    with opened(call) as client:
        preview = client.post("/bookings/cancel-range", body | {"dry_run": True})
        if call.dry_run and call.json:
            print_json(preview)
        if not call.json:
            _print_preview(preview, client.timezone)
        if call.dry_run or not preview["count"] or not _agreed(call, preview["count"], confirm_count):
            return DONE
        acting = {"preview": preview["preview"], "confirm": preview["count"]}
        ended = follow(call, client, _begin(client, body | acting), of="bookings")
    print_json(ended) if call.json else _tell(ended, client.timezone)
    return _code(ended)


def _begin(client: HubClient, body: Mapping[str, Any]) -> dict[str, Any]:
    begun: dict[str, Any] = client.post("/bookings/cancel-range", body)
    return begun


def _agreed(call: Call, count: int, confirmed: int | None) -> bool:
    if confirmed is None and count <= UNASKED:
        return confirm(call, f"{counted(count, 'booking', 'bookings')}. Cancel for good?")
    if confirmed is None:
        typed = type_in(call, f"Type {count} to cancel {count} bookings for good:", "--confirm", str(count))
        confirmed = int(typed) if typed.isascii() and typed.isdigit() else None
    if confirmed != count:
        raise usage(f"{count} bookings match: nothing was cancelled")
    return True


def _print_preview(preview: Mapping[str, Any], timezone: str) -> None:
    if not preview["count"]:
        to_stderr("nothing matches")
        return
    to_stderr(
        f"{counted(preview['count'], 'booking', 'bookings')} to cancel, {preview['groups']} of them for a "
        f"group; the provider writes to {counted(preview['mails'], 'address', 'addresses')}"
    )
    print_table(
        ("booking", "start", "title", "attendees"),
        [
            [
                short(item["booking_id"]),
                when(item["start"], timezone, "%a %d %b %Y %H:%M"),
                item["title"],
                ", ".join(item["attendees"]),
            ]
            for item in preview["items"]
        ],
    )
    left = preview["count"] - len(preview["items"])
    if left:
        to_stderr(f"and {left} more")


def _tell(ended: Mapping[str, Any], timezone: str) -> None:
    """What did not go as wanted, and the counts."""
    items = ended["detail"].get("items", [])
    failed = [item for item in items if item["result"] not in ("done", "already-cancelled")]
    print_table(
        ("booking", "start", "title", "result", ""),
        [
            [
                short(item["booking_id"]),
                when(item["start"], timezone, "%a %d %b %Y %H:%M"),
                item["title"],
                item["result"],
                item["message"],
            ]
            for item in failed
        ],
    )
    left = (ended["total"] or 0) - len(items)
    parts = [f"{ended['done']} cancelled"]
    parts += [f"{len(failed)} failed"] if failed else []
    parts += [f"{left} not tried"] if left else []
    to_stderr(f"{', '.join(parts)} of {counted(ended['total'] or 0, 'booking', 'bookings')}")


def _code(ended: Mapping[str, Any]) -> int:
    if ended["state"] == "done":
        return DONE
    return PARTLY if ended["done"] else FAILED
