"""The lines of a booking's story: one per thing that happened, in the order it did."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.cli.output import local, short, text

_RANK = {"inbox": 0, "fact": 1}
_SAID_BY_STATE = {"covered": "covered by a newer change", "skipped": "skipped"}
_NO_MATCH = "not_matched"


@dataclass(frozen=True, slots=True)
class Happening:
    """One line: when, who, what, and a note; `rank` orders what happened at the same moment."""

    at: str
    who: str
    what: str
    note: str
    rank: int = 2

    def cells(self, timezone: str) -> list[str]:
        """The line as columns."""
        return [clock(self.at, timezone), self.who, text(self.what), text(self.note)]


def happenings(story: dict[str, Any], timezone: str) -> list[Happening]:
    """Everything that is told to people, oldest first."""
    found = [*_receipts(story), *_facts(story, timezone), *_deliveries(story)]
    return sorted(found, key=lambda one: (datetime.fromisoformat(one.at), one.rank))


def pending_lines(story: dict[str, Any], timezone: str) -> list[str]:
    """What is not finished."""
    lines = []
    for item in story["pending"]:
        due = f", due {clock(item['due_at'], timezone)}" if item["due_at"] else ""
        detail = f": {item['detail']}" if item["detail"] else ""
        lines.append(text(f"Pending: {_pending(item)}{due}{detail}"))
    return lines


def clock(moment: str, timezone: str) -> str:
    """Day and time to a tenth of a second."""
    at = local(moment, timezone)
    return f"{at:%d %b %H:%M:%S}.{at.microsecond // 100_000}"


def _pending(item: dict[str, Any]) -> str:
    if item["kind"] == "mark":
        return f"receipt {short(item['object'])} is being worked out"
    if item["kind"] == "unconfirmed":
        return f"what receipt {short(item['object'])} hints at is not confirmed"
    return f"{item['object']} {item['state']}"


def _receipts(story: dict[str, Any]) -> Iterator[Happening]:
    for receipt in story["inbox"]:
        id = short(receipt["receipt_id"])
        again = receipt["status"] == "duplicate"
        what = (
            f"the same webhook again, receipt {id}"
            if again
            else f"{receipt['kind'] or 'webhook'}, receipt {id}"
        )
        note = receipt["status"] + (f": {receipt['reason']}" if receipt["reason"] else "")
        yield Happening(receipt["received_at"], "inbox", what, note, _RANK["inbox"])


def _facts(story: dict[str, Any], timezone: str) -> Iterator[Happening]:
    names = {one["attendee_id"]: one["name"] or one["email"] for one in story["booking"]["attendees"]}
    for event in story["events"]:
        if event["hidden"]:
            continue
        what = f"{event['type']}  {_detail(event['detail'], names, timezone)}".rstrip()
        at = event["recorded_at"] or event["occurred_at"]
        yield Happening(at, f"fact   #{event['position']}", what, event["provenance"], _RANK["fact"])


def _detail(detail: dict[str, Any], names: dict[str, str | None], timezone: str) -> str:
    """What a fact says beyond its name."""
    parts = []
    if "attendee_id" in detail:
        parts.append(names.get(detail["attendee_id"]) or detail["attendee_id"])
    if "previous_start" in detail and "start" in detail:
        parts.append(f"{_day(detail['previous_start'], timezone)} → {_day(detail['start'], timezone)}")
    elif "start" in detail:
        parts.append(_day(detail["start"], timezone))
    if detail.get("changed"):
        parts.append(", ".join(detail["changed"]))
    for name, words in (("actor", "by the"), ("root", "continues"), ("replaced_by", "goes on as")):
        if detail.get(name):
            parts.append(f"{words} {detail[name]}")
    return "  ".join(parts)


def _day(moment: str, timezone: str) -> str:
    return f"{local(moment, timezone):%a %d %b %H:%M}"


def _deliveries(story: dict[str, Any]) -> Iterator[Happening]:
    for row in story["deliveries"]:
        for attempt in row["tries"]:
            yield Happening(attempt["at"], row["sink"], _tried(attempt), _try_note(attempt))
        if row["state"] == "skipped" and row["reason"] == _NO_MATCH:
            at = row["finished_at"] or row["created_at"]
            yield Happening(at, row["sink"], "not for this sink: no match", row["event_type"])
        elif row["state"] in _SAID_BY_STATE:
            reason = f": {row['reason']}" if row["reason"] else ""
            at = row["finished_at"] or row["created_at"]
            yield Happening(at, row["sink"], _SAID_BY_STATE[row["state"]] + reason, row["event_type"])


def _tried(attempt: dict[str, Any]) -> str:
    took = attempt["duration_seconds"]
    message = f"{attempt['outcome']}: {attempt['message']}" if attempt["message"] else attempt["outcome"]
    return message + (f" in {took:.2f} s" if took is not None else "")


def _try_note(attempt: dict[str, Any]) -> str:
    return attempt["url"] or (
        f"attempt {attempt['number']}" if attempt["number"] > 1 or attempt["message"] else ""
    )
