"""A hub that asks one source: the real log, store, projections and schedule around a given provider."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlmodel import Session, select

from adapters.provider import Provider
from events import BookingSnapshot, Envelope
from events.envelope import Provenance
from hub.assembly import Foundation
from hub.clock import ManualClock
from hub.ingest.appending import Appender
from hub.ingest.lookup import Lookup
from hub.log import EventLog, Privacy
from hub.polling.backfill import Backfiller
from hub.polling.lease import Leases
from hub.polling.poll import Polled, Poller, Reach
from hub.projections.reader import Reader
from hub.projections.sinks import SinkRegistration
from hub.settings import Settings, load_settings
from hub.sourcing import Sourcing, plans_of
from hub.store import operations, polls, sources
from hub.store.database import Database
from hub.store.tables import AbsentRow, BookingRow, DeliveryRow, OperationRow, PollRow, SourceListRow
from hub.telemetry import Metrics
from tests.waiting import until

SOURCE = "meetergo"
NOW = datetime(2026, 10, 21, 12, 0, tzinfo=UTC)
TOKEN = "webhook-token-0123456789"
SINKS = (SinkRegistration("calendar", "booking"), SinkRegistration("chat", "reactor"))
YAML = """\
hub: {public_url: "https://hub.studio.example"}
sources:
  meetergo:
    type: meetergo
    webhook: {token: webhook-token-0123456789}
    config: {base_url: "http://127.0.0.1:9", key: "rgo-made-up-token-of-the-stand-in-01"}
"""


@dataclass
class World:
    """Everything that asks, and what a test looks at."""

    database: Database
    log: EventLog
    privacy: Privacy
    clock: ManualClock
    provider: Provider
    settings: Settings
    providers: dict[str, Provider]
    appender: Appender
    lookup: Lookup
    metrics: Metrics
    reader: Reader
    sourcing: Sourcing
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    @classmethod
    def build(
        cls,
        log: EventLog,
        privacy: Privacy,
        database: Database,
        provider: Provider,
        settings: Settings,
        *,
        owner: str = "hub-1",
    ) -> "World":
        clock = ManualClock(NOW)
        metrics = Metrics(version="test", sources=[SOURCE])
        providers = {SOURCE: provider}
        appender = Appender(log, privacy, metrics=metrics)
        lookup = Lookup(providers, log=log, appender=appender, clock=clock, metrics=metrics)
        base = cast(Foundation, SimpleNamespace(database=database, clock=clock))
        world = cls(
            database=database,
            log=log,
            privacy=privacy,
            clock=clock,
            provider=provider,
            settings=settings,
            providers=providers,
            appender=appender,
            lookup=lookup,
            metrics=metrics,
            reader=Reader(log, database, clock=clock, registrations=SINKS),
            sourcing=Sourcing(
                base,
                lambda: world.settings,
                providers=providers,
                lookup=lookup,
                metrics=metrics,
                owner=owner,
            ),
        )
        return world

    def start(self) -> None:
        """Read the log into the projections."""
        self.clock_seen()
        self._tasks.append(asyncio.create_task(self.reader.run()))

    def watch(self) -> None:
        """Ask by schedule."""
        self._tasks.append(asyncio.create_task(self.sourcing.watch.run()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        await self.sourcing.runs.stop()

    def clock_seen(self) -> None:
        now = self.clock.now()
        self.database.write_now(lambda session: sources.see(session, SOURCE, type="meetergo", now=now))

    async def caught_up(self) -> None:
        """Until the projections show everything."""
        last = (await self.log.state()).last
        await until(lambda: self.reader.position >= last)

    async def settle(
        self, *snapshots: BookingSnapshot, provenance: Provenance = "webhook", causation_id: str = "r_1"
    ) -> None:
        """These are known, and the projections show it."""
        for one in snapshots:
            head = await self.appender.head(one.source, one.provider_id)
            await self.appender.settle(one, head=head, provenance=provenance, causation_id=causation_id)
        await self.caught_up()

    async def poll(self, *, provider: Provider | None = None, history_first: bool = False) -> Polled:
        """One poll as the schedule makes it, after the projections have caught up."""
        settings = self.settings.sources[SOURCE].poll
        providers = {SOURCE: provider or self.provider}
        reach = Reach(settings.past, settings.ahead, history_first=history_first)
        await self.caught_up()
        polled = await Poller(providers, self.lookup, self.database, self.clock).poll(
            SOURCE, reach, poll_id="p_1"
        )
        await self.caught_up()
        return polled

    def backfiller(self) -> Backfiller:
        return Backfiller(self.providers, self.lookup, self.database, self.clock)

    def leases(self, *, owner: str) -> Leases:
        return Leases(self.database, self.clock, owner=owner)

    async def facts(self, provider_id: str) -> list[Envelope]:
        return list(await self.log.history(SOURCE, provider_id))

    async def types(self, provider_id: str) -> list[str]:
        """The facts of a booking, in their order."""
        return [envelope.type for envelope in await self.facts(provider_id)]

    async def watched_before(self) -> None:
        """The list was read before, so what is new now is found by a poll."""

        def done(session: Session) -> None:
            (row,) = polls.see_lists(session, SOURCE, [""], now=NOW)
            row.history_id, row.history_done_at = "b_0", NOW
            row.polled_at = row.created_before = NOW

        await self.database.write(done)

    def booking(self, provider_id: str) -> BookingRow:
        (row,) = self.database.read_now(
            lambda session: session.exec(
                select(BookingRow).where(BookingRow.provider_id == provider_id)
            ).all()
        )
        return row

    def last_poll(self) -> PollRow | None:
        return self.database.read_now(lambda session: polls.get(session, SOURCE))

    def has_polled(self) -> bool:
        """Whether a poll went well at this moment of the clock."""
        row = self.last_poll()
        return row is not None and row.succeeded_at == self.clock.now()

    def lists(self) -> list[SourceListRow]:
        return self.database.read_now(lambda session: polls.lists_of(session, SOURCE))

    def absent(self) -> Mapping[str, bool]:
        """What no list shows, and whether it is missing."""
        rows = self.database.read_now(lambda session: session.exec(select(AbsentRow)).all())
        return {row.provider_id: row.missing for row in rows}

    def deliveries(self, sink: str) -> Counter[str]:
        """The rows of a sink by state."""
        states = select(DeliveryRow.state).where(DeliveryRow.sink == sink)
        return Counter(self.database.read_now(lambda session: session.exec(states).all()))

    def operations(self) -> Sequence[OperationRow]:
        return self.database.read_now(lambda session: operations.listing(session, limit=None).items)

    def plan(self) -> Any:
        return plans_of(self.settings, self.providers)[SOURCE]


def settings_of(folder: Path, **members: str) -> Settings:
    """The configuration with more keys of the source."""
    below, above = folder / "hub.yaml", folder / "more.yaml"
    below.write_text(YAML, encoding="utf-8")
    keys = ", ".join(f"{name}: {value}" for name, value in members.items())
    above.write_text(f"sources: {{meetergo: {{{keys}}}}}\n", encoding="utf-8")
    return load_settings([below, above], {})
