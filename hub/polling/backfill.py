"""The history of a source, read month by month: what happened before the hub watched.

How far it is stands in SQL after every month, so a hub that was killed goes on with the month it was in;
rows that were read before add nothing. Facts of a backfill never make a reactor act.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlmodel import Session

from adapters.errors import PermanentError
from adapters.provider import Provider, Window
from hub.clock import Clock
from hub.ingest.lookup import NoProviderError
from hub.polling import known
from hub.polling.poll import list_name
from hub.polling.reading import Errand, ListReader, Rows, Tally
from hub.polling.windows import months, next_month
from hub.store import polls
from hub.store.database import Database
from hub.store.tables import SourceListRow

TRIES = 3
"""How often a month is read that the provider does not show whole, before the next one's turn comes."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Filled:
    """What a backfill read since it began, or was taken up again; months are counted over all lists."""

    done: int = 0
    total: int = 0
    bookings: int = 0
    facts: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)


Report = Callable[[Filled], Awaitable[None]]


class Backfiller:
    """Plans and reads backfills of any source; the lease is the caller's."""

    def __init__(
        self, providers: Mapping[str, Provider], rows: Rows, database: Database, clock: Clock
    ) -> None:
        self._providers = providers
        self._reader = ListReader(rows)
        self._database = database
        self._clock = clock

    async def plan_first(self, source: str, *, begin: datetime, end: datetime) -> bool:
        """Plan the history of lists that have none yet; whether any backfill of this source is unfinished."""
        return await self._plan(source, begin, end, again=False)

    async def plan(self, source: str, *, begin: datetime, end: datetime) -> bool:
        """Plan all lists anew, whatever was read before; False if there is no list."""
        return await self._plan(source, begin, end, again=True)

    async def is_read(self, source: str) -> bool:
        """Whether nothing that was planned is left to read."""
        return not await self._database.read(lambda session: _unfinished(session, source))

    async def run(self, source: str, report: Report) -> Filled:
        """Read whatever is planned, from where it was left. Raises AdapterError and HubError."""
        provider = self._provider(source)
        rows = await self._database.read(lambda session: _unfinished(session, source))
        filled = Filled(total=sum(_months_left(row) for row in rows))
        await report(filled)
        for row in rows:
            try:
                await self._fill(provider, row, filled, report)
            except PermanentError as error:
                filled.problems.append(f"{list_name(row)}: {error}")
        return filled

    async def _plan(self, source: str, begin: datetime, end: datetime, *, again: bool) -> bool:
        provider = self._provider(source)
        now, history_id = self._clock.now(), f"b_{secrets.token_hex(8)}"

        def plan(session: Session) -> bool:
            rows = known.lists_to_read(session, source, provider, now=now)
            new = [row for row in rows if again or (row.history_id is None and row.polled_at is None)]
            polls.plan_history(session, new, history_id=history_id, begin=begin, end=end)
            return bool(_unfinished(session, source))

        return await self._database.write(plan)

    def _provider(self, source: str) -> Provider:
        provider = self._providers.get(source)
        if provider is None:
            raise NoProviderError(f"the source {source} has no API that could be asked")
        return provider

    async def _fill(self, provider: Provider, row: SourceListRow, filled: Filled, report: Report) -> None:
        errand = Errand(row.source, "backfill", row.history_id or "")
        begin, end = row.history_next, row.history_until
        while begin is not None and end is not None and begin < end:
            until, tally = min(next_month(begin), end), Tally()
            window = Window(begin, until, by="start", host=row.host or None)
            whole = await self._read(provider, window, errand, tally)
            if not whole:
                filled.problems.append(f"{list_name(row)}: {begin:%B %Y} was not shown whole")
            if not await self._note(row, until, tally, whole=whole):
                return
            begin = until
            filled.done += 1
            filled.bookings += tally.bookings
            filled.facts += tally.facts
            filled.failed += tally.failed
            await report(filled)
        now = self._clock.now()
        await self._database.write(lambda session: polls.history_done(session, row, now=now))

    async def _read(self, provider: Provider, window: Window, errand: Errand, tally: Tally) -> bool:
        for _ in range(TRIES):
            if await self._reader.read(provider, window, errand, tally):
                return True
        _log.warning("month_not_whole", source=errand.source, month=f"{window.begin:%Y-%m}")
        return False

    async def _note(self, row: SourceListRow, until: datetime, tally: Tally, *, whole: bool) -> bool:
        """Store how far it is; False if the backfill was planned anew meanwhile."""
        noted = await self._database.write(
            lambda session: polls.history_read(
                session, row, until=until, bookings=tally.bookings, facts=tally.facts, complete=whole
            )
        )
        row.history_next = until
        return noted


def _unfinished(session: Session, source: str) -> Sequence[SourceListRow]:
    return [
        row
        for row in polls.lists_of(session, source)
        if row.history_id is not None and row.history_done_at is None
    ]


def _months_left(row: SourceListRow) -> int:
    if row.history_next is None or row.history_until is None:
        return 0
    return sum(1 for _ in months(row.history_next, row.history_until))
