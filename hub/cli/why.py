"""`why`: what happened to this booking? How it looks is part of the product."""

from typing import Any

import typer

from hub.cli.asking import opened
from hub.cli.bookings import Ref
from hub.cli.commands import Call, command
from hub.cli.happenings import happenings, pending_lines
from hub.cli.output import counted, local, print_json, print_table, short, text, to_stdout
from hub.client import segment
from hub.program import pasteable

MARKS = {"in_step": "✓", "not_matched": "\N{EN DASH}"}


def add_to(app: typer.Typer) -> None:
    """Declare the command."""
    command(app, "why", offline=True)(why)


def why(call: Call, ref: Ref) -> None:
    """Tell the story of a booking: what reached the door, which facts came of it, what the targets did."""
    with opened(call) as client:
        story = client.get(f"/bookings/{segment(ref)}/story")
        if call.json:
            print_json(story)
        else:
            print_story(story, client.timezone)


def print_story(story: dict[str, Any], timezone: str) -> None:
    """The story for people; facts that only moved the version are left out."""
    booking = story["booking"]
    to_stdout(f"{text(title(booking))}        booking {short(booking['booking_id'])}, {booking['source']}")
    to_stdout(standing(booking, timezone))
    targets = [
        f"{sink} {MARKS.get(state, state)}" + _no_match(story["no_match"].get(sink))
        for sink, state in booking["in_step"].items()
    ]
    to_stdout(f"in step   {'   '.join(targets) or 'no sink is configured'}")
    to_stdout("")
    print_table([""] * 4, [happening.cells(timezone) for happening in happenings(story, timezone)])
    for line in pending_lines(story, timezone) or [_nothing_pending(story)]:
        to_stdout(line)


def _no_match(reason: str | None) -> str:
    return text(f" (no match: {reason})") if reason else ""


def _nothing_pending(story: dict[str, Any]) -> str:
    """What a target holds may have been changed there since."""
    if not story["targets"]:
        return "Nothing pending."
    command = f"bookinghub plan --booking {short(story['booking']['booking_id'])}"
    return f"Nothing pending.  Compare with the targets now: {pasteable(command)}"


def title(booking: dict[str, Any]) -> str:
    """What kind of meeting, who with whom."""
    kind = (booking["meeting_type"] or {}).get("name") or booking["title"] or "Booking"
    people = [
        one["name"] or one["email"] or one["phone"] for one in booking["attendees"] if not one["removed"]
    ]
    hosts = [host["name"] or host["email"] for host in booking["hosts"]]
    attending, hosting = ", ".join(filter(None, people)), ", ".join(filter(None, hosts))
    return kind + (f": {attending}" if attending else "") + (f" with {hosting}" if hosting else "")


def standing(booking: dict[str, Any], timezone: str) -> str:
    """State, time, and how often it moved."""
    start, end = local(booking["start"], timezone), local(booking["end"], timezone)
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%a %d %b %H:%M}"
    parts = [booking["status"], f"{start:%a %d %b %Y %H:%M}\N{EN DASH}{until} {timezone}"]
    if booking["no_show"] != "none":
        parts[0] += f", no-show: {booking['no_show']}"
    count = booking["reschedule_count"]
    if count:
        moved = "moved once" if count == 1 else f"moved {counted(count, 'time', 'times')}"
        before = booking["previous_start"]
        parts.append(moved + (f" (was {local(before, timezone):%a %d %b %H:%M})" if before else ""))
    return " · ".join(parts)
