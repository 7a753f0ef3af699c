"""`bookinghub bookings …`: what acts on one booking. Shown first, asked about, then done as it was shown."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, opened, say, type_in
from hub.cli.bookings import Ref
from hub.cli.commands import Call, command
from hub.cli.output import local, print_json, text, to_stderr
from hub.cli.running import DONE, PARTLY
from hub.cli.why import standing, title
from hub.client import LONG_PATIENCE_SECONDS, segment
from hub.program import pasteable

NOTHING = "nothing to do"

Attendee = Annotated[str | None, typer.Option("--attendee", metavar="A", help="Whom: id, mail or name part.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="R", help="Why; goes into the mails.")]
IgnoreAvailability = Annotated[
    bool, typer.Option("--ignore-availability", help="Even if the host has no time then.")
]


def add_to(app: typer.Typer) -> None:
    """Declare the commands."""
    command(app, "reschedule", acting=True)(reschedule)
    command(app, "cancel", acting=True)(cancel)
    command(app, "rebook", acting=True)(rebook)
    command(app, "no-show", acting=True)(no_show)
    command(app, "note", acting=True)(note)
    command(app, "add-guest", acting=True)(add_guest)
    command(app, "remove-guest", acting=True)(remove_guest)


def reschedule(
    call: Call,
    ref: Ref,
    to: Annotated[str, typer.Option("--to", metavar="T", help="When it begins, such as 2026-10-28 09:00.")],
    by_replacement: Annotated[
        bool, typer.Option("--by-replacement", help="A new booking takes its place, the old is cancelled.")
    ] = False,
    reason: Reason = None,
    ignore_availability: IgnoreAvailability = False,
) -> int:
    """Move a booking to another time; its duration stays."""
    body = {"to": to, "by_replacement": by_replacement, "ignore_availability": ignore_availability}
    return act(call, ref, "reschedule", body | _given(reason=reason), "Move it?")


def cancel(
    call: Call,
    ref: Ref,
    reason: Reason = None,
    attendee: Attendee = None,
    everybody: Annotated[bool, typer.Option("--all", help="A group booking, for everybody.")] = False,
    series: Annotated[bool, typer.Option("--series", help="And what is to come of its series.")] = False,
    refund: Annotated[
        str | None,
        typer.Option(
            "--refund", metavar="none|full|AMOUNT", help="What is given back after it is cancelled."
        ),
    ] = None,
    confirm_amount: Annotated[
        str | None, typer.Option("--confirm", metavar="AMOUNT", help="The amount again, over the limit.")
    ] = None,
) -> int:
    """Cancel a booking for good, or one attendee's part in a group."""
    body: dict[str, Any] = {
        "all": everybody,
        "series": series,
        **_given(refund=refund, confirm=confirm_amount),
    }
    return act(call, ref, "cancel", body | _given(reason=reason, attendee=attendee), "Cancel for good?")


def rebook(
    call: Call,
    ref: Ref,
    start: Annotated[str, typer.Option("--start", metavar="T", help="When the new meeting begins.")],
    attendee: Attendee = None,
    ignore_availability: IgnoreAvailability = False,
) -> int:
    """Book the same meeting once more, such as after a cancellation."""
    body = {"start": start, "ignore_availability": ignore_availability}
    return act(call, ref, "rebook", body | _given(attendee=attendee), "Book it?")


def no_show(
    call: Call,
    ref: Ref,
    attendee: Attendee = None,
    undo: Annotated[bool, typer.Option("--undo", help="They did show up after all.")] = False,
) -> int:
    """Note that somebody did not show up; --undo is your word, which outranks the provider's mark."""
    return act(call, ref, "no-show", {"undo": undo, **_given(attendee=attendee)}, "Note this?")


def note(
    call: Call,
    ref: Ref,
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What is noted.")],
    append: Annotated[bool, typer.Option("--append", help="Below the note there is.")] = False,
) -> int:
    """Replace the host's note on a booking, or add to it."""
    return act(call, ref, "note", {"text": words, "append": append}, "Note this?")


