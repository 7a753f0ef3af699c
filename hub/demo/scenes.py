"""The scenes of the demo: one fault each, what the hub makes of it, and what would be wrong."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.demo.world import CALENDAR, CRM, MAIL, PROVIDER, DemoError, World, same_time

Scene = Callable[[World], str]
HISTORY = 14
TRIES = 3
LATE_SECONDS = 6


def history(world: World) -> str:
    """What was booked before the hub was there."""
    world.wait(lambda: len(world.items("/bookings")) == HISTORY, what="the history of the provider")
    world.settle()
    facts = world.items("/events")
    _expect(not world.stand_in(MAIL, "/_objects"), "nobody is told of what is history")
    return f"{HISTORY} bookings, {len(facts)} facts, no message to anybody"


def move(world: World) -> str:
    """A webhook, as it should be."""
    booking_id = _booked(world)
    moved = _move(world, booking_id, days=3)
    world.wait(lambda: _starts(world, booking_id, moved), what="the move")
    world.settle()
    _expect(_entry_starts(world).count(_second(moved)) >= 1, "the calendar shows the new time")
    return "in the log, the calendar, the CRM and the mailbox"


def doubled(world: World) -> str:
    """The same webhook twice."""
    booking_id = _booked(world)
    messages = len(world.stand_in(MAIL, "/_objects"))
    with_mishap(world, "doubled", lambda: _move(world, booking_id, days=4))
    world.wait(lambda: _receipts(world, booking_id) >= 3, what="the second copy")
    world.settle()
    _expect(_moves(world, booking_id) == 1, "one move is one fact")
    _expect(len(world.stand_in(MAIL, "/_objects")) == messages + 1, "one message is sent")
    return "one fact, one message, nothing to do for the copy"


def lost(world: World) -> str:
    """A webhook that never comes."""
    booking_id = _booked(world)
    moved = with_mishap(world, "lost", lambda: _move(world, booking_id, days=5))
    world.wait(lambda: _starts(world, booking_id, moved), what="a poll that finds the move")
    origin = [
        event["provenance"] for event in world.events(booking_id) if event["type"] == "BookingRescheduled"
    ]
    _expect(origin == ["poll"], "the move is known by poll")
    return "found by the next poll"


def late(world: World) -> str:
    """A webhook that comes when all is known already."""
    booking_id = _booked(world)
    world.stand_in(PROVIDER, "/_switches", "POST", {"late_seconds": LATE_SECONDS})
    moved = with_mishap(world, "late", lambda: _move(world, booking_id, days=2))
    world.wait(lambda: _starts(world, booking_id, moved), what="the move")
    world.wait(lambda: _receipts(world, booking_id) >= 2, what="the late webhook")
    world.settle()
    _expect(_moves(world, booking_id) == 1, "one move is one fact")
    return "known by poll before, nothing to do for the webhook"


def reordered(world: World) -> str:
    """Two webhooks in the wrong order."""
    booking_id = _booked(world)
    with_mishap(world, "reordered", lambda: _move(world, booking_id, days=2))
    last = _move(world, booking_id, days=6)
    world.wait(lambda: _receipts(world, booking_id) >= 3, what="both webhooks")
    world.settle()
    _expect(_starts(world, booking_id, last), "the newer time stands")
    return "the newer time stands, everywhere"


def outage(world: World) -> str:
    """A target that answers 503, and five changes meanwhile."""
    booking_id = _booked(world)
    world.sim("break", target=CALENDAR)
    world.stand_in(CALENDAR, "/_calls", "DELETE")
    for days in range(1, 6):
        last = _move(world, booking_id, days=days)
        world.wait(lambda last=last: _starts(world, booking_id, last), what="the move")  # type: ignore[misc]
    so_far = len(world.stand_in(CALENDAR, "/_calls"))
    # An attempt tries three times with what was wanted when it began; the fourth call is a newer one's.
    world.wait(lambda: len(world.stand_in(CALENDAR, "/_calls")) > so_far + TRIES, what="calls that fail")
    world.sim("heal", target=CALENDAR)
    world.settle()
    made = [call for call in world.stand_in(CALENDAR, "/_calls") if (call["status"] or 503) < 300]
    written = [call for call in made if call["call"] in ("insert", "update", "patch")]
    _expect(len(written) == 1, f"one call settles five changes, not {len(written)}")
    _expect(_entry_starts(world).count(_second(last)) >= 1, "the calendar shows the last time")
    return "five changes, one call once it serves again"


def lost_reply(world: World) -> str:
    """The calendar does what it was told, and its answer is lost."""
    before = len(_entry_starts(world))
    world.sim("break", target=CALENDAR, kind="lost-reply", times=1)
    _booked(world)
    _expect(len(_entry_starts(world)) == before + 1, "one booking is one entry")
    return "asked again, and still one entry"


def no_show(world: World) -> str:
    """A mark that no webhook tells of, and its undoing."""
    booking_id, attendee = _past(world)
    mail = attendee["email"]
    before = _counted(world, mail)
    world.sim("no-show", booking=booking_id, attendee=attendee["attendee_id"])
    world.wait(lambda: _counted(world, mail) == before + 1, what="the counter of the CRM going up")
    world.sim("no-show", booking=booking_id, attendee=attendee["attendee_id"], undo=True)
    world.wait(lambda: _counted(world, mail) == before, what="the counter of the CRM going down")
    world.settle()
    return f"counted up to {before + 1} in the CRM, and down to {before}"


def group(world: World) -> str:
    """One guest of a group stays away."""
    hour = next(one for one in world.items("/bookings") if len(one["attendees"]) > 2)
    gone = hour["attendees"][-1]["attendee_id"]
    world.sim("cancel", booking=hour["booking_id"], attendee=gone, reason="no time")
    world.wait(lambda: _left(world, hour["booking_id"], gone), what="the guest leaving")
    world.settle()
    _expect(world.booking(hour["booking_id"])["status"] == "active", "the others still meet")
    return "one guest less, the meeting stays"


def cancelled(world: World) -> str:
    """A cancellation, which removes the entry."""
    booking_id = _booked(world)
    before = len(_entry_starts(world))
    world.sim("cancel", booking=booking_id, reason="changed plans")
    world.wait(lambda: world.booking(booking_id)["status"] == "cancelled", what="the cancellation")
    world.wait(lambda: len(_entry_starts(world)) == before - 1, what="the entry going", within=60)
    return "the entry is gone, the fact stays"


def provider_away(world: World) -> str:
    """The provider's API answers 500 for a while."""
    booking_id = _booked(world)
    world.sim("break", target=PROVIDER, status=500, times=3)
    moved = _move(world, booking_id, days=6)
    world.wait(lambda: _starts(world, booking_id, moved), what="the move, once the provider answers")
    world.sim("heal", target=PROVIDER)
    return "asked again until it answered"


