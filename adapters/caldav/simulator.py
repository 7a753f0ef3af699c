"""A stand-in for a CalDAV server over HTTP, with switches for what goes wrong and what servers differ in.

Plain ASGI: `uvicorn --factory adapters.caldav.simulator:create_app`. Beside the calendars, which are at
`/dav/<calendar>/`, and the routes of `adapters.simulation`:

    POST /_switches  {"etag": false, "conflict": 412}; see `adapters.caldav.simulated.Switches`
    GET  /_state     every entry as it is stored
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml.ElementTree import ParseError, fromstring

from adapters.caldav.answers import CALDAV, DAV
from adapters.caldav.simulated import Calendars, ConflictError, Resource
from adapters.errors import AuthError, PermanentError, TransientError
from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

CALENDAR = "team"
USERNAME = "hub"
PASSWORD = "made-up-password-of-the-stand-in"  # noqa: S105 - opens the stand-in only
BEARER = "made-up-token-of-the-stand-in"

_XML = "application/xml; charset=utf-8"
_NAMESPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
_OF_DAV = frozenset(
    ("need-privileges", "quota-not-exceeded", "sufficient-disk-space", "lock-token-submitted")
)
_ON_CALENDAR, _ON_ENTRY = ("PROPFIND", "REPORT"), ("GET", "PUT", "DELETE")


class Simulator(Simulation):
    """The ASGI application."""

    base = "/dav"

    def __init__(self, calendars: Calendars) -> None:
        super().__init__()
        self.calendars = calendars

    def call_of(self, request: Request) -> str:
        methods = {1: _ON_CALENDAR, 2: _ON_ENTRY}.get(len(request.path), ())
        if request.method not in methods:
            raise RefusedError(405 if methods else 404, "", "")
        return request.method.lower()

    def noted(self, request: Request, call: str) -> dict[str, Any]:
        return {
            "call": call,
            "address": "/".join(request.path),
            "if_match": request.headers.get("if-match"),
            "if_none_match": request.headers.get("if-none-match"),
            "status": None,
        }

    def turned_away(self, request: Request) -> RefusedError | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and given == BEARER:
            return None
        if scheme == "Basic" and _decoded(given) == f"{USERNAME}:{PASSWORD}":
            return None
        return RefusedError(401, "", "Unauthorized")

    def objects(self) -> Mapping[str, Any]:
        return self.calendars.objects()

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        if not refusal.reason:
            return Reply(refusal.status, refusal.message.encode(), "text/plain", headers)
        kind = "D" if refusal.reason in _OF_DAV else "C"
        inside = ""
        if isinstance(refusal, ConflictError) and self.calendars.switches.names_conflict:
            inside = f"<D:href>{self.base}/{escape(refusal.address)}</D:href>"
        return _document(
            refusal.status,
            f"error {_NAMESPACES}",
            f"<{kind}:{refusal.reason}>{inside}</{kind}:{refusal.reason}>",
            headers,
        )

    def control(self, request: Request) -> Reply | None:
        match (request.method, request.path[0]):
            case ("POST", "_switches"):
                try:
                    self.calendars.switches.set(request.json())
                except KeyError as error:
                    raise RefusedError(400, "", f"there is no switch {error}") from None
                return json_reply(self.calendars.switches.shown())
            case ("GET", "_state"):
                return json_reply(self.calendars.state())
        return None

    async def perform(self, request: Request, call: str) -> Reply:
        calendar = request.path[0]
        if call == "propfind":
            return self._properties(calendar, deep=request.headers.get("depth") == "1")
        if call == "report":
            return self._report(calendar, request)
        return self._entry(calendar, request.path[1], request)

    def _entry(self, calendar: str, name: str, request: Request) -> Reply:
        etag, calendars = request.headers.get("if-match"), self.calendars
        if request.method == "DELETE":
            calendars.delete(calendar, name, if_match=etag)
            return Reply(204)
        if request.method == "GET":
            found = calendars.get(calendar, name)
            return Reply(200, found.data, "text/calendar; charset=utf-8", self._etag(found))
        stored, new = calendars.put(
            calendar,
            name,
            request.body,
            if_match=etag,
            if_none_match=request.headers.get("if-none-match"),
        )
        as_sent = calendars.switches.etag and stored.data == request.body
        return Reply(201 if new else 204, headers=self._etag(stored) if as_sent else ())

    def _etag(self, resource: Resource) -> tuple[tuple[str, str], ...]:
        return (("etag", f"W/{resource.etag}" if self.calendars.switches.weak else resource.etag),)

    def _properties(self, calendar: str, *, deep: bool) -> Reply:
        entries = self.calendars.entries(calendar)
        rights = ("read",) if self.calendars.switches.read_only else ("read", "write")
        privileges = "".join(f"<D:privilege><D:{right}/></D:privilege>" for right in rights)
        own = _response(
            f"{self.base}/{calendar}/",
            "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
            f"<D:current-user-privilege-set>{privileges}</D:current-user-privilege-set>",
        )
        inside = (self._shown(calendar, one, with_data=False) for one in entries.values())
        return _multistatus([own, *(inside if deep else ())])

    def _report(self, calendar: str, request: Request) -> Reply:
        wanted = _parsed(request.body)
        if wanted.tag == f"{CALDAV}calendar-multiget":
            return self._several(calendar, wanted)
        filters = wanted.find(f"{CALDAV}filter")
        if wanted.tag != f"{CALDAV}calendar-query" or filters is None:
            raise RefusedError(403, "supported-report", "")
        with_data = wanted.find(f"{DAV}prop/{CALDAV}calendar-data") is not None
        found = self.calendars.query(calendar, filters)
        return _multistatus(self._shown(calendar, one, with_data=with_data) for one in found)

    def _several(self, calendar: str, wanted: Element) -> Reply:
        entries = self.calendars.entries(calendar)
        answers = []
        for href in (element.text or "" for element in wanted.iterfind(f"{DAV}href")):
            name = unquote(urlsplit(href).path).rpartition("/")[2]
            if name in entries:
                answers.append(self._shown(calendar, entries[name], with_data=True))
            else:
                missing = "<D:status>HTTP/1.1 404 Not Found</D:status>"
                answers.append(f"<D:response><D:href>{escape(href)}</D:href>{missing}</D:response>")
        return _multistatus(answers)

    def _shown(self, calendar: str, resource: Resource, *, with_data: bool) -> str:
        data = f"<C:calendar-data>{escape(resource.data.decode())}</C:calendar-data>" if with_data else ""
        return _response(
            f"{self.base}/{calendar}/{resource.name}", f"<D:getetag>{resource.etag}</D:getetag>{data}"
        )


def create_app(calendars: Iterable[str] = (CALENDAR,)) -> Simulator:
    """A stand-in with these calendars, all empty."""
    return Simulator(Calendars(calendars))


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for a stand-in at this address."""
    return {"url": f"{url}/dav/{CALENDAR}/", "username": USERNAME, "password": PASSWORD}


