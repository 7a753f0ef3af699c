"""The folded state of a booking: what its history says so far.

Every event carries this state as it is after that event, so the fold of a history is the state of
its newest event and consumers need no look-back. The transitions are pure; `derive` calls them.
Personal members are sealed at the log's edge (`events.personal`).
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of all values in here: immutable, unknown members refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MeetingType(Frozen):
    """What kind of meeting was booked."""

    id: str | None = None
    slug: str | None = None
    name: str | None = None


class Host(Frozen):
    """A member of the company; hosts are not guests and are not sealed."""

    id: str
    email: str | None = None
    name: str | None = None


class Guest(Frozen):
    """A person brought along by mail address only; has no attendee id at the provider."""

    contact_id: str
    email: str | None = None


class Payment(Frozen):
    """What the provider says of the payment; amounts are text as the provider wrote them."""

    id: str | None = None
    status: str | None = None
    amount: str | None = None
    currency: str | None = None


class Cancel(Frozen):
    """Who cancelled the booking, when and why, as far as known."""

    at: datetime | None = None
    by: str | None = None
    actor: str | None = None
    reason: str | None = None


class NoShowMark(Frozen):
    """A standing no-show: it belongs to the start it was made for (None: an earlier, unknown one)."""

    start: datetime | None = None
    at: datetime | None = None


class Attendee(Frozen):
    """A guest with an id at the provider, and what this booking adds to the counters of their contact.

    `no_show` is the mark on the present start, `no_show_flag` the provider's raw flag as last seen:
    a move closes the mark and keeps the flag, so that only a change of the flag marks again.
    """

    attendee_id: str
    contact_id: str
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    timezone: str | None = None
    language: str | None = None
    added_at: datetime | None = None
    removed: bool = False
    removed_at: datetime | None = None
    no_show: bool = False
    no_show_at: datetime | None = None
    no_show_flag: bool = False
    marks: tuple[NoShowMark, ...] = ()
    reschedules: int = 0
    removals: int = 0
    cancelled: bool = False
    former_contact_ids: tuple[str, ...] = ()

    def marked(self, *, start: datetime | None, at: datetime, present: bool) -> "Attendee":
        """The flag turned true for this start; `present` says whether it is the booking's start now."""
        marks = tuple(mark for mark in self.marks if mark.start != start)
        return self.model_copy(
            update={
                "no_show_flag": True,
                "no_show": present,
                "no_show_at": at if present else None,
                "marks": (*marks, NoShowMark(start=start, at=at)),
            }
        )

    def unmarked(self, *, start: datetime) -> "Attendee":
        """The flag was taken back while the mark stood."""
        marks = tuple(mark for mark in self.marks if mark.start != start)
        return self.model_copy(
            update={"no_show_flag": False, "no_show": False, "no_show_at": None, "marks": marks}
        )

    def moved_along(self) -> "Attendee":
        """The booking moved: closes the mark, also of somebody gone who may come back; counts if present."""
        return self.model_copy(
            update={
                "no_show": False,
                "no_show_at": None,
                "reschedules": self.reschedules + (not self.removed),
            }
        )


class Booking(Frozen):
    """One booking after all facts of its history.

    `booking_id` is the root of a chain of replacements and `provider_id` the half that counts now.
    `version` is the provider's `updatedAt`, known to `version_precision` digits of a second;
    `settled` is false between two facts of one derivation. `ordinals` counts facts by type and
    object, so that the same change happening twice gets two ids. `position` is where the state
    stands in the log, `time_position` where the fact stands that gave the booking its present time (0:
    not known); whoever loads it sets them, they are not part of the event.
    """

    source: str
    provider_id: str
    booking_id: str
    provider_ids: tuple[str, ...]
    status: Literal["active", "cancelled"] = "active"
    start: datetime
    end: datetime
    title: str | None = None
    meeting_type: MeetingType | None = None
    previous_start: datetime | None = None
    previous_end: datetime | None = None
    rescheduled_at: datetime | None = None
    reschedule_count: int = 0
    last_reason: str | None = None
    hosts: tuple[Host, ...] = ()
    attendees: tuple[Attendee, ...] = ()
    guests: tuple[Guest, ...] = ()
    booker: str | None = None
    group: bool | None = None
    location: str | None = None
    link: str | None = None
    channel: str | None = None
    notes: str | None = None
    answers: dict[str, Any] | None = None
    payment: Payment | None = None
    cancel: Cancel | None = None
    company_slug: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    related: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    fact_at: datetime | None = None
    version: datetime | None = None
    version_precision: int = 0
    version_origin: Literal["api", "payload"] = "payload"
    settled: bool = True
    ordinals: dict[str, int] = Field(default_factory=dict)
    position: int = Field(default=0, exclude=True)
    time_position: int = Field(default=0, exclude=True)

    @property
    def present(self) -> tuple[Attendee, ...]:
        """The attendees who have not left."""
        return tuple(attendee for attendee in self.attendees if not attendee.removed)

    @property
    def timezone(self) -> str | None:
        """The time zone of the first attendee, IANA."""
        return next((a.timezone for a in (*self.present, *self.attendees) if a.timezone), None)

    @property
    def no_show(self) -> Literal["none", "some", "all"]:
        """How many of those present at the booking are marked on its present start."""
        marked = sum(attendee.no_show for attendee in self.present)
        if not marked:
            return "none"
        return "all" if marked == len(self.present) else "some"

    def attendee(self, attendee_id: str) -> Attendee | None:
        """The attendee with this id, gone or not."""
        return next((a for a in self.attendees if a.attendee_id == attendee_id), None)

    def with_attendee(self, changed: Attendee, *, instead_of: str | None = None) -> "Booking":
        """The same booking with this attendee put in the place of the one with the same (or the given) id."""
        old = instead_of or changed.attendee_id
        if self.attendee(old) is None:
            return self.model_copy(update={"attendees": (*self.attendees, changed)})
        return self.model_copy(
            update={"attendees": tuple(changed if a.attendee_id == old else a for a in self.attendees)}
        )

    def moved(self, *, start: datetime, end: datetime, previous_start: datetime | None) -> "Booking":
        """Takes place at another time: marks of the old start are closed but stay counted."""
        duration: timedelta = self.end - self.start
        return self.model_copy(
            update={
                "start": start,
                "end": end,
                "previous_start": previous_start,
                "previous_end": None if previous_start is None else previous_start + duration,
                "reschedule_count": self.reschedule_count + 1,
                "attendees": tuple(a.moved_along() for a in self.attendees),
            }
        )

    def cancelled(self, cancel: Cancel | None) -> "Booking":
        """Does not take place; counts once for everybody present."""
        attendees = tuple(
            a if a.removed else a.model_copy(update={"cancelled": True}) for a in self.attendees
        )
        reason = cancel.reason if cancel else None
        return self.model_copy(
            update={
                "status": "cancelled",
                "cancel": cancel or Cancel(),
                "last_reason": reason or self.last_reason,
                "attendees": attendees,
            }
        )

    def reinstated(self) -> "Booking":
        """The cancellation turned out not to be one: nobody is charged with it."""
        attendees = tuple(
            a.model_copy(update={"cancelled": False}) if a.cancelled else a for a in self.attendees
        )
        return self.model_copy(update={"status": "active", "cancel": None, "attendees": attendees})

    def numbered(self, key: str) -> tuple["Booking", int]:
        """The next ordinal of this kind of fact in this history, from 1."""
        ordinal = self.ordinals.get(key, 0) + 1
        return self.model_copy(update={"ordinals": {**self.ordinals, key: ordinal}}), ordinal
