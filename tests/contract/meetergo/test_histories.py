"""Whatever happens at the provider, webhooks and API tell of the same facts."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.meetergo.simulated.asked import BookingDto, CancelDto
from adapters.meetergo.simulated.company import FIRST_TALK, OPEN_HOUR, example_company
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.shapes import detail, row
from adapters.meetergo.simulated.state import Appointment, Subscription, Switches
from events import Booking, BookingEvent, BookingSnapshot
from events.derive import derive, fold
from events.versions import cut
from tests.contract.meetergo.comparing import disagreements, with_contacts
from tests.contract.meetergo.stand_in import (
    BOOKING_EVENTS,
    DENIZ,
    MARA,
    MONDAY,
    at,
    shown_by_row,
    shown_by_webhook,
)

ONLY_ROWS_SHOW = {"group", "notes", "guests"}
"""Details that no webhook shows, so that the first row seen after one teaches them."""

Choice = tuple[str, int, int]
choices = st.lists(
    st.tuples(
        st.sampled_from(["book", "join", "move", "cancel", "leave", "no_show", "undo", "note", "guest"]),
        st.integers(0, 5),
        st.integers(0, 40),
    ),
    max_size=25,
)


class World:
    """A company in memory whose webhooks and API are compared after every act."""

    def __init__(self) -> None:
        self.now = MONDAY
        state = example_company()
        state.switches = Switches(quiet=frozenset())
        hub = Subscription(id="hub", endpoint="x", event_types=BOOKING_EVENTS, created_at=MONDAY)
        state.subscriptions.append(hub)
        self.provider = Provider(state, clock=lambda: self.now)
        self._numbers = count()

    def act(self, what: str, which: int, by: int) -> None:
        """One act, if there is something to act on."""
        self.now += timedelta(seconds=1)
        active = [a for a in self.provider.state.appointments.values() if a.is_active]
        if what in ("book", "join") or not active:
            self._book(group=what == "join", start=at(26 + which % 3, 9))
            return
        self._change(what, active[which % len(active)], by)

    def _book(self, *, group: bool, start: datetime) -> None:
        who = f"guest{next(self._numbers)}"
        body = {
            "meetingTypeId": OPEN_HOUR if group else FIRST_TALK,
            "start": start.isoformat(),
            "hostIds": [DENIZ if group else MARA],
            "ignoreAvailability": True,
            "attendee": {
                "email": f"{who}@kunde.example",
                "fullname": who,
                "bringalongEmails": [f"{who}s.friend@kunde.example"] if start.day == 26 else [],
                "receiveReminders": True,
                "notes": {},
            },
        }
        group_starts = [a for a in self.provider.state.appointments.values() if a.start == start]
        if not any(len(a.attendees) == 6 for a in group_starts):
            self.provider.desk.book(BookingDto.model_validate(body))

    def _change(self, what: str, about: Appointment, by: int) -> None:
        attendee = about.attendees[by % len(about.attendees)]
        provider = self.provider
        acts: dict[str, Callable[[], object]] = {
            "move": lambda: provider.reschedule(
                about.id, at(26, 8) + timedelta(hours=by), ignore_availability=True
            ),
            "cancel": lambda: provider.cancel(
                about.id,
                CancelDto(cancelAll=True, reason=f"weil {by}"),
                by_guest=bool(by % 2),
                who=attendee.id,
            ),
            "leave": lambda: provider.cancel(
                about.id, CancelDto(attendeeId=attendee.id), by_guest=True, who=attendee.id
            ),
            "no_show": lambda: provider.mark(attendee.id),
            "undo": lambda: provider.mark(attendee.id, missed=False),
            "note": lambda: provider.write_note(about.id, f"note {by}"),
            "guest": lambda: provider.add_guest(about.id, attendee.id, f"friend{by}@kunde.example"),
        }
        acts[what]()

    def webhooks(self) -> list[BookingSnapshot]:
        """What was announced since the last question."""
        letters = self.provider.records.post.take_due(self.now, everything=True)
        return [with_contacts(shown_by_webhook(letter.body)) for letter in letters]

    def rows(self) -> dict[str, BookingSnapshot]:
        appointments = self.provider.state.appointments.values()
        return {one.id: with_contacts(shown_by_row(row(one, self.provider.state))) for one in appointments}


@settings(max_examples=150)
@example([("join", 0, 0), ("join", 0, 0), ("guest", 0, 0), ("leave", 0, 0)])
@given(choices)
def test_in_any_history_both_sides_tell_of_the_same_facts(acts: Sequence[Choice]) -> None:
    world = World()
    heard: dict[str, list[BookingEvent]] = {}
    polled: dict[str, Booking] = {}
    for act in acts:
        world.act(*act)
        for webhook in world.webhooks():
            row_now = world.rows()[webhook.provider_id]
            assert set(disagreements(webhook, row_now)) == set()
            history = heard.setdefault(webhook.provider_id, [])
            history += derive(fold(history), webhook)
            learnt = derive(fold(history), row_now)
            assert {type_of(fact) for fact in learnt} <= {"details", "mark"}, "the webhook left something out"
            for fact in learnt:
                assert set(getattr(fact, "changed", ())) <= ONLY_ROWS_SHOW
        for appointment_id, snapshot in world.rows().items():
            facts = derive(polled.get(appointment_id), snapshot)
            polled[appointment_id] = facts[-1].booking if facts else polled[appointment_id]
            assert derive(polled[appointment_id], snapshot) == ()
    for appointment_id, history in heard.items():
        ended = fold((*history, *derive(fold(history), world.rows()[appointment_id])))
        assert ended is not None
        assert essentials(ended) == essentials(polled[appointment_id])


def type_of(fact: BookingEvent) -> str:
    """What only the API shows: marks, and details among those named above."""
    if fact.event_type() in ("AttendeeNoShow", "AttendeeNoShowReverted"):
        return "mark"
    if fact.event_type() == "AttendeeDetailsChanged" and getattr(fact, "changed", ()) == ("no_show_flag",):
        return "mark"
    return "details" if fact.event_type() == "BookingDetailsChanged" else fact.event_type()


def essentials(booking: Booking) -> object:
    """What both ways have to end in; times of acts at the precision of a second."""
    return (
        (booking.status, booking.start, booking.end, booking.reschedule_count, booking.link, booking.title),
        sorted((one.attendee_id, one.email, one.no_show_flag) for one in booking.present),
        (booking.notes, {guest.email for guest in booking.guests}),
        booking.cancel and (cut(booking.cancel.at or MONDAY, 0), booking.cancel.by, booking.cancel.reason),
    )


def test_an_appointment_read_by_itself_says_what_its_row_says() -> None:
    world = World()
    world.act("book", 0, 0)
    (made,) = world.provider.state.appointments.values()
    by_row = shown_by_row(row(made, world.provider.state))
    by_itself = shown_by_row(detail(made, world.provider.state))
    for name in by_row.model_fields_set:
        assert getattr(by_row, name) == getattr(by_itself, name), name
    assert by_itself.model_fields_set - by_row.model_fields_set == {"company_slug", "meeting_type_slug"}
