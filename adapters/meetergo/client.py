"""The calls of meetergo's API that the hub makes.

`/webhooks` stands beside `/v4`, not below it. Where meetergo's pages disagree with the vendor's own code,
the code is believed. What is not here on purpose: taking back a no-show (no page and no code shows how),
and `notifyAttendees` (the guide names it, the schema has no such member: the provider always mails).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

from adapters.errors import OutcomeUnknownError, RefusalError, TransientError
from adapters.http import Answer, HttpClient
from adapters.meetergo.answers import (
    Page,
    Row,
    account_of,
    availability_of,
    booked_of,
    page_of,
    row_of,
    subscription_of,
    subscriptions_of,
)
from adapters.meetergo.config import ApiSettings
from adapters.meetergo.listing import Listing, Scan
from adapters.meetergo.requests import booking_body, free_times_params, instant_text, scope_body
from adapters.meetergo.wire import Call, Caller, Method, Wire
from adapters.provider import (
    Account,
    Availability,
    Booked,
    FreeTimes,
    NewBooking,
    Priority,
    Scope,
    Subscription,
)

LONGEST_REASON = 500
"""Characters of a reason for a cancellation, which goes into the provider's mails."""

_MISSING = 404


class MeetergoClient:
    """meetergo under one key. Made for a source once; `acting` gives the same for another caller."""

    def __init__(self, wire: Wire, caller: Caller | None = None) -> None:
        self._wire = wire
        self._caller = caller or Caller()

    @classmethod
    def of(cls, http: HttpClient, settings: ApiSettings) -> Self:
        """A client that shares the budget of its key with every other one of this process."""
        return cls(Wire(http, settings))

    def acting(self, priority: Priority, *, user: str | None = None) -> "MeetergoClient":
        """The same client for calls of this class, on behalf of this host where the key needs somebody."""
        return MeetergoClient(self._wire, Caller(user, priority))

    async def account(self) -> Account:
        """Whom the key acts for; the cheapest proof that it is valid."""
        return account_of((await self._send("user", "GET", "/v4/user/me")).json())

    async def appointment(self, appointment_id: str) -> Row | None:
        """The appointment as it is now; None if there is none (any more, or for this user)."""
        path = _appointment(appointment_id)
        answer = await self._wire.send(Call("appointment", "GET", path, allow=(_MISSING,)), self._caller)
        if answer.status == _MISSING:
            return None
        row = row_of(answer.json())
        if row is None or str(row["id"]) != appointment_id:
            raise TransientError(f"appointment: {answer.host} answered something else than {appointment_id}")
        return row

    async def page(self, listing: Listing, number: int) -> Page:
        """One page of a list, counted from 0."""
        call = Call("appointments", "GET", "/v4/appointment/paginated", params=listing.params(number))
        return page_of((await self._wire.send(call, self._caller)).json(), number=number)

    def scan(self, listing: Listing) -> Scan:
        """A list from its first page to its last, read as far as the reader goes."""

        async def fetch(number: int) -> Page:
            return await self.page(listing, number)

        return Scan(fetch, size=listing.size)

    async def availability(self, asked: FreeTimes) -> Availability:
        """Free times for a new booking or for moving one."""
        call = Call("availability", "GET", "/v4/booking-availability", params=free_times_params(asked))
        return availability_of((await self._wire.send(call, self._caller)).json())

    async def book(self, booking: NewBooking) -> Booked:
        """Make a booking. Never twice by itself: OutcomeUnknownError if it may have been made."""
        answer = await self._send("booking", "POST", "/v4/booking", booking_body(booking))
        booked = booked_of(_document(answer))
        if booked is None:
            raise OutcomeUnknownError(f"booking: {answer.host} accepted it and did not say which it is")
        return booked

    async def reschedule(
        self, appointment_id: str, start: datetime, *, ignore_availability: bool = False
    ) -> Row | None:
        """Move in place, the id stays; the row as answered, None if it cannot be read though it happened."""
        ignoring = {"ignoreAvailability": True} if ignore_availability else {}
        body = {"start": instant_text(start), **ignoring}
        path = f"{_appointment(appointment_id)}/reschedule"
        return row_of(_document(await self._send("reschedule", "POST", path, body)))

    async def cancel(
        self, appointment_id: str, *, reason: str | None = None, scope: Scope | None = None
    ) -> Row | None:
        """Cancel for good; the provider mails those concerned. The row as `reschedule` gives it."""
        if reason and len(reason) > LONGEST_REASON:
            raise RefusalError(f"cancel: a reason has at most {LONGEST_REASON} characters", code="invalid")
        body = {**scope_body(scope or Scope()), **({"reason": reason} if reason else {})}
        path = f"{_appointment(appointment_id)}/cancel"
        return row_of(_document(await self._send("cancel", "POST", path, body)))

    async def note(self, appointment_id: str, text: str) -> None:
        """Replace the host's note."""
        await self._send("note", "PATCH", f"{_appointment(appointment_id)}/notes", {"note": text})

    async def add_guest(self, appointment_id: str, *, attendee_id: str, email: str) -> None:
        """Invite one more person along with an attendee."""
        body = {"attendeeId": attendee_id, "email": email}
        await self._send("guest.add", "PATCH", f"{_appointment(appointment_id)}/guest", body)

    async def remove_guest(self, appointment_id: str, *, attendee_id: str, email: str) -> None:
        """Disinvite a person who came along with an attendee."""
        body = {"attendeeId": attendee_id, "email": email}
        await self._send("guest.remove", "DELETE", f"{_appointment(appointment_id)}/guest", body)

    async def mark_no_show(self, attendee_id: str) -> None:
        """Note that an attendee did not come; nothing tells of it but the attendee's next reading."""
        await self._send("no_show", "POST", f"/v4/attendee/{_segment(attendee_id)}/no-show")

    async def webhooks(self) -> tuple[Subscription, ...]:
        """The company's registered webhooks, strangers' included."""
        return subscriptions_of((await self._send("webhooks", "GET", "/webhooks")).json())

    async def register_webhook(
        self, endpoint: str, event_types: Sequence[str], *, description: str
    ) -> Subscription:
        """Have events posted to an address; refused with `limit-reached` above six of a company."""
        body = {"endpoint": endpoint, "eventTypes": list(event_types), "description": description}
        answer = await self._send("webhook.create", "POST", "/webhooks", body)
        made = subscription_of(_document(answer))
        if made is None:
            raise OutcomeUnknownError(
                f"webhook.create: {answer.host} accepted it and did not say which it is"
            )
        return made

    async def change_webhook(
        self, subscription_id: str, *, endpoint: str | None = None, event_types: Sequence[str] = ()
    ) -> None:
        """Replace the address or the whole list of event types."""
        types = {"eventTypes": list(event_types)} if event_types else {}
        body = {**types, **({"endpoint": endpoint} if endpoint else {})}
        await self._send("webhook.change", "PATCH", f"/webhooks/{_segment(subscription_id)}", body)

    async def remove_webhook(self, subscription_id: str) -> None:
        """Stop deliveries; one that is not there is no failure."""
        call = Call("webhook.remove", "DELETE", f"/webhooks/{_segment(subscription_id)}", allow=(_MISSING,))
        await self._wire.send(call, self._caller)

    async def _send(
        self, name: str, method: Method, path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        return await self._wire.send(Call(name, method, path, body=body), self._caller)


def _appointment(appointment_id: str) -> str:
    return f"/v4/appointment/{_segment(appointment_id)}"


def _segment(opaque_id: str) -> str:
    """An id as one part of a path; one made of dots would name another path."""
    if not opaque_id.strip("."):
        raise RefusalError("an id that is empty or made of dots names nothing", code="not-found")
    return quote(opaque_id, safe="")


def _document(answer: Answer) -> Any:
    """The answer to a write that was accepted; None if it holds none, since it has happened all the same."""
    try:
        return answer.json() if answer.content else None
    except TransientError:
        return None
