"""What a provider, or an enemy, may show of one booking."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from events import AttendeeSnapshot, BookingSnapshot
from events.snapshot import GuestSnapshot
from events.state import Cancel, Host
from tests.factories import CREATED, NOON, at, attendee, contact_of, snapshot

PEOPLE = ("a1", "a2", "a3", "a4")
STARTS = tuple(NOON + timedelta(days=n) for n in range(4))

MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "title": st.sampled_from([None, "", "Beratung", "Demo"]),
    "location": st.sampled_from([None, "", "Atelier", "Galerie"]),
    "link": st.sampled_from([None, "https://a.example", "https://b.example"]),
    "notes": st.sampled_from([None, "call first"]),
    "metadata": st.sampled_from([None, {}, {"k": "v"}]),
    "answers": st.sampled_from([None, {"q": 1}]),
    "group": st.sampled_from([None, True, False]),
    "previous_start": st.sampled_from([None, *STARTS]),
    "rescheduled_at": st.sampled_from([None, at(1), at(2), at(2.005), at(9)]),
    "reschedule_count": st.sampled_from([None, 0, 1, 3]),
    "meeting_type_slug": st.sampled_from([None, "demo"]),
    "hosts": st.sampled_from([(), (Host(id="h1"),), (Host(id="h2", name="Deniz"),)]),
    "guests": st.sampled_from([(), (GuestSnapshot(email="g@x.example", contact_id="c-g@x.example"),)]),
    "cancel": st.sampled_from([None, Cancel(), Cancel(at=at(3), reason="ill"), Cancel(actor="host")]),
    "created_at": st.sampled_from([CREATED, CREATED + timedelta(milliseconds=412)]),
    "replaces": st.sampled_from([None, "b0"]),
    "reason": st.sampled_from([None, "later please"]),
}


@st.composite
def attendee_snapshots(draw: st.DrawFn) -> tuple[AttendeeSnapshot, ...]:
    chosen = draw(st.lists(st.sampled_from(PEOPLE), unique=True, max_size=4))
    people = []
    for name in chosen:
        email = draw(st.sampled_from([None, f"{name}@kunde.example", f"{name}.new@kunde.example"]))
        members: dict[str, Any] = {"attendee_id": name, "contact_id": contact_of(name, email), "name": name}
        if draw(st.booleans()):
            members["email"] = email
        if draw(st.booleans()):
            members["no_show"] = draw(st.sampled_from([None, True, False]))
            members["no_show_at"] = draw(st.sampled_from([None, at(1), at(4)]))
        people.append(AttendeeSnapshot(**members))
    return tuple(people)


@st.composite
def any_snapshots(draw: st.DrawFn) -> BookingSnapshot:
    """Anything a source could possibly show, consistent with nothing."""
    start = draw(st.sampled_from(STARTS))
    version = draw(st.sampled_from([at(1), at(2), at(2.005), at(2.01), at(3)]))
    members: dict[str, Any] = {
        "source": "meetergo",
        "provider_id": "b1",
        "origin": draw(st.sampled_from(["api", "payload"])),
        "seen_at": at(10),
        "start": start,
        "end": start + timedelta(minutes=draw(st.sampled_from([30, 45]))),
        "cancelled": draw(st.booleans()),
        "attendees": draw(attendee_snapshots()),
        "version": version,
        "version_precision": draw(st.sampled_from([0, 3])),
        "updated_at": version,
    }
    for name in draw(st.lists(st.sampled_from(sorted(MEMBERS)), unique=True)):
        members[name] = draw(MEMBERS[name])
    return BookingSnapshot(**members)


@dataclass(frozen=True)
class Provider:
    """One booking at a provider that tells the truth: every change gives one webhook."""

    now: int = 0
    start: datetime = NOON
    previous_start: datetime | None = None
    rescheduled_at: datetime | None = None
    people: tuple[str, ...] = ("a1",)
    marks: dict[str, datetime] = field(default_factory=dict)
    cancelled_at: datetime | None = None
    told: tuple[BookingSnapshot, ...] = ()

    def change(self, action: str, who: str, seconds: int) -> "Provider":
        if self.cancelled_at:
            return self
        later = replace(self, now=self.now + seconds)
        match action:
            case "move":
                days = 1 + PEOPLE.index(who)
                new = self.start + timedelta(days=days)
                later = replace(later, start=new, previous_start=self.start, rescheduled_at=later.time)
            case "join" if who not in self.people:
                later = replace(later, people=(*self.people, who))
            case "leave" if who in self.people and len(self.people) > 1:
                later = replace(later, people=tuple(p for p in self.people if p != who))
            case "no-show" if who in self.people and who not in self.marks:
                later = replace(later, marks={**self.marks, who: later.time})
            case "cancel":
                later = replace(later, cancelled_at=later.time)
            case _:
                return self
        return replace(later, told=(*self.told, later.show(moved=action == "move")))

    @property
    def time(self) -> datetime:
        return at(self.now / 60)

    def show(self, *, moved: bool = False) -> BookingSnapshot:
        people = tuple(
            attendee(name, no_show=name in self.marks, no_show_at=self.marks.get(name))
            for name in self.people
        )
        more: dict[str, Any] = {"previous_start": self.previous_start} if moved else {}
        return snapshot(
            attendees=people,
            start=self.start,
            version=self.time,
            rescheduled_at=self.rescheduled_at,
            cancelled=self.cancelled_at is not None,
            cancel=Cancel(at=self.cancelled_at, reason="ill") if self.cancelled_at else None,
            **more,
        )

    @property
    def ends_in(self) -> dict[str, Any]:
        """The promise: times, status, attendees still there, standing marks."""
        since = self.rescheduled_at
        return {
            "start": self.start,
            "status": "cancelled" if self.cancelled_at else "active",
            "attendees": sorted(self.people),
            "marks": sorted(
                p for p in self.people if p in self.marks and (not since or self.marks[p] > since)
            ),
        }


@st.composite
def providers(draw: st.DrawFn, *, apart: st.SearchStrategy[int], max_changes: int = 6) -> Provider:
    """A booking with a life behind it; `apart` draws the seconds between two changes."""
    first = Provider()
    provider = replace(first, told=(first.show(),))
    actions = st.sampled_from(["move", "move", "join", "leave", "no-show", "cancel"])
    for _ in range(draw(st.integers(1, max_changes))):
        provider = provider.change(draw(actions), draw(st.sampled_from(PEOPLE)), draw(apart))
    return provider
