"""The calendars behind the stand-in: what RFC 4791 asks of a server, in memory, without HTTP.

Kept to the standard, not to what our client does: conditional writes, one UID per calendar, no METHOD
in what is stored, deleted addresses that are free again, and no guard against older revisions. Where
real servers differ, a switch chooses.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any
from xml.etree.ElementTree import Element

from icalendar import Calendar, Component, Event

from adapters.caldav.answers import CALDAV
from adapters.ical import POSITION
from adapters.simulation import RefusedError

MOST_BYTES = 100 * 1024
_VOLATILE = frozenset(("SEQUENCE", "DTSTAMP", "LAST-MODIFIED", POSITION))


@dataclass(slots=True)
class Switches:
    """In what servers differ.

    `etag` answers a PUT with an ETag, `weak` calls every ETag weak, as a proxy that compresses does;
    `rewrites` stores something else than was sent, and answers without one; `strips` drops properties it
    does not know. `conflict` is the status of a UID that stands elsewhere,
    `names_conflict` whether the address is told. `searches` finds by property. `read_only` refuses writes.
    """

    etag: bool = True
    weak: bool = False
    rewrites: bool = False
    strips: bool = False
    conflict: int = 409
    names_conflict: bool = True
    searches: bool = True
    read_only: bool = False

    def set(self, values: Mapping[str, Any]) -> None:
        """Change some; KeyError for one that does not exist."""
        known = {field.name for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise KeyError(name)
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        return asdict(self)


class ConflictError(RefusedError):
    """The UID stands at another address of the calendar."""

    def __init__(self, status: int, address: str) -> None:
        super().__init__(status, "no-uid-conflict", "")
        self.address = address


@dataclass(frozen=True, slots=True)
class Resource:
    """One stored entry."""

    name: str
    data: bytes
    etag: str
    uid: str


class Calendars:
    """All calendars of one account."""

    def __init__(self, names: Iterable[str]) -> None:
        self.switches = Switches()
        self._calendars: dict[str, dict[str, Resource]] = {name: {} for name in names}
        self._revision = 0

    def state(self) -> dict[str, dict[str, str]]:
        """Every entry as it is stored, by calendar and name."""
        return {
            f"{calendar}/{name}": {"etag": resource.etag, "data": resource.data.decode()}
            for calendar, entries in self._calendars.items()
            for name, resource in entries.items()
        }

    def objects(self) -> dict[str, dict[str, Any]]:
        """What is to be seen in every entry, without what changes at each write."""
        return {address: seen(stored["data"].encode()) for address, stored in self.state().items()}

    def entries(self, calendar: str) -> dict[str, Resource]:
        """The entries of a calendar by name; refused if there is no such calendar."""
        if calendar not in self._calendars:
            raise RefusedError(404, "", "Not Found")
        return self._calendars[calendar]

    def get(self, calendar: str, name: str) -> Resource:
        entries = self.entries(calendar)
        if name not in entries:
            raise RefusedError(404, "", "Not Found")
        return entries[name]

    def put(
        self, calendar: str, name: str, data: bytes, *, if_match: str | None, if_none_match: str | None
    ) -> tuple[Resource, bool]:
        """Store it; the resource and whether it is new."""
        self._check_writable()
        if calendar not in self._calendars:
            raise RefusedError(409, "", "There is no such calendar")
        entries = self._calendars[calendar]
        there = entries.get(name)
        if if_none_match == "*" and there is not None:
            raise RefusedError(412, "", "Precondition Failed")
        _check_etag(there, if_match)
        uid = _uid_of(data)
        other = next((one.name for one in entries.values() if one.uid == uid and one.name != name), None)
        if other is not None:
            raise ConflictError(self.switches.conflict, f"{calendar}/{other}")
        self._revision += 1
        entries[name] = Resource(name, self._as_stored(data), f'"{self._revision:08x}"', uid)
        return entries[name], there is None

    def delete(self, calendar: str, name: str, *, if_match: str | None) -> None:
        self._check_writable()
        resource = self.get(calendar, name)
        _check_etag(resource, if_match)
        del self._calendars[calendar][name]

    def query(self, calendar: str, filters: Element) -> list[Resource]:
        """The entries for which the `filter` element holds."""
        component = filters.find(f"{CALDAV}comp-filter/{CALDAV}comp-filter")
        wanted = () if component is None else tuple(component)
        if any(element.tag != f"{CALDAV}prop-filter" for element in wanted):
            raise RefusedError(403, "supported-filter", "")
        if wanted and not self.switches.searches:
            raise RefusedError(403, "supported-filter", "")
        return [one for one in self.entries(calendar).values() if all(_holds(one, f) for f in wanted)]

    def _check_writable(self) -> None:
        if self.switches.read_only:
            raise RefusedError(403, "need-privileges", "")

    def _as_stored(self, data: bytes) -> bytes:
        if not (self.switches.rewrites or self.switches.strips):
            return data
        calendar = Calendar.from_ical(data)
        for event in calendar.walk("VEVENT"):
            if self.switches.strips:
                for name in [name for name in event if name.startswith("X-")]:
                    del event[name]
            event["X-SERVER-SAYS"] = "hello"
        return bytes(calendar.to_ical())


def seen(data: bytes) -> dict[str, Any]:
    """The properties and alarms of an entry, without what changes at each write."""
    event = _event(Calendar.from_ical(data))
    return {
        **{name: _texts(value) for name, value in sorted(event.items()) if name not in _VOLATILE},
        "inside": [dict(sorted((n, _texts(v)) for n, v in one.items())) for one in event.subcomponents],
    }


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one.to_ical().decode() for one in values]


def _event(calendar: Component) -> Event:
    found = next((one for one in calendar.walk("VEVENT") if isinstance(one, Event)), None)
    if found is None:
        raise RefusedError(403, "supported-calendar-component", "")
    return found


def _uid_of(data: bytes) -> str:
    """The one UID of valid contents."""
    if len(data) > MOST_BYTES:
        raise RefusedError(403, "max-resource-size", "")
    try:
        calendar = Calendar.from_ical(data)
    except ValueError:
        raise RefusedError(403, "valid-calendar-data", "") from None
    event = _event(calendar)
    uids = {str(one.get("UID", "")) for one in calendar.walk("VEVENT")}
    if "METHOD" in calendar or len(uids) != 1 or not all(uids) or "DTSTART" not in event:
        raise RefusedError(403, "valid-calendar-object-resource", "")
    return uids.pop()


def _check_etag(there: Resource | None, if_match: str | None) -> None:
    if if_match is not None and (there is None or if_match not in ("*", there.etag)):
        raise RefusedError(412, "", "Precondition Failed")


def _holds(resource: Resource, condition: Element) -> bool:
    """Whether a property holds a text, compared octet by octet."""
    value = _event(Calendar.from_ical(resource.data)).get(condition.get("name", ""))
    text = condition.findtext(f"{CALDAV}text-match")
    return value is not None and (text is None or text in str(value))
