"""One poll of a source: what its lists show becomes facts, what they do not show is looked for by id.

A row that is absent is never a cancellation. An active booking that lists which were read to their end do
not show is fetched; if the provider has none of this id either, that is noted, and no fact is recorded.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlmodel import Session

from adapters.errors import AdapterError, PermanentError
from adapters.provider import Priority, Provider, Window
from events.envelope import Provenance
from hub.clock import Clock
from hub.errors import ConcurrencyError, HubError
from hub.ingest.appending import UnstorableError
from hub.ingest.lookup import Looked, NoProviderError
from hub.polling import known
from hub.polling.reading import Errand, ListReader, Rows, Tally
from hub.polling.windows import created_window, poll_window
from hub.store import absent, polls
from hub.store.database import Database
from hub.store.tables import PollRow, SourceListRow

MOST_FETCHED = 20
"""Bookings of one poll that are looked for by id: a provider that shows an empty list costs no more."""
ASKED_AGAIN_AFTER = timedelta(hours=1)

NOBODY = (
    "no host is known whose list could be read; the first webhook brings one, or name a user in the config"
)

_log = structlog.get_logger(__name__)


class Looking(Rows, Protocol):
    """Rows, and bookings by their id."""

    async def look(
        self,
        source: str,
        provider_id: str,
        *,
        host: str | None = None,
        priority: Priority = Priority.VERIFICATION,
        provenance: Provenance = "webhook",
        causation_id: str | None = None,
    ) -> Looked: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a poll looks. `history_first`: a list whose backfill has not ended is left to that."""

    past: timedelta
    ahead: timedelta
    history_first: bool = True


@dataclass(slots=True)
class Polled:
    """What came of one poll; `problems` names the lists that were not read to their end."""

    poll_id: str
    began: datetime
    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    lists: int = 0
    missing: int = 0
    left_out: int = 0


class Poller:
    """Polls any source; each call is one poll, its result stored. The lease is the caller's."""

    def __init__(
        self, providers: Mapping[str, Provider], lookup: Looking, database: Database, clock: Clock
    ) -> None:
        self._providers = providers
        self._lookup = lookup
        self._reader = ListReader(lookup)
        self._database = database
        self._clock = clock

    async def poll(self, source: str, reach: Reach, *, poll_id: str) -> Polled:
        """Read what may have changed. Raises AdapterError and HubError; what came before that is kept.

        A poll for which every list still waits for its history is none.
        """
        polled, began = Polled(poll_id, self._clock.now()), time.perf_counter()
        try:
            await self._poll(source, reach, polled)
        except (AdapterError, HubError) as error:
            await self._record(source, polled, error=str(error), seconds=time.perf_counter() - began)
            raise
        if polled.lists or polled.problems:
            problems = "; ".join(polled.problems) or None
            await self._record(source, polled, error=problems, seconds=time.perf_counter() - began)
        return polled

    async def _poll(self, source: str, reach: Reach, polled: Polled) -> None:
        provider = self._providers.get(source)
        if provider is None:
            raise NoProviderError(f"the source {source} has no API that could be asked")
        rows = await self._database.write(
            lambda session: known.lists_to_read(session, source, provider, now=polled.began)
        )
        if not rows:
            polled.problems.append(NOBODY)
        before = await self._lookup.position()
        windows: list[Window] = []
        for row in rows:
            if reach.history_first and row.history_done_at is None and row.polled_at is None:
                polled.left_out += 1
                continue
            windows += await self._read_list(provider, row, reach, polled)
        await self._database.write(lambda session: absent.seen(session, source, polled.tally.seen))
        if windows:
            await self._note_absent(source, windows, before, polled)
            await self._look_for(source, polled)

    async def _read_list(
        self, provider: Provider, row: SourceListRow, reach: Reach, polled: Polled
    ) -> Sequence[Window]:
        """Read what is near in time, then what is new; the windows by start that were shown whole."""
        # The first look at a list that nothing was read of before shows what happened before we watched.
        watched = row.polled_at is not None or row.history_done_at is not None
        errand = Errand(row.source, "poll" if watched else "backfill", polled.poll_id)
        now, host = polled.began, row.host or None
        near = poll_window(now, past=reach.past, ahead=reach.ahead, last=row.polled_at, host=host)
        new = created_window(now, since=row.created_before or row.first_seen_at, host=host)
        polled.lists += 1
        try:
            whole = await self._reader.read(provider, near, errand, polled.tally)
            all_new = await self._reader.read(provider, new, errand, polled.tally)
        except PermanentError as error:
            polled.problems.append(f"{list_name(row)}: {error}")
            return ()
        if not (whole and all_new):
            polled.problems.append(f"{list_name(row)}: not shown whole")
            return ()
        await self._database.write(
            lambda session: polls.list_polled(session, row.source, row.host, at=now, created_before=now)
        )
        return (near,)

    async def _note_absent(self, source: str, windows: Sequence[Window], before: int, polled: Polled) -> None:
        """What a list that was read to its end should have shown, and no list did."""
        begin = min(window.begin for window in windows)

        def note(session: Session) -> int:
            known.forget_settled(session, source, begin=begin)
            found = known.not_shown(session, source, windows=windows, before=before, shown=polled.tally.seen)
            absent.note(session, source, found, now=polled.began)
            return len(found)

        if count := await self._database.write(note):
            _log.info("not_shown", source=source, bookings=count)

    async def _look_for(self, source: str, polled: Polled) -> None:
        """Fetch what was not shown, the longest unasked first."""

        before = polled.began - ASKED_AGAIN_AFTER
        due = await self._database.read(
            lambda session: absent.to_check(session, source, before=before, limit=MOST_FETCHED)
        )
        for provider_id in due:
            try:
                looked = await self._lookup.look(
                    source,
                    provider_id,
                    priority=Priority.POLL,
                    provenance="poll",
                    causation_id=polled.poll_id,
                )
            except (PermanentError, UnstorableError, ConcurrencyError) as error:
                _log.warning("not_found_out", source=source, provider_id=provider_id, error=str(error))
                continue
            polled.tally.facts += len(looked.facts)
            polled.missing += looked.missing
            await self._database.write(
                lambda session, one=provider_id, missing=looked.missing: absent.checked(  # type: ignore[misc]
                    session, source, one, missing=missing, now=polled.began
                )
            )

    async def _record(self, source: str, polled: Polled, *, error: str | None, seconds: float) -> None:
        row = PollRow(
            source=source,
            polled_at=polled.began,
            error=error,
            bookings=polled.tally.bookings,
            facts=polled.tally.facts,
            duration_seconds=round(seconds, 3),
        )
        await self._database.write(lambda session: polls.record(session, row))


def list_name(row: SourceListRow) -> str:
    return f"the list of {row.host}" if row.host else "the list"
