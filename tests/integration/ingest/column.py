"""The ingest from door to log, on a real nats-server and SQLite, in one process."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from adapters.meetergo import MeetergoSource
from adapters.meetergo.config import MeetergoConfig
from adapters.provider import Provider
from events.envelope import Envelope
from hub.clock import ManualClock
from hub.ingest.appending import Appender
from hub.ingest.bodies import Bodies
from hub.ingest.digests import KnownDigests
from hub.ingest.inbox import InboxRows
from hub.ingest.lookup import Lookup
from hub.ingest.pipeline import Pipeline
from hub.ingest.reading_back import ReadingBack
from hub.ingest.reprocessing import Reprocessor
from hub.ingest.source_states import SourceStates
from hub.ingest.turns import Turns
from hub.ingest.verifying import Verification
from hub.ingest.watched import WatchedProvider
from hub.ingest.webhooks import Door, WebhookEndpoint
from hub.log import EventLog, InboxConsumer, InboxLog, LogConnection, Privacy
from hub.store import dirty, installation, sources
from hub.store.database import Database
from hub.store.tables import InboxRow
from hub.telemetry import Metrics
from tests.unit.ingest.asgi import Answer, call

PAYLOADS = Path(__file__).parents[2] / "payloads" / "meetergo"
TOKEN = "right-token"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SOURCE = "meetergo"


def sample(name: str) -> bytes:
    """A sample webhook by the middle part of its file name."""
    return (PAYLOADS / f"webhook_{name}.json").read_bytes()


@dataclass
class Column:
    """All parts, and what a test asks of them."""

    database: Database
    inbox: InboxLog
    log: EventLog
    clock: ManualClock
    metrics: Metrics
    source: MeetergoSource
    rows: InboxRows
    pipeline: Pipeline
    consumer: InboxConsumer
    known: KnownDigests
    endpoint: WebhookEndpoint
    reprocessor: Reprocessor
    providers: Mapping[str, Provider]
    states: SourceStates
    verification: Verification
    answered: set[str] = field(default_factory=set)
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    def build(
        cls,
        connection: LogConnection,
        inbox: InboxLog,
        log: EventLog,
        privacy: Privacy,
        database: Database,
        *,
        provider: Provider | None = None,
    ) -> "Column":
        """With a `provider` bookings are read back from it, else payloads are trusted."""
        clock = ManualClock(NOW)
        source = MeetergoSource(MeetergoConfig(), instance=SOURCE)
        by_name = {SOURCE: source}
        metrics = Metrics(version="test", sources=by_name)
        pipeline = Pipeline(
            by_name,
            database=database,
            inbox=inbox,
            log=log,
            privacy=privacy,
            clock=clock,
            metrics=metrics,
            left_out=lambda: [SOURCE] if provider else [],
        )
        states = SourceStates(database, metrics=metrics)
        heard = partial(states.heard, SOURCE)
        providers: dict[str, Provider] = {SOURCE: WatchedProvider(provider, heard)} if provider else {}
        appender = Appender(log, privacy, metrics=metrics)
        verification = Verification(
            ReadingBack(
                by_name,
                providers,
                lookup=Lookup(providers, log=log, appender=appender, clock=clock, metrics=metrics),
                bodies=Bodies(inbox, database),
                database=database,
                clock=clock,
            ),
            fetching=providers.keys,
            states=states,
            turns=Turns(database, clock=clock, owner="the column"),
            database=database,
            clock=clock,
        )
        rows = InboxRows(
            database, clock=clock, written=verification.written if provider else pipeline.written
        )
        known = KnownDigests(database)
        return cls(
            database=database,
            inbox=inbox,
            log=log,
            clock=clock,
            metrics=metrics,
            source=source,
            rows=rows,
            pipeline=pipeline,
            consumer=InboxConsumer(connection, inbox, rows.take),
            known=known,
            endpoint=WebhookEndpoint(
                [Door(source, (TOKEN, "old-token"), trusting=provider is None)],
                log=inbox,
                known=known,
                clock=clock,
                metrics=metrics,
            ),
            reprocessor=Reprocessor(
                by_name,
                database=database,
                inbox=inbox,
                clock=clock,
                wake=verification.wake if provider else pipeline.wake,
                trusts=lambda _: provider is None,
            ),
            providers=providers,
            states=states,
            verification=verification,
        )

    async def start(self) -> None:
        await self.database.write(lambda session: sources.see(session, SOURCE, type="meetergo", now=NOW))
        await self.database.write(lambda session: installation.get_or_create(session, now=NOW))
        await self.known.load(now=NOW)
        await self.consumer.start()
        self.work()

    def work(self) -> None:
        """Start working marks alone."""
        self._running = [
            asyncio.create_task(self.pipeline.run()),
            asyncio.create_task(self.verification.run()),
        ]

    async def rest(self) -> None:
        """Stop working marks alone."""
        for task in self._running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._running = []

    async def stop(self) -> None:
        await self.consumer.stop()
        await self.rest()

    async def send(self, body: bytes | Mapping[str, Any], *, token: str = TOKEN) -> Answer:
        """Post one webhook, a second after the one before."""
        self.clock.advance(timedelta(seconds=1))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await call(self.endpoint, f"/webhooks/{SOURCE}/{token}", content)
        assert answer is not None
        if answer.status in (200, 400):
            self.answered.add(answer.json["receipt"])
        return answer

    async def settled(self) -> None:
        """Return once every receipt has its rows and no booking is dirty."""
        await until(self._is_settled)

    async def _is_settled(self) -> bool:
        return await self.database.read(self._is_written) and not await self.dirty()

    def _is_written(self, session: Session) -> bool:
        return self.answered <= set(session.exec(select(InboxRow.receipt_id)))

    async def dirty(self) -> int:
        """How many marks wait."""
        return (await self.database.read(dirty.counts)).receipts

    async def events(self) -> list[Envelope]:
        """The whole log."""
        found: list[Envelope] = []
        while page := await self.log.read(len(found), 1000):
            found += page
        return found

    async def facts(self, *, after: int = 0) -> list[str]:
        """The types of all facts after this many."""
        return [envelope.type for envelope in await self.events()][after:]


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60.0) -> None:
    """Return as soon as the condition holds; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)
