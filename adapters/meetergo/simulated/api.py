"""meetergo's API over the books of one company: what each call reads or changes, and how it answers."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from adapters.meetergo.simulated import shapes
from adapters.meetergo.simulated.asked import (
    AvailabilityQuery,
    BookingDto,
    CancelDto,
    GuestDto,
    ListQuery,
    NoteDto,
    ProvisionalQuery,
    RescheduleDto,
    SubscriptionDto,
    SubscriptionPatch,
)
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.refusals import invalid_body, invalid_query, not_found, refused
from adapters.meetergo.simulated.slots import Wanted, availability
from adapters.meetergo.simulated.state import Appointment, Host, Provisional
from adapters.meetergo.simulated.subscriptions import Subscriptions
from adapters.simulation import Reply, Request, json_reply

AskedT = TypeVar("AskedT", bound=BaseModel)
ItemT = TypeVar("ItemT")


class Api:
    """Answers admitted requests."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._state = provider.state
        self._subscriptions = Subscriptions(provider.records)

    def answer(self, request: Request, call: str, subject: str, user: Host) -> Reply:
        """The answer to one call, after whatever it does; RefusedError if it does nothing."""
        reply = self._read(request, call, subject, user) or self._subscribed(request, call, subject)
        return reply or self._written(request, call, subject, user)

    def _read(self, request: Request, call: str, subject: str, user: Host) -> Reply | None:
        records = self._provider.records
        match call:
            case "user":
                return json_reply(shapes.user(user, self._state))
            case "appointment":
                return json_reply(shapes.detail(records.read(subject, user), self._state))
            case "appointments":
                query = _queried(ListQuery, request)
                rows = records.listed(query, user)
                page = [shapes.row(one, self._state) for one in _page(rows, query.page, query.page_size)]
                return json_reply({"appointments": page, "total": len(rows)})
            case "provisional":
                return json_reply(self._provisional(_queried(ProvisionalQuery, request)))
            case "availability":
                return json_reply(self._availability(_queried(AvailabilityQuery, request)))
        return None

    def _subscribed(self, request: Request, call: str, subject: str) -> Reply | None:
        match call:
            case "webhooks":
                return json_reply(self._subscriptions.listed())
            case "webhook.create":
                return json_reply(self._subscriptions.add(_told(SubscriptionDto, request)), 201)
            case "webhook.change":
                return json_reply(self._subscriptions.change(subject, _told(SubscriptionPatch, request)))
            case "webhook.remove":
                self._subscriptions.remove(subject)
                return Reply(204)
        return None

    def _written(self, request: Request, call: str, subject: str, user: Host) -> Reply:
        """What changes a booking; where the reference shows an answer it is the state after it."""
        match call:
            case "booking":
                booked = self._provider.desk.book(_told(BookingDto, request))
                return json_reply(_booked(booked), 201)
            case "no_show":
                self._provider.mark(subject)
                return Reply(201)
            case "reschedule":
                move = _told(RescheduleDto, request)
                moved = self._provider.reschedule(
                    subject, move.start, ignore_availability=move.ignore_availability
                )
                return json_reply({"appointment": shapes.row(moved, self._state)})
        return json_reply(shapes.row(self._changed(request, call, subject, user), self._state))

    def _changed(self, request: Request, call: str, subject: str, user: Host) -> Appointment:
        match call:
            case "cancel":
                scope = _told(CancelDto, request)
                return self._provider.cancel(subject, scope, by_guest=False, who=user.id)
            case "note":
                return self._provider.write_note(subject, _told(NoteDto, request).note)
        guest = _told(GuestDto, request)
        act = self._provider.add_guest if call == "guest.add" else self._provider.remove_guest
        return act(subject, guest.attendee_id, guest.email)

    def _availability(self, query: AvailabilityQuery) -> dict[str, Any]:
        if not query.host_ids and query.queue_id is None:
            raise refused(400, "Expected hostIds or queueId")
        kind = self._state.kind_named(query.meeting_type_id)
        if kind is None:
            raise not_found("Meeting type")
        wanted = Wanted(
            kind=kind,
            host_ids=query.host_ids or kind.host_ids,
            start=query.start.astimezone(UTC),
            end=query.end.astimezone(UTC),
            everyone=query.calculation_method == "everyone",
            moving=query.existing_appointment_id,
            with_groups=not query.hide_group_appointments,
        )
        zone = query.timezone or self._state.timezone
        return availability(self._state, wanted, now=self._provider.records.now, zone=zone)

    def _provisional(self, query: ProvisionalQuery) -> dict[str, Any]:
        waiting = [one for one in self._state.provisional.values() if one.deleted_at is None]
        page = _page(waiting, query.page, query.page_size)
        shown = [shapes.provisional(one, self._state) for one in page]
        return {"provisionalBookings": shown, "total": len(waiting)}


def _booked(booked: Appointment | Provisional) -> dict[str, Any]:
    if isinstance(booked, Provisional):
        return {"bookingType": booked.type, "provisionalBookingId": booked.id}
    return {"appointmentId": booked.id, "secret": booked.secret}


def _page(items: Sequence[ItemT], number: int, size: int) -> Sequence[ItemT]:
    return items[number * size : (number + 1) * size]


def _told(asked: type[AskedT], request: Request) -> AskedT:
    try:
        return asked.model_validate(request.json())
    except ValidationError as error:
        raise invalid_body(error) from None


def _queried(asked: type[AskedT], request: Request) -> AskedT:
    """A query; lists come as a repeated key, or with commas as one guide has it."""
    lists = {"hostIds"}
    values: dict[str, Any] = {
        name: [part for value in given for part in value.split(",")] if name in lists else given[-1]
        for name, given in request.query.items()
    }
    try:
        return asked.model_validate(values)
    except ValidationError as error:
        raise invalid_query(error) from None
