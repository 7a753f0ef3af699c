"""The calendars behind the stand-in: Google's documented behaviour, in memory, without HTTP.

Kept to what Google's pages say, not to what our client does: tombstones, one id for ever, 412 on a
stale etag, whole replacement by update and merging by patch, sequences that never go back.
"""

import base64
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapters.simulation import RefusedError

WRITERS = ("owner", "writer")
_ENTRY_ID = re.compile(r"[0-9a-v]{5,1024}")
_WRITABLE = frozenset(
    (
        *("summary", "description", "location", "colorId", "transparency", "visibility", "recurrence"),
        *("attendees", "reminders", "extendedProperties", "source", "attachments", "guestsCanModify"),
        *("guestsCanInviteOthers", "guestsCanSeeOtherGuests", "status", "start", "end"),
    )
)
_NOT_WITH_SYNC_TOKEN = frozenset(
    ("iCalUID", "orderBy", "privateExtendedProperty", "q", "timeMin", "timeMax", "updatedMin")
)
_KEY_LIMIT, _VALUE_LIMIT = 44, 1024

Query = Mapping[str, Sequence[str]]


@dataclass(slots=True)
class _Calendar:
    role: str = "owner"
    events: dict[str, dict[str, Any]] = field(default_factory=dict)


class Calendars:
    """All calendars of one account. `roles` names those that exist; None lets every name be one."""

    def __init__(self, roles: Mapping[str, str] | None = None, *, clock: Callable[[], datetime]) -> None:
        self.undelete = True
        self._open = roles is None
        self._calendars = {name: _Calendar(role) for name, role in (roles or {}).items()}
        self._clock = clock
        self._revision = 0

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Every entry of every calendar, tombstones included."""
        return {name: list(calendar.events.values()) for name, calendar in self._calendars.items()}

    def keep(self) -> dict[str, Any]:
        """Everything there is, as JSON values."""
        calendars = {name: asdict(calendar) for name, calendar in self._calendars.items()}
        return {"undelete": self.undelete, "revision": self._revision, "calendars": calendars}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Hold what was kept, and nothing else."""
        self.undelete, self._revision = bool(kept["undelete"]), int(kept["revision"])
        self._calendars = {name: _Calendar(**calendar) for name, calendar in kept["calendars"].items()}

    def vanish(self, calendar: str, entry_id: str) -> None:
        """Forget an entry altogether, as happens to tombstones after some time."""
        self._calendars[calendar].events.pop(entry_id, None)

    def insert(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        events = self._writable(name).events
        entry_id = body.get("id") or uuid.uuid4().hex
        if not isinstance(entry_id, str) or not _ENTRY_ID.fullmatch(entry_id):
            raise RefusedError(400, "invalid", "Invalid resource id value.")
        if entry_id in events:
            raise RefusedError(409, "duplicate", "The requested identifier already exists.")
        now = _stamp(self._clock())
        events[entry_id] = {
            "kind": "calendar#event",
            "id": entry_id,
            "htmlLink": f"https://www.google.com/calendar/event?eid={entry_id}",
            "created": now,
            "creator": {"email": name},
            "organizer": {"email": name, "self": True},
            "iCalUID": f"{entry_id}@google.com",
            "sequence": 0,
            "eventType": "default",
            **_content(body),
        }
        return self._touched(events[entry_id])

    def get(self, name: str, entry_id: str) -> dict[str, Any]:
        return self._event(self._calendar(name), entry_id)

    def update(
        self, name: str, entry_id: str, body: Mapping[str, Any], *, if_match: str | None
    ) -> dict[str, Any]:
        """Replaces the whole entry; without a status it is confirmed, which restores a deleted one."""
        content = _content(body)
        event = self._changeable(name, entry_id, if_match, content["status"])
        kept = {name: value for name, value in event.items() if name not in _WRITABLE}
        return self._replace(event, kept | content, body)

    def patch(
        self, name: str, entry_id: str, body: Mapping[str, Any], *, if_match: str | None
    ) -> dict[str, Any]:
        """Changes the given members; maps merge, null removes, arrays are replaced."""
        event = self._changeable(name, entry_id, if_match, body.get("status"))
        merged = _merged(
            {"status": event["status"]} | {key: event[key] for key in event.keys() & _WRITABLE}, body
        )
        kept = {name: value for name, value in event.items() if name not in _WRITABLE}
        return self._replace(event, kept | _content(merged), body)

    def delete(self, name: str, entry_id: str, *, if_match: str | None) -> None:
        event = self._event(self._writable(name), entry_id)
        if event["status"] == "cancelled":
            raise RefusedError(410, "deleted", "Resource has been deleted")
        _check_etag(event, if_match)
        event["status"] = "cancelled"
        event["sequence"] += 1
        self._touched(event)

    def page(self, name: str, query: Query) -> dict[str, Any]:
        """One page; several `privateExtendedProperty` must all hold, as the reference says."""
        calendar = self._calendar(name)
        since = self._since(query)
        chosen = [event for event in calendar.events.values() if _is_listed(event, query, since)]
        size = min(int(_one(query, "maxResults") or 250), 2500)
        first = int(_one(query, "pageToken") or 0)
        page = chosen[first : first + size]
        more = first + size < len(chosen)
        token = {"nextPageToken": str(first + size)} if more else {"nextSyncToken": self._sync_token()}
        return {
            "kind": "calendar#events",
            "etag": f'"p{self._revision}"',
            "summary": name,
            "updated": _stamp(self._clock()),
            "timeZone": "UTC",
            "accessRole": calendar.role,
            "defaultReminders": [],
            **token,
            "items": page,
        }

    def _sync_token(self) -> str:
        return base64.urlsafe_b64encode(f"sync:{self._revision}".encode()).decode()

    def _since(self, query: Query) -> int | None:
        token = _one(query, "syncToken")
        if token is None:
            return None
        if query.keys() & _NOT_WITH_SYNC_TOKEN:
            raise RefusedError(400, "badRequest", "Sync token cannot be used with other restrictions.")
        try:
            return int(base64.urlsafe_b64decode(token).decode().removeprefix("sync:"))
        except ValueError:
            message = "Sync token is no longer valid, a full sync is required."
            raise RefusedError(410, "fullSyncRequired", message) from None

    def _calendar(self, name: str) -> _Calendar:
        if self._open:
            return self._calendars.setdefault(name, _Calendar())
        if name not in self._calendars:
            raise RefusedError(404, "notFound", "Not Found")
        return self._calendars[name]

    def _writable(self, name: str) -> _Calendar:
        calendar = self._calendar(name)
        if calendar.role not in WRITERS:
            message = "You need to have writer access to this calendar."
            raise RefusedError(403, "requiredAccessLevel", message)
        return calendar

    @staticmethod
    def _event(calendar: _Calendar, entry_id: str) -> dict[str, Any]:
        if entry_id not in calendar.events:
            raise RefusedError(404, "notFound", "Not Found")
        return calendar.events[entry_id]

    def _changeable(self, name: str, entry_id: str, if_match: str | None, status: object) -> dict[str, Any]:
        event = self._event(self._writable(name), entry_id)
        if event["status"] == "cancelled" and status in ("confirmed", "tentative") and not self.undelete:
            raise RefusedError(403, "forbidden", "Forbidden")
        _check_etag(event, if_match)
        return event

    def _replace(
        self, event: dict[str, Any], wanted: dict[str, Any], sent: Mapping[str, Any]
    ) -> dict[str, Any]:
        sequence = sent.get("sequence", event["sequence"])
        if not isinstance(sequence, int) or sequence < event["sequence"]:
            raise RefusedError(400, "invalid", "Invalid sequence value.")
        rescheduled = any(event.get(name) != wanted.get(name) for name in ("start", "end", "status"))
        event.clear()
        event.update(wanted, sequence=sequence + rescheduled)
        return self._touched(event)

    def _touched(self, event: dict[str, Any]) -> dict[str, Any]:
        self._revision += 1
        event["etag"] = f'"{self._revision:016d}"'
        event["updated"] = _stamp(self._clock())
        return event


def _check_etag(event: Mapping[str, Any], if_match: str | None) -> None:
    if if_match not in (None, "*", event["etag"]):
        raise RefusedError(412, "conditionNotMet", "Precondition Failed", "If-Match")


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    """The writable members as Google stores them; defaults are left out."""
    status = body.get("status", "confirmed")
    if status not in ("confirmed", "tentative", "cancelled"):
        raise RefusedError(400, "invalid", "Invalid value for: status")
    start, end = _when(body.get("start"), "start"), _when(body.get("end"), "end")
    if _instant(end) < _instant(start):
        raise RefusedError(400, "timeRangeEmpty", "The specified time range is empty.")
    colour = body.get("colorId")
    if colour is not None and colour not in {str(number) for number in range(1, 12)}:
        raise RefusedError(400, "invalid", "Invalid color id.")
    content = {name: body[name] for name in _WRITABLE if body.get(name) not in (None, "", [], {})}
    if content.get("transparency") == "opaque":
        del content["transparency"]
    content.setdefault("reminders", {"useDefault": True})
    if "extendedProperties" in content:
        content["extendedProperties"] = _properties(content["extendedProperties"])
    return content | {"status": status, "start": start, "end": end}


def _properties(extended: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Longer keys are dropped and longer values cut without a word, as documented."""
    return {
        scope: {key: str(value)[:_VALUE_LIMIT] for key, value in pairs.items() if len(key) <= _KEY_LIMIT}
        for scope, pairs in extended.items()
        if pairs
    }


def _merged(old: object, new: object) -> Any:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    keys = [*old, *(key for key in new if key not in old)]
    merged = {key: _merged(old.get(key), new[key]) if key in new else old[key] for key in keys}
    return {key: value for key, value in merged.items() if value is not None}


def _when(value: object, name: str) -> dict[str, str]:
    """A time, in the zone it was given in; or a whole day."""
    if not isinstance(value, Mapping) or not (value.get("dateTime") or value.get("date")):
        raise RefusedError(400, "required", f"Missing {name} time.")
    if value.get("date"):
        return {"date": str(value["date"])}
    zone = value.get("timeZone")
    try:
        moment = datetime.fromisoformat(str(value["dateTime"])).replace(microsecond=0)
        local = ZoneInfo(zone) if zone else moment.tzinfo
    except (ValueError, KeyError):
        raise RefusedError(400, "invalid", f"Invalid value for: {name}") from None
    if local is None:
        raise RefusedError(400, "required", f"Missing time zone definition for {name} time.")
    moment = moment.astimezone(local) if moment.tzinfo else moment.replace(tzinfo=local)
    return {"dateTime": moment.isoformat(), **({"timeZone": str(zone)} if zone else {})}


def _instant(when: Mapping[str, str]) -> datetime:
    moment = datetime.fromisoformat(when.get("dateTime") or when["date"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_listed(event: Mapping[str, Any], query: Query, since: int | None) -> bool:
    updated_min = _one(query, "updatedMin")
    deleted_too = since is not None or updated_min is not None or _one(query, "showDeleted") == "true"
    if event["status"] == "cancelled" and not deleted_too:
        return False
    if since is not None and int(event["etag"].strip('"')) <= since:
        return False
    if updated_min is not None and event["updated"] < _stamp(datetime.fromisoformat(updated_min)):
        return False
    if _one(query, "iCalUID") not in (None, event["iCalUID"]):
        return False
    return _overlaps(event, query) and _has_properties(event, query.get("privateExtendedProperty", ()))


def _overlaps(event: Mapping[str, Any], query: Query) -> bool:
    after, before = _one(query, "timeMin"), _one(query, "timeMax")
    if after is not None and _instant(event["end"]) <= datetime.fromisoformat(after):
        return False
    return before is None or _instant(event["start"]) < datetime.fromisoformat(before)


def _has_properties(event: Mapping[str, Any], wanted: Sequence[str]) -> bool:
    private = event.get("extendedProperties", {}).get("private", {})
    return all(private.get(key) == value for key, _, value in (text.partition("=") for text in wanted))


def _one(query: Query, name: str) -> str | None:
    return query[name][-1] if query.get(name) else None


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
