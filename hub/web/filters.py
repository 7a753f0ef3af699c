"""Selectors as SQL: what a list shows and what an act touches are chosen by the same conditions."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ColumnElement, Text, and_, cast, exists, or_, type_coerce
from sqlmodel import Session, col, select

from hub.store import checkpoints, guard
from hub.store.tables import (
    AttendeeRow,
    BookingRow,
    ContactRow,
    DeliveryRow,
    InboxRow,
    ProviderIdRow,
    TimelineRow,
)
from hub.web import refs
from hub.web.selectors import HELD, Selection

Condition = ColumnElement[bool]

_OF_BOOKING = ("contact", "host", "meeting_type")


@dataclass(frozen=True, slots=True)
class Chooser:
    """Turns one selection into conditions on any of the tables, in one session."""

    session: Session
    selection: Selection
    generation: int

    @classmethod
    def of(cls, session: Session, selection: Selection) -> "Chooser":
        """The chooser over the generation that is served now."""
        live = checkpoints.live(session)
        return cls(session, selection, live.generation if live else 0)

    def bookings(self) -> list[Condition]:
        """Conditions on bookings; a booking is recorded whenever one of its facts is."""
        chosen = [col(BookingRow.generation) == self.generation, *self._of_bookings()]
        chosen += self._one_of(BookingRow.status, "state")
        return chosen + self._of_facts(col(TimelineRow.booking_id) == col(BookingRow.booking_id))

    def contacts(self) -> list[Condition]:
        """Conditions on contacts; they are recorded with the newest fact of their bookings."""
        chosen = [col(ContactRow.generation) == self.generation]
        chosen += self._of_facts(col(TimelineRow.position) == col(ContactRow.position))
        ids = self._contact_ids()
        if ids is not None:
            chosen.append(col(ContactRow.contact_id).in_(ids))
        if self._narrows_bookings(("booking", "source", "host", "meeting_type")):
            attending = select(AttendeeRow.contact_id).where(
                AttendeeRow.generation == self.generation,
                col(AttendeeRow.booking_id).in_(self._booking_ids()),
            )
            chosen.append(col(ContactRow.contact_id).in_(attending))
        return chosen

    def events(self) -> list[Condition]:
        """Conditions on the timeline."""
        chosen = [col(TimelineRow.generation) == self.generation, *self._recorded()]
        chosen += self._one_of(TimelineRow.source, "source") + self._one_of(TimelineRow.type, "type")
        return chosen + self._on_bookings(TimelineRow.booking_id, ("booking", *_OF_BOOKING))

    def deliveries(self) -> list[Condition]:
        """Conditions on delivery rows."""
        chosen = self._one_of(DeliveryRow.sink, "sink") + self._of_delivery_states()
        if self.selection.any_of("event"):
            named = self.selection.any_of("event")
            ids = [refs.one_event(self.session, self.generation, ref).event_id for ref in named]
            chosen.append(col(DeliveryRow.event_id).in_(ids))
        chosen += self._one_of(DeliveryRow.event_type, "type")
        chosen += self._of_facts(col(TimelineRow.position) == col(DeliveryRow.position))
        return chosen + self._on_bookings(DeliveryRow.booking_id, ("booking", "source", *_OF_BOOKING))

    def receipts(self) -> list[Condition]:
        """Conditions on inbox receipts, whose time is that of their arrival."""
        chosen = self._one_of(InboxRow.source, "source") + self._one_of(InboxRow.kind, "type")
        chosen += self._one_of(InboxRow.status, "state")
        times = self.selection.times
        if "since" in times:
            chosen.append(col(InboxRow.received_at) >= times["since"])
        if "until" in times:
            chosen.append(col(InboxRow.received_at) < times["until"])
        if self.selection.any_of("booking"):
            halves = exists().where(
                col(ProviderIdRow.generation) == self.generation,
                col(ProviderIdRow.source) == col(InboxRow.source),
                col(ProviderIdRow.provider_id) == col(InboxRow.provider_id),
                col(ProviderIdRow.booking_id).in_(self._named_bookings()),
            )
            chosen.append(halves)
        return chosen

    def _of_delivery_states(self) -> list[Condition]:
        """`held` among the states selects what the guard holds, beside whole states."""
        states = self.selection.any_of("state")
        held = and_(col(DeliveryRow.guard) == guard.HELD, col(DeliveryRow.state) == "pending")
        if HELD not in states:
            return self._one_of(DeliveryRow.state, "state")
        return [or_(held, col(DeliveryRow.state).in_([state for state in states if state != HELD]))]

    def _one_of(self, column: Any, name: str) -> list[Condition]:
        values = self.selection.any_of(name)
        return [col(column).in_(values)] if values else []

    def _on_bookings(self, column: Any, names: tuple[str, ...]) -> list[Condition]:
        return [col(column).in_(self._booking_ids())] if self._narrows_bookings(names) else []

    def _narrows_bookings(self, names: tuple[str, ...]) -> bool:
        chosen = self.selection
        return any(chosen.any_of(name) for name in names) or bool({"from", "to"} & set(chosen.times))

    def _booking_ids(self) -> Any:
        return select(BookingRow.booking_id).where(
            BookingRow.generation == self.generation, *self._of_bookings()
        )

    def _of_bookings(self) -> list[Condition]:
        chosen: list[Condition] = self._one_of(BookingRow.source, "source")
        times = self.selection.times
        if "from" in times:
            chosen.append(col(BookingRow.start) >= times["from"])
        if "to" in times:
            chosen.append(col(BookingRow.start) < times["to"])
        if self.selection.any_of("booking"):
            chosen.append(col(BookingRow.booking_id).in_(self._named_bookings()))
        if self.selection.any_of("host"):
            chosen.append(or_(*(_has_host(name) for name in self.selection.any_of("host"))))
        if self.selection.any_of("meeting_type"):
            chosen.append(or_(*(_is_of_type(name) for name in self.selection.any_of("meeting_type"))))
        ids = self._contact_ids()
        if ids is not None:
            attended = select(AttendeeRow.booking_id).where(
                AttendeeRow.generation == self.generation, col(AttendeeRow.contact_id).in_(ids)
            )
            chosen.append(col(BookingRow.booking_id).in_(attended))
        return chosen

    def _named_bookings(self) -> list[str]:
        named = self.selection.any_of("booking")
        return [refs.one_booking(self.session, self.generation, ref).booking_id for ref in named]

    def _contact_ids(self) -> list[str] | None:
        named = self.selection.any_of("contact")
        if not named:
            return None
        return [id for ref in named for id in refs.contact_ids(self.session, self.generation, ref)]

    def _recorded(self) -> list[Condition]:
        """When a fact came into the log."""
        times = self.selection.times
        chosen: list[Condition] = []
        if "since" in times:
            chosen.append(col(TimelineRow.recorded_at) >= times["since"])
        if "until" in times:
            chosen.append(col(TimelineRow.recorded_at) < times["until"])
        return chosen

    def _of_facts(self, same: Condition) -> list[Condition]:
        """That one of the facts a row is about was recorded at the time asked for."""
        recorded = self._recorded()
        served = col(TimelineRow.generation) == self.generation
        return [exists().where(served, same, *recorded)] if recorded else []


def _has_host(name: str) -> Condition:
    """A host's id, mail or name, as a whole member of the stored hosts; databases differ in escapes."""
    hosts = cast(type_coerce(col(BookingRow.state), JSON)["hosts"], Text)
    written = {json.dumps(name), json.dumps(name, ensure_ascii=False)}
    return or_(*(hosts.icontains(text, autoescape=True) for text in sorted(written)))


def _is_of_type(name: str) -> Condition:
    """A meeting type's id, slug or name; `*` stands for anything."""
    columns = [
        col(BookingRow.meeting_type_id),
        col(BookingRow.meeting_type_slug),
        col(BookingRow.meeting_type_name),
    ]
    if "*" not in name:
        return or_(*(column == name for column in columns))
    pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    return or_(*(column.ilike(pattern, escape="\\") for column in columns))