simulator = SimulatorType(
    name="caldav",
    summary="a CalDAV server: ETags, conditions, one UID per calendar",
    create_app=create_app,
    config=config,
    secrets=(PASSWORD, base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()),
    forbidden={
        "403": AuthError,
        "403 need-privileges": AuthError,
        "403 quota-not-exceeded": TransientError,
        "403 valid-calendar-data": PermanentError,
        "403 max-resource-size": PermanentError,
    },
    cannot={"truncated": "a PUT is answered by its status and headers alone"},
)


def _response(href: str, properties: str) -> str:
    found = f"<D:prop>{properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status>"
    return f"<D:response><D:href>{escape(href)}</D:href><D:propstat>{found}</D:propstat></D:response>"


def _multistatus(responses: Iterable[str]) -> Reply:
    return _document(207, f"multistatus {_NAMESPACES}", "".join(responses))


def _document(status: int, root: str, inside: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    name = root.partition(" ")[0]
    text = f'<?xml version="1.0" encoding="utf-8"?><D:{root}>{inside}</D:{name}>'
    return Reply(status, text.encode(), _XML, headers)


def _parsed(body: bytes) -> Element:
    try:
        root: Element = fromstring(body)
    except ParseError:
        raise RefusedError(400, "", "Bad Request") from None
    return root


def _decoded(given: str) -> str:
    try:
        return base64.b64decode(given).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