def hub_killed(world: World) -> str:
    """`kill -9` of the hub, and changes while it is away."""
    booking_id = _booked(world)
    world.kill()
    moved = _move(world, booking_id, days=7)
    new = world.act(act="book")["id"]
    world.start()
    world.wait(lambda: _starts(world, booking_id, moved), what="the move it slept through", within=60)
    world.wait(lambda: _knows(world, new), what="the booking it slept through", within=60)
    world.settle()
    return "started again, both changes found"


def server_killed(world: World) -> str:
    """`kill -9` of nats-server under the running hub."""
    world.kill_server()
    booking_id = world.act(act="book")["id"]
    world.wait(lambda: _knows(world, booking_id), what="the booking", within=60)
    world.settle()
    return "started again by the hub, nothing missing"


SCENES: Sequence[tuple[str, Scene]] = (
    ("history", history),
    ("a move", move),
    ("webhook doubled", doubled),
    ("webhook lost", lost),
    ("webhook late", late),
    ("webhooks reordered", reordered),
    ("target out of order", outage),
    ("reply lost", lost_reply),
    ("no-show", no_show),
    ("guest leaves a group", group),
    ("cancellation", cancelled),
    ("provider fails", provider_away),
    ("hub killed", hub_killed),
    ("nats-server killed", server_killed),
)


def with_mishap(world: World, mishap: str, act: Callable[[], str]) -> str:
    """Let the webhooks of one act meet this."""
    world.stand_in(PROVIDER, "/_switches", "POST", {mishap: 1})
    try:
        return act()
    finally:
        world.stand_in(PROVIDER, "/_switches", "POST", {mishap: 0})


def _booked(world: World) -> str:
    """A new booking that has arrived everywhere."""
    booking_id = str(world.act(act="book")["id"])
    world.wait(lambda: _knows(world, booking_id), what="a new booking")
    world.settle()
    return booking_id


def _move(world: World, booking_id: str, *, days: int) -> str:
    start = (datetime.now(UTC) + timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    return str(world.act(act="move", id=booking_id, start=start.isoformat())["start"])


def _knows(world: World, booking_id: str) -> bool:
    return any(one["booking_id"] == booking_id for one in world.items("/bookings"))


def _starts(world: World, booking_id: str, start: str) -> bool:
    return same_time(world.booking(booking_id)["start"], start)


def _moves(world: World, booking_id: str) -> int:
    return sum(event["type"] == "BookingRescheduled" for event in world.events(booking_id))


def _receipts(world: World, booking_id: str) -> int:
    return len(list(world.api.items("/inbox", [("booking", booking_id)], limit=None)))


def _left(world: World, booking_id: str, attendee_id: str) -> bool:
    attendees = world.booking(booking_id)["attendees"]
    return any(one["attendee_id"] == attendee_id and one["removed"] for one in attendees)


def _past(world: World) -> tuple[str, dict[str, Any]]:
    """A meeting that is over, with a guest whom the CRM knows."""
    now, known = datetime.now(UTC), world.stand_in(CRM, "/_objects")
    for booking in world.items("/bookings"):
        over = datetime.fromisoformat(booking["end"]) < now and booking["status"] == "active"
        for attendee in booking["attendees"] if over else ():
            if not attendee["no_show"] and f"contacts/{attendee['email']}" in known:
                return booking["booking_id"], attendee
    raise DemoError("no meeting is over whose guest the CRM knows")


def _counted(world: World, mail: str) -> int:
    """How many no-shows the CRM shows for somebody."""
    shown = world.stand_in(CRM, "/_objects").get(f"contacts/{mail}", {})
    return int(shown.get("hub_no_show_count") or 0)


def _entry_starts(world: World) -> list[str]:
    """When the entries of the calendar begin."""
    entries = world.stand_in(CALENDAR, "/_objects").values()
    return sorted(_second(entry["start"]["dateTime"]) for entry in entries)


def _second(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="seconds")


def _expect(holds: bool, promise: str) -> None:
    if not holds:
        raise DemoError(f"not kept: {promise}")
