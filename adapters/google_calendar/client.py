"""The wire to Google Calendar: one blocking call per method, in a thread, its failures sorted.

google-api-python-client is untyped and blocking, and its transport is not thread-safe: every call gets
one of its own. Nothing is retried here (`num_retries=0`); that is the hub's. The threads are this
client's own: with the shared ones, a calendar that hangs would hold up every other target.
"""

import asyncio
import http.client
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import httplib2
from google.auth.exceptions import GoogleAuthError
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from adapters.errors import AuthError, TransientError
from adapters.google_calendar.config import Credentials
from adapters.google_calendar.entries import Entry
from adapters.google_calendar.failures import Call, is_limit, sort_answer, sort_auth_failure
from adapters.google_calendar.identity import Identity

MOST_THREADS = 32
PAGE_SIZE = 2500
MOST_PAGES = 400
"""A million entries of one installation in one calendar: a server that never comes to its end."""
NEVER: frozenset[int] = frozenset()

Outcome = Literal["shown", "done", "duplicate", "missing", "gone", "stale", "refused"]

_OUTCOMES: Mapping[tuple[Call, int], Outcome] = {
    ("insert", 409): "duplicate",
    ("get", 404): "missing",
    ("get", 410): "gone",
    ("update", 404): "missing",
    ("update", 410): "gone",
    ("update", 412): "stale",
    ("delete", 404): "missing",
    ("delete", 410): "gone",
    ("delete", 412): "stale",
}
"""What is no failure but an answer that says how our entry stands."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call went; `entry` is set when the target showed one."""

    outcome: Outcome
    entry: Entry | None = None


