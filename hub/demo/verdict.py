"""What is compared at the end: the provider's books with the log, the calendar, the CRM and the mailbox."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub.demo.world import CALENDAR, CRM, MAIL, PROVIDER, World

TOLD = ("BookingRescheduled", "BookingCancelled", "AttendeeNoShow")
"""What the mailbox of the shipped configuration is told of."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison; `wrong` lists what does not fit, by id."""

    what: str
    found: str
    wrong: tuple[str, ...]


def verdict(world: World) -> list[Check]:
    """Everything that could be lost, doubled or out of step."""
    state = world.stand_in(PROVIDER, "/_state")
    appointments: Mapping[str, Any] = state["appointments"]
    bookings = {one["booking_id"]: one for one in world.items("/bookings")}
    events = world.items("/events")
    return [
        _lost(appointments, bookings),
        _facts(events, appointments),
        _calendar(world, appointments),
        _crm(world, appointments),
        _mail(world, events),
        _in_step(world),
    ]


def _lost(appointments: Mapping[str, Any], bookings: Mapping[str, Any]) -> Check:
    wrong = tuple(key for key, one in appointments.items() if not _is_same(one, bookings.get(key)))
    extra = tuple(key for key in bookings if key not in appointments)
    return Check("bookings as at the provider", f"{len(bookings)} of {len(appointments)}", wrong + extra)


def _is_same(appointment: Mapping[str, Any], booking: Mapping[str, Any] | None) -> bool:
    if booking is None:
        return False
    present = {one["attendee_id"]: one["no_show"] for one in booking["attendees"] if not one["removed"]}
    wanted = {one["id"]: one["no_show"] for one in appointment["attendees"]}
    return (
        _at(booking["start"]) == _at(appointment["start"])
        and (booking["status"] == "cancelled") == (appointment["cancel"] is not None)
        and present == wanted
    )


def _facts(events: list[dict[str, Any]], appointments: Mapping[str, Any]) -> Check:
    """Each fact once: never more moves than happened, one beginning and one end at most."""
    ids = Counter(event["event_id"] for event in events)
    wrong = [event_id for event_id, count in ids.items() if count > 1]
    per = Counter((event["booking_id"], event["type"]) for event in events)
    for key, one in appointments.items():
        most = {
            "BookingCreated": 1,
            "BookingRescheduled": one["reschedule_count"],
            "BookingCancelled": int(one["cancel"] is not None),
        }
        wrong += [f"{key} {name}" for name, count in most.items() if per[key, name] > count]
    return Check("facts, each once", str(len(events)), tuple(wrong))


def _calendar(world: World, appointments: Mapping[str, Any]) -> Check:
    """One entry for every meeting that is to come, at its time, and no other."""
    now = datetime.now(UTC)
    wanted = Counter(
        _at(one["start"]) for one in appointments.values() if one["cancel"] is None and _at(one["end"]) > now
    )
    entries = world.stand_in(CALENDAR, "/_objects")
    there = Counter(
        _at(entry["start"]["dateTime"]) for entry in entries.values() if _at(entry["end"]["dateTime"]) > now
    )
    wrong = tuple(f"{at:%d %b %H:%M}" for at in sorted((wanted - there) + (there - wanted)))
    return Check("calendar entries", f"{sum(there.values())} of {sum(wanted.values())}", wrong)


def _crm(world: World, appointments: Mapping[str, Any]) -> Check:
    """The counters of every contact, against the hub's and the provider's own."""
    marks = Counter(
        guest["email"] for one in appointments.values() for guest in one["attendees"] if guest["no_show"]
    )
    contacts = {one["email"]: one for one in world.items("/contacts")}
    shown = {
        key.removeprefix("contacts/"): values
        for key, values in world.stand_in(CRM, "/_objects").items()
        if key.startswith("contacts/")
    }
    wrong = tuple(
        mail
        for mail, values in shown.items()
        if mail not in contacts
        or int(values.get("hub_booking_count") or 0) != contacts[mail]["booking_count"]
        or int(values.get("hub_no_show_count") or 0) != marks[mail]
    )
    return Check("contacts in the CRM", str(len(shown)), wrong)


def _mail(world: World, events: list[dict[str, Any]]) -> Check:
    """One message for every fact it is told of; none for history."""
    told = [one for one in events if one["type"] in TOLD and one["provenance"] != "backfill"]
    messages = world.stand_in(MAIL, "/_objects")
    wrong = () if len(messages) == len(told) else (f"{len(messages) - len(told):+d}",)
    return Check("letters in the mailbox", f"{len(messages)} of {len(told)}", wrong)


def _in_step(world: World) -> Check:
    status = world.api.get("/status")
    wrong = tuple(_differing(world, status))
    return Check("targets in step", f"{len(status['sinks'])} of {len(status['sinks'])}", wrong)


def _differing(world: World, status: Mapping[str, Any]) -> Iterator[str]:
    """Sinks with something undone, and what a comparison with the targets finds."""
    for name, sink in status["sinks"].items():
        if sink["out_of_step"] or sink["lag_events"] or sink["parked"] or sink["dead"]:
            yield name
        if sink["type"] == CALENDAR:
            for item in world.api.lines(f"/sinks/{name}/plan"):
                if item.get("action", "none") != "none":
                    yield f"{name}: {item['action']} {item['booking_id']}"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
