"""What a person at the playground has done at meetergo, said in few words: `POST /_play`.

    {"act": "book", "name": "…", "email": "…", "meeting_type": "…", "start": "…"}
    {"act": "move", "id": "…", "start": "…"}
    {"act": "cancel", "id": "…", "attendee": "…", "reason": "…"}
    {"act": "no-show", "id": "…", "attendee": "…", "undo": false}

Everything but the act may be left out: then it is some meeting that fits, tomorrow, or the first guest.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from adapters.meetergo.simulated.asked import CancelDto
from adapters.meetergo.simulated.company import FIRST_TALK
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.refusals import not_found, refused
from adapters.meetergo.simulated.shapes import api_time
from adapters.meetergo.simulated.state import Appointment, Attendee, Subscription
from adapters.meetergo.simulated.week import booking, regular, slot

LISTENER = "the hub of the playground"


class Played(BaseModel):
    """One act, and what it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    act: str
    id: str | None = None
    attendee: str | None = None
    start: AwareDatetime | None = None
    name: str | None = None
    email: str | None = None
    meeting_type: str | None = None
    reason: str | None = None
    undo: bool = False


def play(provider: Provider, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Do it; returns the appointment as it is then."""
    played = Played.model_validate(asked)
    act = _ACTS.get(played.act)
    if act is None:
        raise refused(400, f"nothing is known here of {played.act}")
    done = act(provider, played)
    return {
        "id": done.id,
        "start": api_time(done.start),
        "cancelled": not done.is_active,
        "attendees": [attendee.id for attendee in done.attendees],
    }


def listen(provider: Provider, endpoint: str) -> None:
    """Post webhooks here from now on, instead of where a playground had them posted before."""
    state = provider.state
    state.subscriptions = [one for one in state.subscriptions if one.description != LISTENER]
    if all(one.endpoint != endpoint for one in state.subscriptions):
        state.subscriptions.append(
            Subscription(
                id=state.new_id("webhook"),
                endpoint=endpoint,
                description=LISTENER,
                event_types=("booking_created", "booking_rescheduled", "booking_cancelled"),
                created_at=provider.records.now,
            )
        )


def _book(provider: Provider, played: Played) -> Appointment:
    kind = provider.state.kind_named(played.meeting_type or FIRST_TALK)
    if kind is None:
        raise not_found("Meeting type")
    who = dict(regular(provider.state.numbered))
    if played.name or played.email:
        who |= {"fullname": played.name or played.email, "email": played.email}
    dto = booking(kind.id, played.start or _tomorrow(provider), who)
    made = provider.desk.book(dto)
    if not isinstance(made, Appointment):
        raise refused(400, f"bookings of {kind.slug} wait for somebody's word; take another meeting type")
    return made


def _move(provider: Provider, played: Played) -> Appointment:
    before = _about(provider, played, upcoming=True)
    return provider.reschedule(before.id, played.start or _tomorrow(provider), ignore_availability=True)


def _cancel(provider: Provider, played: Played) -> Appointment:
    before = _about(provider, played, upcoming=True)
    scope = {"attendeeId": played.attendee} if played.attendee else {"cancelAll": True}
    dto = CancelDto.model_validate(scope | {"reason": played.reason})
    return provider.cancel(before.id, dto, by_guest=False, who=before.host_ids[0])


def _no_show(provider: Provider, played: Played) -> Appointment:
    before = _about(provider, played, upcoming=False)
    return provider.mark(_attendee(before, played).id, missed=not played.undo)


_ACTS: Mapping[str, Callable[[Provider, Played], Appointment]] = {
    "book": _book,
    "move": _move,
    "cancel": _cancel,
    "no-show": _no_show,
}


def _about(provider: Provider, played: Played, *, upcoming: bool) -> Appointment:
    """The appointment that is named, or the one nearest to now that fits."""
    if played.id is not None:
        return provider.records.existing(played.id)
    now = provider.records.now
    fitting = [one for one in provider.state.appointments.values() if _fits(one, played, now, upcoming)]
    if not fitting:
        raise not_found("Appointment that fits")
    return min(fitting, key=lambda one: (abs(one.start - now), one.id))


def _fits(one: Appointment, played: Played, now: datetime, upcoming: bool) -> bool:
    is_right = one.is_active and (one.start > now) == upcoming
    if not is_right or upcoming:
        return is_right
    return any(attendee.no_show == played.undo for attendee in one.attendees)


def _attendee(appointment: Appointment, played: Played) -> Attendee:
    if played.attendee is not None:
        found = appointment.attendee(played.attendee)
    else:
        found = next((one for one in appointment.attendees if one.no_show == played.undo), None)
    if found is None:
        raise not_found("Attendee that fits")
    return found


def _tomorrow(provider: Provider) -> datetime:
    """Some hour of tomorrow."""
    return slot(provider.records.now + timedelta(days=1), provider.state.numbered)