class CalendarClient:
    """One calendar service under one identity; safe to use from many tasks at once."""

    def __init__(
        self, *, base_url: str, credentials: Credentials, timeout: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._base_url = base_url
        self._timeout = timeout.total_seconds()
        self._clock = clock
        self._identity = Identity(credentials)
        self._service: Any = None
        self.requests = 0
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Let the threads go, without waiting for calls that nobody awaits any more."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def insert(self, calendar: str, body: Mapping[str, Any]) -> Answer:
        """`shown` or `duplicate`; the id in the body is the only guard there is at creation."""
        return await self._call(
            "insert",
            body["id"],
            lambda events: events.insert(calendarId=calendar, body=body, sendUpdates="none"),
        )

    async def get(self, calendar: str, entry_id: str) -> Answer:
        """`shown`, a tombstone included, or `missing`."""
        return await self._call(
            "get", entry_id, lambda events: events.get(calendarId=calendar, eventId=entry_id)
        )

    async def update(
        self,
        calendar: str,
        entry_id: str,
        body: Mapping[str, Any],
        *,
        etag: str | None,
        refusable: frozenset[int] = NEVER,
    ) -> Answer:
        """Replace the entry if it still has this etag; a status among `refusable` is an answer, `refused`."""
        return await self._call(
            "update",
            entry_id,
            lambda events: events.update(
                calendarId=calendar, eventId=entry_id, body=body, sendUpdates="none"
            ),
            etag=etag,
            refusable=refusable,
        )

    async def delete(self, calendar: str, entry_id: str, *, etag: str | None) -> Answer:
        """`done`, or why there was nothing to delete."""
        return await self._call(
            "delete",
            entry_id,
            lambda events: events.delete(calendarId=calendar, eventId=entry_id, sendUpdates="none"),
            etag=etag,
        )

    async def marked(self, calendar: str, mark: str) -> list[Entry]:
        """Every entry that is not deleted and may carry this `name=value`, over all pages.

        One property only, and the caller looks again: the reference and the guide differ about several,
        and some servers do not look at all.
        """
        found: list[Entry] = []
        page_token: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._page(calendar, mark, page_token)
            items = page.get("items", [])
            entries = [Entry.read(item) for item in items] if isinstance(items, list) else [None]
            whole = [entry for entry in entries if entry is not None]
            if len(whole) < len(entries):
                raise TransientError("list: the answer was cut off")
            found += [entry for entry in whole if not entry.deleted]
            page_token = page.get("nextPageToken")
            if not page_token:
                return found
        raise TransientError("list: the calendar has no end")

    async def _page(self, calendar: str, mark: str, page_token: str | None) -> Mapping[str, Any]:
        def look(events: Any) -> Any:
            return events.list(
                calendarId=calendar,
                privateExtendedProperty=mark,
                maxResults=PAGE_SIZE,
                pageToken=page_token,
                showDeleted=False,
            )

        answer = await self._answer_of("list", "the entries", look, etag=None, refusable=NEVER)
        if not isinstance(answer, Mapping):
            raise TransientError("list: the answer was cut off")
        return answer

    async def check_access(self, calendar: str) -> None:
        """Raise AuthError unless entries of this calendar may be written."""

        def look(events: Any) -> Any:
            return events.list(calendarId=calendar, maxResults=1, fields="kind,accessRole")

        answer = await self._answer_of("list", "the calendar", look, etag=None, refusable=NEVER)
        role = answer.get("accessRole") if isinstance(answer, Mapping) else None
        if role in ("none", "freeBusyReader", "reader"):
            raise AuthError(f"the calendar is shared as {role}; writing needs writer or owner")

    async def check_identity(self) -> None:
        """Raise AuthError unless the credentials are readable and give a token."""
        await self._in_thread("list", "credentials", self._identity.token)

    async def _call(
        self,
        call: Call,
        subject: str,
        request: Callable[[Any], Any],
        *,
        etag: str | None = None,
        refusable: frozenset[int] = NEVER,
    ) -> Answer:
        answer = await self._answer_of(call, subject, request, etag=etag, refusable=refusable)
        if isinstance(answer, Answer):
            return answer
        if call == "delete":
            return Answer("done")
        entry = Entry.read(answer)
        if entry is None:
            raise TransientError(f"{call} {subject}: the answer was cut off")
        return Answer("shown", entry)

    async def _answer_of(
        self,
        call: Call,
        subject: str,
        request: Callable[[Any], Any],
        *,
        etag: str | None,
        refusable: frozenset[int],
    ) -> object:
        """The decoded answer, or an `Answer` if the status says how our entry stands."""

        def execute(transport: httplib2.Http) -> object:
            try:
                return self._execute(request, transport, etag)
            except HttpError as error:
                status = int(error.resp.status)
                if status in refusable and not is_limit(error):
                    return Answer("refused")
                if (call, status) in _OUTCOMES:
                    return Answer(_OUTCOMES[call, status])
                raise

        return await self._in_thread(call, subject, execute)

    def _execute(self, request: Callable[[Any], Any], transport: httplib2.Http, etag: str | None) -> object:
        prepared = request(self._events())
        if etag is not None:
            prepared.headers["If-Match"] = etag
        try:
            return self._authorised(prepared, self._identity.token(transport), transport)
        except HttpError as error:
            fresh = int(error.resp.status) == 401 and self._identity.renewed(transport)
            if not fresh:
                raise
            return self._authorised(prepared, fresh, transport)

    @staticmethod
    def _authorised(prepared: Any, token: str, transport: httplib2.Http) -> object:
        prepared.headers["Authorization"] = f"Bearer {token}"
        answer: object = prepared.execute(http=transport, num_retries=0)
        return answer

    def _events(self) -> Any:
        if self._service is None:
            self._service = build(
                "calendar",
                "v3",
                http=httplib2.Http(),
                client_options={"api_endpoint": self._base_url},
                static_discovery=True,
                cache_discovery=False,
            )
        return self._service.events()

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="google_calendar")
        return self._threads

    async def _in_thread(self, call: Call, subject: str, work: Callable[[httplib2.Http], Any]) -> Any:
        self.requests += 1
        where = subject if call == "list" else f"{call} {subject}"
        transport = httplib2.Http(timeout=self._timeout)
        transport.follow_redirects = False

        def run() -> Any:
            try:
                return work(transport)
            finally:
                transport.close()

        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.get_running_loop().run_in_executor(self._pool(), run)
        except HttpError as error:
            raise sort_answer(error, call, where, self._clock()) from error
        except GoogleAuthError as error:
            raise sort_auth_failure(error, where) from error
        except TimeoutError as error:
            raise TransientError(f"{where}: no answer within {self._timeout:g} s") from error
        except (OSError, httplib2.HttpLib2Error, http.client.HTTPException, UnicodeDecodeError) as error:
            raise TransientError(f"{where}: connection failed ({type(error).__name__})") from error
