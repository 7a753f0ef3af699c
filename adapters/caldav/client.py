"""The wire: conditional writes, reads and searches of one CalDAV account."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from adapters.caldav.answers import (
    CALDAV,
    DAV,
    Resource,
    Stored,
    multiget,
    name_within,
    precondition,
    propfind,
    query_by_uid,
    resources,
)
from adapters.caldav.config import CalDavConfig
from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.http import Answer, HttpClient, Sorting

BATCH = 50
"""Entries read with one request: an answer is refused above 16 MiB."""

Outcome = Literal["written", "unproven", "stale", "missing", "conflict"]

_WRITING = frozenset((f"{DAV}all", f"{DAV}write", f"{DAV}write-content", f"{DAV}bind"))
_FULL = frozenset(("quota-not-exceeded", "sufficient-disk-space"))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NO_SEARCH = frozenset((400, 403, 404, 405, 409, 412, 415, 422, 501))
_XML = {"Content-Type": "application/xml; charset=utf-8"}
_ENTRY = {"Content-Type": "text/calendar; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Written:
    """How a write went.

    `written`: stored exactly as sent, under `etag`. `unproven`: stored, perhaps altered; read it. `stale`:
    the condition does not hold. `missing`: there is no such entry or no such calendar. `conflict`: the
    UID stands at another address, `name` if that was told.
    """

    outcome: Outcome
    etag: str | None = None
    name: str | None = None


def _forbidden(answer: Answer) -> type[AdapterError]:
    """What a 403 means, by the precondition it names: the rights, the room, or this one entry."""
    named = precondition(answer.content)
    if named is None or named.name == "need-privileges":
        return AuthError
    return TransientError if named.name in _FULL else PermanentError


def _reason(answer: Answer) -> str | None:
    named = precondition(answer.content)
    return named.name if named else None


_SORTING = Sorting(forbidden=_forbidden, reason=_reason)


class CalDavClient:
    """One account; every address must lie in one of the configured calendars."""

    def __init__(self, http: HttpClient, config: CalDavConfig) -> None:
        self._http = http
        self._headers = {"Accept-Encoding": "identity"}  # a proxy that compresses changes the ETag as well
        self._options: dict[str, Any] = {}
        if config.token is not None:
            self._headers["Authorization"] = f"Bearer {config.token.get_secret_value()}"
        elif config.username is not None and config.password is not None:
            self._options["auth"] = (config.username, config.password.get_secret_value())

    async def check(self, collection: str) -> None:
        """Raise unless this is a calendar that may be written to."""
        body = propfind("D:resourcetype", "D:current-user-privilege-set")
        headers = {**_XML, "Depth": "0"}
        answer = await self._call("PROPFIND", collection, allow={404}, content=body, headers=headers)
        if answer.status == 404:
            raise PermanentError(f"{answer.host}: there is no calendar at this address")
        found = self._resources(answer)
        if not any(f"{CALDAV}calendar" in resource.names(f"{DAV}resourcetype") for resource in found):
            raise PermanentError(f"{answer.host}: what stands at this address is not a calendar")
        rights = frozenset[str]().union(*(r.names(f"{DAV}current-user-privilege-set") for r in found))
        if rights and not rights & _WRITING:
            raise AuthError(f"{answer.host}: this account may read the calendar, but not write to it")

    async def get(self, collection: str, name: str) -> Stored | None:
        """The entry; None if there is none."""
        answer = await self._call("GET", collection + name, allow={404, 410})
        if answer.status in (404, 410):
            return None
        data, etag = _whole(answer.content, answer.host), answer.headers.get("etag")
        if not etag:
            raise PermanentError(f"{answer.host} names no ETag, so nothing could be changed safely there")
        return Stored(name, _strong(etag), data)

    async def create(self, collection: str, name: str, content: bytes) -> Written:
        """Store a new entry; `stale` if there is one at this address."""
        return await self._put(collection, name, content, {"If-None-Match": "*"})

    async def replace(self, collection: str, name: str, content: bytes, *, etag: str) -> Written:
        """Change an entry that still has this etag."""
        return await self._put(collection, name, content, {"If-Match": etag})

    async def delete(self, collection: str, name: str, *, etag: str) -> bool:
        """Whether the entry is gone; False if it has another etag by now."""
        answer = await self._call(
            "DELETE", collection + name, allow={404, 410, 412}, headers={"If-Match": etag}
        )
        return answer.status != 412

    async def search(self, collection: str, uid_part: str) -> tuple[str, ...]:
        """Names of entries, among them all whose UID holds this text; a server may list others too."""
        answer = await self._call(
            "REPORT",
            collection,
            allow=_NO_SEARCH,
            content=query_by_uid(uid_part),
            headers={**_XML, "Depth": "1"},
        )
        if answer.status in _NO_SEARCH:
            body, headers = propfind("D:getetag"), {**_XML, "Depth": "1"}
            answer = await self._call("PROPFIND", collection, content=body, headers=headers)
        names = (name_within(collection, resource.href) for resource in self._resources(answer))
        return tuple(dict.fromkeys(filter(None, names)))

    async def read(self, collection: str, names: Sequence[str]) -> list[Stored]:
        """Those of the entries that exist."""
        found: list[Stored] = []
        for first in range(0, len(names), BATCH):
            paths = (urlsplit(collection + name).path for name in names[first : first + BATCH])
            answer = await self._call("REPORT", collection, content=multiget(paths), headers=_XML)
            found.extend(filter(None, (_stored(collection, one) for one in self._resources(answer))))
        return found

    async def _put(self, collection: str, name: str, content: bytes, condition: dict[str, str]) -> Written:
        answer = await self._call(
            "PUT",
            collection + name,
            allow={403, 404, 409, 410, 412},
            content=content,
            headers={**_ENTRY, **condition},
        )
        if answer.status < 300:
            etag = answer.headers.get("etag", "")
            # A weak one does not say that what is stored is what was sent.
            return Written("written", etag) if etag.startswith('"') else Written("unproven")
        named = precondition(answer.content)
        if named is not None and named.name == "no-uid-conflict":
            where = name_within(collection, named.href) if named.href else None
            return Written("conflict", name=where)
        return self._refused(answer, named.name if named else None)

    @staticmethod
    def _refused(answer: Answer, reason: str | None) -> Written:
        message = f"PUT to {answer.host} answered {answer.status}{f' {reason}' if reason else ''}"
        if answer.status == 403:
            raise _forbidden(answer)(message)
        if reason in _FULL:
            raise TransientError(message)
        if reason is not None and (reason.startswith(("valid-", "supported-", "max-", "min-"))):
            raise PermanentError(message)
        return Written("stale" if answer.status == 412 else "missing")

    async def _call(
        self,
        method: str,
        url: str,
        *,
        allow: Collection[int] = (),
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        answer = await self._http.request(
            method,
            url,
            allow={*allow, *_REDIRECTS, 423},
            sorting=_SORTING,
            headers={**self._headers, **(headers or {})},
            content=content,
            **self._options,
        )
        if answer.status in _REDIRECTS:
            raise PermanentError(
                f"{method} to {answer.host} answered {answer.status}: redirects are not followed; "
                "configure the address at which the calendar itself is"
            )
        if answer.status == 423:
            raise TransientError(f"{method} to {answer.host} answered 423: somebody holds a lock")
        return answer

    @staticmethod
    def _resources(answer: Answer) -> tuple[Resource, ...]:
        found = resources(answer.content)
        if found is None:
            raise TransientError(f"{answer.host} answered {answer.status} with no whole list of resources")
        return found


def _stored(collection: str, resource: Resource) -> Stored | None:
    name = name_within(collection, resource.href)
    etag, data = resource.text(f"{DAV}getetag"), resource.text(f"{CALDAV}calendar-data")
    return Stored(name, _strong(etag), data.encode()) if name and etag and data else None


def _strong(etag: str) -> str:
    """The etag to send back: a proxy may have called it weak, and no weak one ever fulfils a condition."""
    return etag.strip().removeprefix("W/")


def _whole(data: bytes, host: str) -> bytes:
    text = data.strip()
    if text.startswith(b"BEGIN:VCALENDAR") and not text.endswith(b"END:VCALENDAR"):
        raise TransientError(f"{host}: the entry arrived cut")
    return data
