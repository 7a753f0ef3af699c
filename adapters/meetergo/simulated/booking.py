"""How an appointment comes about: booked, joined, or once somebody gave their word."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.meetergo.simulated.asked import AttendeeDto, BookingDto
from adapters.meetergo.simulated.records import Records
from adapters.meetergo.simulated.refusals import not_found, refused, slot_occupied
from adapters.meetergo.simulated.slots import is_free
from adapters.meetergo.simulated.state import Appointment, Attendee, Kind, Provisional

LINKS = "https://connect.meetings.example/r"


@dataclass(frozen=True, slots=True)
class Series:
    """An appointment that repeats; no page shows how one is booked, so only people at the provider can."""

    count: int
    every_days: int = 7


class BookingDesk:
    """Takes bookings for one company."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._state = records.state

    def book(self, dto: BookingDto, *, series: Series | None = None) -> Appointment | Provisional:
        """Make a booking, join a group's, or have it wait for somebody's word."""
        kind = self._state.kind_named(dto.meeting_type_id)
        if kind is None:
            raise not_found("Meeting type")
        group = self._group_to_join(dto, kind)
        if group:
            return self._join(group, dto)
        host_ids = self._hosts(dto, kind)
        if kind.confirmation != "none":
            return self._wait(dto, kind, host_ids)
        first = self._make(dto, kind, host_ids)
        return self._repeat(first, dto, kind, series) if series else first

    def confirm(self, provisional_id: str) -> Appointment:
        """The word that a provisional booking waited for."""
        waiting = self._state.provisional.get(provisional_id)
        if waiting is None or waiting.deleted_at:
            raise not_found("Provisional booking")
        over = waiting.model_copy(update={"deleted_at": self._records.now})
        self._state.provisional[provisional_id] = over
        dto = BookingDto.model_validate(waiting.dto)
        return self._make(dto, self._state.kinds[waiting.kind_id], waiting.host_ids)

    def check_free(
        self, kind: Kind, host_ids: Sequence[str], start: datetime, *, moving: str | None = None
    ) -> None:
        """RefusedError unless these hosts have time then."""
        if not self._is_free(kind, host_ids, start, moving=moving):
            raise slot_occupied()

    def _is_free(
        self, kind: Kind, host_ids: Sequence[str], start: datetime, *, moving: str | None = None
    ) -> bool:
        return start > self._records.now and is_free(self._state, kind, host_ids, start, moving=moving)

    def _group_to_join(self, dto: BookingDto, kind: Kind) -> Appointment | None:
        if not kind.is_group:
            return None
        for appointment in self._state.appointments.values():
            named, same = dto.appointment_id == appointment.id, dto.start == appointment.start
            fits = named if dto.appointment_id else same
            if fits and appointment.is_active and appointment.kind_id == kind.id:
                if len(appointment.attendees) >= kind.spots:
                    raise slot_occupied()
                return appointment
        return None

    def _join(self, before: Appointment, dto: BookingDto) -> Appointment:
        attendee = self._attendee(dto.attendee)
        joined = self._records.replace(
            before,
            attendees=(*before.attendees, attendee),
            shows_guests=before.shows_guests or bool(attendee.guests),
            updated_at=self._records.now,
        )
        self._records.announce("booking_created", joined)
        return joined

    def _hosts(self, dto: BookingDto, kind: Kind) -> tuple[str, ...]:
        """Who takes the meeting: those named, or of a queue the first who has time."""
        if dto.queue_id is None and not dto.host_ids:
            raise refused(400, "Expected hostIds or queueId")
        if dto.queue_id is not None and dto.queue_id != kind.queue_id:
            raise not_found("Queue")
        named = tuple(dto.host_ids or ())
        choices: Iterable[tuple[str, ...]] = [named] if named else [(host_id,) for host_id in kind.host_ids]
        for host_ids in choices:
            if not set(host_ids) <= set(self._state.hosts):
                raise not_found("User")
            if dto.ignore_availability or self._is_free(kind, host_ids, dto.start):
                return host_ids
        raise slot_occupied()

    def _wait(self, dto: BookingDto, kind: Kind, host_ids: tuple[str, ...]) -> Provisional:
        waiting = Provisional(
            id=self._state.new_id("provisional"),
            dto=dto.model_dump(mode="json", by_alias=True, exclude_unset=True),
            type=kind.confirmation,
            created_at=self._records.now,
            host_ids=host_ids,
            kind_id=kind.id,
        )
        self._state.provisional[waiting.id] = waiting
        return waiting

    def _make(self, dto: BookingDto, kind: Kind, host_ids: tuple[str, ...]) -> Appointment:
        now, new_id, by_phone = self._records.now, self._state.new_id("appointment"), dto.phone_only_booking
        made = Appointment(
            id=new_id,
            secret=f"NOT-A-REAL-SECRET-{self._state.new_id('secret')}",
            kind_id=kind.id,
            start=dto.start,
            end=dto.start + timedelta(minutes=dto.duration or kind.minutes),
            host_ids=host_ids,
            attendees=(self._attendee(dto.attendee),),
            created_at=now,
            updated_at=now,
            channel="phone-incoming" if by_phone else kind.channel,
            link=None if by_phone else f"{LINKS}/{kind.slug}-{new_id[:8]}",
            location=kind.location,
            payment={"id": dto.payment_id, "status": "paid"} if dto.payment_id else None,
            replaces=dto.rescheduled_from_id,
            shows_guests=bool(dto.attendee.bringalong_emails),
        )
        self._records.keep(made)
        self._records.announce("booking_created", made)
        return made

    def _repeat(self, first: Appointment, dto: BookingDto, kind: Kind, series: Series) -> Appointment:
        name = self._state.new_id("series")
        first = self._records.replace(first, series=name)
        for index in range(1, series.count):
            start = dto.start + timedelta(days=series.every_days * index)
            later = self._make(dto.model_copy(update={"start": start}), kind, first.host_ids)
            self._records.replace(later, series=name)
        return first

    def _attendee(self, dto: AttendeeDto) -> Attendee:
        whole = dto.fullname or " ".join(name for name in (dto.firstname, dto.lastname) if name)
        first, _, last = whole.partition(" ")
        return Attendee(
            id=self._state.new_id("attendee"),
            email=dto.email,
            firstname=dto.firstname or first,
            lastname=dto.lastname or last,
            fullname=whole,
            phone=dto.phone,
            timezone=dto.timezone or self._state.timezone,
            language=dto.language or "de",
            guests=tuple(dto.bringalong_emails or ()),
        )