def add_guest(
    call: Call,
    ref: Ref,
    emails: Annotated[list[str], typer.Argument(metavar="MAIL…", help="Addresses of who comes along.")],
    attendee: Attendee = None,
) -> int:
    """Have people come along with an attendee."""
    return act(call, ref, "add-guest", {"emails": emails, **_given(attendee=attendee)}, "Invite them?")


def remove_guest(
    call: Call,
    ref: Ref,
    email: Annotated[str, typer.Argument(metavar="MAIL", help="Address of who does not come along.")],
    attendee: Attendee = None,
) -> int:
    """Have somebody not come along any more."""
    body = {"email": email, **_given(attendee=attendee)}
    return act(call, ref, "remove-guest", body, "Disinvite them?")


def act(call: Call, ref: str, verb: str, body: dict[str, Any], question: str) -> int:
    """Show what would be done and whom the provider writes to, ask, and do exactly that."""
    with opened(call) as client:
        path = f"/bookings/{segment(ref)}/{verb}"
        preview = client.post(path, body | {"dry_run": True}, patience=LONG_PATIENCE_SECONDS)
        nothing = preview["effect"] == NOTHING
        if call.json and (call.dry_run or nothing):
            print_json(preview)
        if not call.json:
            _print_lines(_preview_lines(preview, client.timezone))
        if call.dry_run or nothing or not _agreed(call, preview, body, question):
            return DONE
        # What was shown is what runs, whatever the REF means by now.
        path = f"/bookings/{segment(preview['booking_id'])}/{verb}"
        done = client.post(path, body | {"preview": preview["preview"]}, patience=LONG_PATIENCE_SECONDS)
    print_json(done) if call.json else _tell(call, done, client.timezone)
    return PARTLY if any(one["outcome"] != "done" for one in done["results"]) else DONE


def _agreed(call: Call, preview: dict[str, Any], body: dict[str, Any], question: str) -> bool:
    """A refund over the limit has to be typed, whatever else was said."""
    refund = preview["refund"]
    if not refund or not refund["over_limit"] or refund["done"]:
        return confirm(call, question)
    if "confirm" not in body:
        amount = refund["amount"]
        asked = f"{refund['text']} is over the limit of {refund['sink']}. Type {amount} to give it back:"
        body["confirm"] = type_in(call, asked, "--confirm", amount)
    return True


def _preview_lines(preview: dict[str, Any], timezone: str) -> list[str]:
    booking = preview["booking"]
    lines = [title(booking), standing(booking, timezone), preview["effect"]]
    if preview["to"]:
        start, end = local(booking["start"], timezone), local(preview["to"], timezone)
        lines[-1] += f": {start:%a %d %b %Y %H:%M} → {end:%a %d %b %Y %H:%M} {timezone}"
    if preview["others"]:
        lines.append(f"{len(preview['others'])} later bookings of the same people may go with it")
    if preview["refund"]:
        given = "went back already" if preview["refund"]["done"] else "goes back"
        lines.append(f"{preview['refund']['text']} {given}, by {preview['refund']['sink']}")
    if preview["effect"] != NOTHING:
        written = ", ".join(preview["mails"]) or "nobody"
        lines.append(f"the provider writes to: {written}")
    return lines


def _tell(call: Call, done: dict[str, Any], timezone: str) -> None:
    for one in done["results"]:
        to_stderr(text(f"{one['about']}: {one['message'] or one['outcome']}"))
    if done["booking"] is not None:
        to_stderr(f"{title(done['booking'])}: {standing(done['booking'], timezone)}")
    if done["operation_id"]:
        look = pasteable(f"bookinghub operations show {done['operation_id']}")
        to_stderr(f"the provider said yes and does not show it yet; see: {look}")
    elif done["facts"]:
        say(call, f"recorded: {', '.join(done['facts'])}")


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        to_stderr(text(line))


def _given(**members: str | None) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
