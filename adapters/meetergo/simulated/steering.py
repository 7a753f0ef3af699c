"""What a person does at meetergo, and what is wrong with it: the control routes of the stand-in.

POST /_book     {"meeting_type": "erstgespraech", "start": "…", "attendee": {"fullname": "…", "email": "…"},
                 "hostIds": […], "series": {"count": 4, "every_days": 7}, "paymentId": "…"}
POST /_confirm  {"id": "…"}                        the word a provisional booking waits for
POST /_move     {"id": "…", "start": "…"}
POST /_cancel   {"id": "…", "reason": "…", "attendeeId": "…", "cancelAll": true, "by": "attendee"}
POST /_no_show  {"attendee": "…", "missed": true}   false takes the mark back
POST /_note     {"id": "…", "note": "…"}
POST /_keys     {"token": "…", "owner": "…", "expires_at": "…"}
POST /_switches {"lost": 0.2, …}; GET shows all    what `Switches` names
POST /_time     {"advance": 90}
POST /_deliver  {"everything": false}              send the webhooks that are due, or all of them
GET  /_letters  the webhooks on their way;  GET /_deliveries what became of those before
GET  /_state, PUT /_state                          everything there is, to be kept in a file

`POST /_play` and `POST /_listen` are those of every playground, see `adapters.simulation` and `playing`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from adapters.meetergo.simulated.asked import BookingDto, CancelDto, RescheduleDto
from adapters.meetergo.simulated.booking import Series
from adapters.meetergo.simulated.playing import listen, play
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.refusals import invalid_body, not_found
from adapters.meetergo.simulated.state import Appointment, Key, Provisional, Switches
from adapters.simulation import Reply, Request, json_reply

Act = Callable[[Provider, Mapping[str, Any]], Any]


def steer(provider: Provider, request: Request) -> Reply | None:
    """The answer of a control route that acts at once; None if this is none."""
    act = _ACTS.get((request.method, request.path[0]))
    if act is None:
        return None
    try:
        return json_reply(act(provider, request.json()))
    except ValidationError as error:
        raise invalid_body(error) from None


def _book(provider: Provider, asked: Mapping[str, Any]) -> Any:
    """As a guest does on the booking page, at any time unless `ignoreAvailability` is false."""
    kind = provider.state.kind_named(asked.get("meeting_type"))
    if kind is None:
        raise not_found("Meeting type")
    attendee = {"receiveReminders": True, "notes": {}, **asked.get("attendee", {})}
    defaults = {"hostIds": list(kind.host_ids[:1]), "ignoreAvailability": True}
    dto = BookingDto.model_validate(defaults | dict(asked) | {"meetingTypeId": kind.id, "attendee": attendee})
    series = Series(**asked["series"]) if asked.get("series") else None
    booked = provider.desk.book(dto, series=series)
    if isinstance(booked, Provisional):
        return {"provisional": booked.id}
    of_series = [
        other.id
        for other in provider.state.appointments.values()
        if booked.series is not None and other.series == booked.series
    ]
    return {**_told(booked), "series": of_series}


def _confirm(provider: Provider, asked: Mapping[str, Any]) -> Any:
    return _told(provider.desk.confirm(str(asked.get("id"))))


def _move(provider: Provider, asked: Mapping[str, Any]) -> Any:
    dto = RescheduleDto.model_validate(asked)
    return _told(provider.reschedule(str(asked.get("id")), dto.start, ignore_availability=True))


def _cancel(provider: Provider, asked: Mapping[str, Any]) -> Any:
    dto = CancelDto.model_validate(asked)
    by_guest = asked.get("by") == "attendee"
    who = dto.attendee_id if by_guest else asked.get("who")
    return _told(provider.cancel(str(asked.get("id")), dto, by_guest=by_guest, who=who))


def _no_show(provider: Provider, asked: Mapping[str, Any]) -> Any:
    return _told(provider.mark(str(asked.get("attendee")), missed=bool(asked.get("missed", True))))


def _note(provider: Provider, asked: Mapping[str, Any]) -> Any:
    return _told(provider.write_note(str(asked.get("id")), str(asked.get("note", ""))))


def _keys(provider: Provider, asked: Mapping[str, Any]) -> Any:
    key = Key.model_validate(asked)
    provider.state.keys[key.token] = key
    return {}


def _switches(provider: Provider, asked: Mapping[str, Any]) -> Any:
    provider.state.switches = Switches.model_validate(provider.state.switches.model_dump() | dict(asked))
    return provider.state.switches.model_dump(mode="json")


def _time(provider: Provider, asked: Mapping[str, Any]) -> Any:
    provider.state.clock_offset_seconds += float(asked.get("advance", 0))
    return {"now": provider.records.now.isoformat()}


def _letters(provider: Provider, _: Mapping[str, Any]) -> Any:
    return [letter.model_dump(mode="json", exclude={"body"}) for letter in provider.state.letters]


def _deliveries(provider: Provider, _: Mapping[str, Any]) -> Any:
    return [delivery.shown() for delivery in provider.records.post.deliveries]


def _listen(provider: Provider, asked: Mapping[str, Any]) -> Any:
    listen(provider, str(asked.get("endpoint")))
    return {}


def _told(appointment: Appointment) -> dict[str, Any]:
    """What is needed to act on it again."""
    return {"id": appointment.id, "attendees": [attendee.id for attendee in appointment.attendees]}


_ACTS: Mapping[tuple[str, str], Act] = {
    ("POST", "_play"): play,
    ("POST", "_listen"): _listen,
    ("POST", "_book"): _book,
    ("POST", "_confirm"): _confirm,
    ("POST", "_move"): _move,
    ("POST", "_cancel"): _cancel,
    ("POST", "_no_show"): _no_show,
    ("POST", "_note"): _note,
    ("POST", "_keys"): _keys,
    ("POST", "_switches"): _switches,
    ("GET", "_switches"): _switches,
    ("POST", "_time"): _time,
    ("GET", "_letters"): _letters,
    ("GET", "_deliveries"): _deliveries,
}
