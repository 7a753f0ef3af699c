"""How a plan looks: what would be done to which object, and why. How it looks is part of the product."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hub.cli.output import UNKNOWN, counted, local, short, text, when

ACTIONS = ("create", "change", "remove")
ON_ITS_WAY = ("delivery_pending", "not_read_yet")
"""Causes of a difference that somebody else is doing something about."""

SIGNS: Mapping[str, str] = {"create": "+", "change": "~", "remove": "-", "none": " "}

CAUSES: Mapping[str, str] = {
    "deleted_by_hand": "deleted by hand",
    "edited_by_hand": "edited by hand",
    "never_written": "never written",
    "outdated": "not what is wanted now",
    "outlived": "entry outlived its booking",
    "not_matched": "this sink does not take it any more",
    "unknown_booking": "belongs to no booking that is known",
    "doubled": "shown twice",
    "delivery_pending": "delivery on its way",
    "delivery_parked": "delivery parked",
    "delivery_dead": "delivery refused for good",
    "delivery_dropped": "delivery given up",
    "not_read_yet": "its booking may not be read yet",
}
LONGEST_VALUE = 60

Item = Mapping[str, Any]


def item_lines(items: Sequence[Item], timezone: str) -> Iterator[str]:
    """A line for each item that differs, and one below it for each member that does."""
    shown = [(_label(item, timezone), _cause(item, timezone), item) for item in items]
    width = max((len(label) for label, _, _ in shown), default=0)
    for label, cause, item in shown:
        yield f"  {SIGNS[item['action']]} {item['action']:<6}  {label:<{width}}   {cause}".rstrip()
        names = [field["name"] for field in item["fields"]]
        longest = max(map(len, names), default=0)
        for field in item["fields"]:
            values = f"{_value(field['is'], timezone)} → {_value(field['wanted'], timezone)}"
            yield f"              {field['name']:<{longest}}  {values}"


def heading(end: Mapping[str, Any], *, named: bool) -> str:
    """What was compared and what it took."""
    count = end["counts"]["compared"]
    took = f"{counted(end['requests'], 'request', 'requests')}, {end['duration_seconds']:.1f} s"
    sink = f"{end['sink']}: " if named else ""
    compared = counted(count, end["kind"], f"{end['kind']}s")
    return f"{sink}{compared} compared with {end['system']} ({took})"


def total(counts: Mapping[str, int]) -> str:
    """The last line: how much there is to do."""
    parts = [f"{counts[name]} to {name}" for name in ACTIONS if counts[name]]
    if counts["on_its_way"]:
        parts.append(f"{counts['on_its_way']} on the way")
    if not parts:
        return f"All {counts['in_step']} in step."
    return ", ".join([*parts, f"{counts['in_step']} in step."])


def summed(ends: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The counts of several sinks together."""
    found = dict.fromkeys((*ACTIONS, "on_its_way", "in_step", "compared"), 0)
    for end in ends:
        for name in found:
            found[name] += end["counts"][name]
    return found


def _label(item: Item, timezone: str) -> str:
    about = item["about"]
    title = about["title"] or (f"contact {short(item['key'])}" if item["booking_id"] is None else "Booking")
    if about["cancelled"]:
        title += " (cancelled)"
    parts = [title, *about["people"]]
    moved = any(field["name"] == "start" for field in item["fields"])
    if about["start"] and not moved:
        parts.append(f"{local(about['start'], timezone):%a %d %b %H:%M}")
    if item["part"]:
        parts.append(f"part {short(item['part'])}")
    return text(", ".join(parts))


def _cause(item: Item, timezone: str) -> str:
    told = CAUSES.get(item["cause"], item["cause"].replace("_", " "))
    if item["cause"] == "outlived" and not item["about"]["cancelled"]:
        told = "not wanted there any more"
    if item["edited_by"]:
        told += f" by {item['edited_by']}"
    if item["edited_at"]:
        told += f", {when(item['edited_at'], timezone, '%d %b %H:%M')}"
    return text(told)


def _value(value: Any, timezone: str) -> str:
    """A member's value in few words; a time as local time."""
    if value in (None, ""):
        return UNKNOWN
    moment = _moment(value)
    if moment is not None:
        return f"{moment.astimezone(ZoneInfo(timezone)):%a %d %b %H:%M}"
    shown = " ".join(text(value).split())
    return shown if len(shown) <= LONGEST_VALUE else f"{shown[: LONGEST_VALUE - 1]}…"


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or value[10:11] != "T":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
