"""The moving parts of one running hub, and what changes when its configuration does."""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import structlog
from sqlmodel import Session

from events import Envelope
from hub.asking import Asking
from hub.assembly import (
    Foundation,
    build_feeds,
    build_sources,
    is_durable,
    lone_adapter,
    prepare_sink,
    sink_kinds,
)
from hub.commands.desk import Desk
from hub.delivering import Deliveries
from hub.errors import LogError
from hub.identity import hub_id
from hub.ingest.digests import KnownDigests
from hub.ingest.inbox import InboxRows
from hub.ingest.pipeline import Pipeline
from hub.ingest.reprocessing import Reprocessor
from hub.ingest.webhooks import Door, WebhookEndpoint
from hub.keeping import Keeping
from hub.log import InboxConsumer, set_epoch
from hub.log.inbox_log import StoredReceipt
from hub.projections.divergence import Divergence
from hub.projections.reader import Hooks, Reader
from hub.rebuilding import Rebuilds
from hub.reloading import Reloads, Reread
from hub.serving import Front
from hub.settings import Configuration, Settings
from hub.settings.display import effective
from hub.simulation.control import Playground
from hub.sourcing import Sourcing
from hub.store import operations, sources
from hub.telemetry import Metrics
from hub.web.app import build_app, build_webhook_app
from hub.web.auth import ADMIN_FILE, ensure_admin_token
from hub.web.services import HubServices

Role = Literal["web", "work"]
ROLES: tuple[Role, ...] = ("web", "work")
RETRY_SECONDS = 0.5

_log = structlog.get_logger(__name__)


class RunningHub:
    """The moving parts of one running hub."""

    def __init__(
        self,
        base: Foundation,
        configuration: Configuration,
        roles: frozenset[Role],
        *,
        url: str,
        reread: Reread,
        playground: Playground | None = None,
    ) -> None:
        self._base = base
        self._playground = playground
        self._configuration = configuration
        settings = configuration.settings
        self._id = hub_id(settings.hub.data_dir)
        self._roles = roles
        self._stop = asyncio.Event()
        self._failed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._sources = build_sources(settings)
        self._metrics = Metrics(
            version=version("bookinghub"), sources=settings.sources, sinks=sink_kinds(settings)
        )
        self._asking = Asking(
            base, lambda: self._settings, self._sources, metrics=self._metrics, owner=self._id
        )
        self._pipeline = Pipeline(
            self._sources,
            database=base.database,
            inbox=base.inbox,
            log=base.log,
            privacy=base.privacy,
            clock=base.clock,
            metrics=self._metrics,
            left_out=self._asking.fetched,
        )
        self._desk = Desk(
            self._asking.providers,
            self._asking.lookup.look,
            self._asking.appender.record,
            database=base.database,
            clock=base.clock,
        )
        self._rows = InboxRows(base.database, clock=base.clock, written=self._on_marks)
        self._consumer = InboxConsumer(base.connection, base.inbox, self._rows.take)
        self._reprocessor = Reprocessor(
            self._sources,
            database=base.database,
            inbox=base.inbox,
            clock=base.clock,
            wake=self._wake_ingest,
            trusts=lambda source: source not in self._asking.fetched(),
        )
        self._known = KnownDigests(base.database)
        self._deliveries = Deliveries(base, settings, self._metrics, owner=self._id)
        self._reloads = Reloads(
            reread,
            clock=base.clock,
            metrics=self._metrics,
            deliveries=self._deliveries if "work" in roles else None,
            in_effect=lambda: self._configuration,
            adopt=self._adopt,
        )
        self._reader = Reader(
            base.log,
            base.database,
            clock=base.clock,
            hooks=Hooks(
                on_batch=self._on_batch,
                on_diverged=self._on_diverged,
                set_epoch=self._on_epoch,
                reconnects=lambda: base.connection.reconnects,
            ),
        )
        self._keeping = Keeping(
            base,
            lambda: self._settings,
            wake=self._deliveries.wake,
            is_verified=lambda: "work" not in roles or self._reader.is_verified,
        )
        self._sourcing = Sourcing(
            base,
            lambda: self._settings,
            providers=self._asking.providers,
            lookup=self._asking.lookup,
            metrics=self._metrics,
            owner=self._id,
        )
        self._rebuilds = Rebuilds(base.log, base.database, clock=base.clock, paused=self._reader.paused)
        self.services = HubServices(
            settings=settings,
            sink_kinds=sink_kinds(settings),
            database=base.database,
            log=base.log,
            inbox=base.inbox,
            clock=base.clock,
            version=version("bookinghub"),
            started_at=base.clock.now(),
            url=url,
            durable=is_durable(settings),
            webhook_app=self._webhook_app() if "web" in roles else None,
            feeds=build_feeds(settings) if "web" in roles else {},
            providers=self._asking.providers,
            lookup=self._asking.lookup,
            wake_sources=self._asking.wake,
            commands=self._desk,
            source_runs=self._sourcing.runs,
            registration=self._sourcing.registration,
            reprocess=self._reprocess,
            rebuild=self._rebuilds.begin,
            prepare=lambda name, *, dry_run: prepare_sink(base, self._settings, name, dry_run=dry_run),
            compare=self._keeping.comparer.compare,
            apply=self._keeping.applier.begin,
            stop=self._stop.set,
            wake_deliveries=self._deliveries.wake,
            masked_config=lambda: effective(self._configuration.settings, self._configuration.root),
            adapter=lambda entry: lone_adapter(base, self._settings, entry),
            reload=self._reloads.reload,
            reload_problem=lambda: self._reloads.problem,
            playground=playground,
            log_differences=lambda: base.opened.differences,
            reader_problem=lambda: self._reader.reason if self._reader.state != "reading" else None,
            position_verified=lambda: "work" not in roles or self._reader.is_verified,
            metrics=self._metrics,
        )
        self.front = Front(build_app(self.services))
        self.door = Front(build_webhook_app(self.services))

    @property
    def _settings(self) -> Settings:
        return self._configuration.settings

    async def open(self) -> None:
        """Everything that has to be there before the first request is answered."""
        now = self._base.clock.now()
        token_file = self._settings.hub.data_dir / ADMIN_FILE
        await self._base.database.write(
            lambda session: ensure_admin_token(session, token_file, hub=self._id, now=now)
        )
        await self._base.database.write(self._note_sources)
        await self._base.database.write(self._end_operations)
        await self._known.load(now=now)
        if "work" in self._roles:
            await self._deliveries.apply(self._settings)

    def start(self) -> None:
        """Set everything in motion; returns at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        if "work" in self._roles:
            self._spawn(self._work(), "work")
            self._spawn(self._reader.run(), "reader", may_end=True)
            self._spawn(self._pipeline.run(), "pipeline")
            self._spawn(self._asking.run(), "asking")
            self._spawn(self._rows.expire_for_ever(), "expiry")
            self._spawn(self._keeping.watch.run(), "comparisons")
            self._spawn(self._desk.take_up(), "replacements", may_end=True)
            self._spawn(self._sourcing.watch.run(), "polls")
        self._spawn(self._tell_doors(), "playground", may_end=True)

    async def until_stopped(self) -> int:
        """Wait for a signal, for `stop`, or for a part that must not end; the exit code."""
        await self._stop.wait()
        _log.info("stopping")
        return 1 if self._failed else 0

    async def close(self) -> None:
        """End the parts in the order in which they feed each other."""
        await self._consumer.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sourcing.runs.stop()
        await self._rebuilds.stop()
        await self._desk.stop()
        await self._keeping.applier.stop()
        await self._deliveries.stop()
        await self._asking.close()

    async def _work(self) -> None:
        """Receipts in, deliveries out; the deliveries begin when positions are known to be true."""
        await self._start_consumer()
        while self._reader.state not in ("reading", "stopped"):  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.02)
        await self._deliveries.start()
        await asyncio.Event().wait()

    async def _start_consumer(self) -> None:
        """Begin to take receipts, however long the log is away; the door keeps them meanwhile."""
        while True:
            try:
                await self._consumer.start()
            except LogError as error:
                _log.warning("inbox_not_read_yet", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _note_sources(self, session: Session) -> None:
        now = self._base.clock.now()
        for entry in self._settings.sources.values():
            sources.see(session, entry.name, type=entry.type, now=now)

    def _end_operations(self, session: Session) -> None:
        """Nobody else can be at work on a file of our own: what a dead process began has ended."""
        if self._base.database.dialect == "sqlite":
            operations.stop_running(session, now=self._base.clock.now())

    def _webhook_app(self) -> WebhookEndpoint:
        doors = [
            Door(self._sources[name], tokens=_tokens(entry.webhook), trusting=entry.verify == "trust")
            for name, entry in self._settings.sources.items()
            if entry.enabled and entry.webhook is not None
        ]
        return WebhookEndpoint(
            doors,
            log=self._base.inbox,
            known=self._known,
            clock=self._base.clock,
            metrics=self._metrics,
        )

    async def _reprocess(self, receipt_id: str) -> None:
        await self._reprocessor.reprocess(receipt_id)

    def _reload_soon(self) -> None:
        """The signal's way to a reload; a failure is an issue, and stops nothing."""
        self._spawn(self._reloads.reload_by_signal(), "reload", may_end=True)

    async def _adopt(self, configuration: Configuration) -> None:
        """The rest of the hub follows the sinks; requests that run go on with what they began with."""
        self._configuration, settings = configuration, configuration.settings
        sources_now = build_sources(settings)
        self._sources.clear()
        self._sources.update(sources_now)
        await self._asking.follow()
        await self._base.database.write(self._note_sources)
        self._metrics.know(sources=settings.sources, sinks=sink_kinds(settings))
        self.services = replace(
            self.services,
            settings=settings,
            sink_kinds=sink_kinds(settings),
            webhook_app=self._webhook_app() if "web" in self._roles else None,
            feeds=build_feeds(settings) if "web" in self._roles else {},
        )
        self.front.app = build_app(self.services)
        self.door.app = build_webhook_app(self.services)
        await self._tell_doors()

    async def _tell_doors(self) -> None:
        """Simulated providers post their webhooks here; real ones are told by a person."""
        if self._playground is None:
            return
        await self._playground.tell_doors(
            {
                entry.type: f"{self.services.url}/webhooks/{name}/{entry.webhook.token.get_secret_value()}"
                for name, entry in self._settings.sources.items()
                if entry.enabled and entry.webhook is not None
            }
        )

    def _on_marks(self, receipts: Sequence[StoredReceipt]) -> None:
        """Receipts have marked their bookings, some to be worked as they are, some to be read back."""
        fetched = self._asking.fetched()
        self._pipeline.written([receipt for receipt in receipts if receipt.source not in fetched])
        self._asking.written([receipt for receipt in receipts if receipt.source in fetched])

    def _wake_ingest(self) -> None:
        self._pipeline.wake()
        self._asking.wake()

    def _on_batch(self, _: Sequence[Envelope]) -> None:
        self._deliveries.wake()

    async def _on_diverged(self, divergence: Divergence) -> None:
        await self._reprocessor.remark_since(divergence.since)
        await self._sourcing.diverged(divergence)

    async def _on_epoch(self, epoch: int) -> None:
        """Write the epoch into the log, and let the sinks begin again with it."""
        await set_epoch(self._base.connection, prefix=self._settings.nats.prefix, epoch=epoch)
        await self._deliveries.begin_again()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str, *, may_end: bool = False) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(partial(self._ended, may_end=may_end))
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]", *, may_end: bool) -> None:
        """A part that must not end takes the hub down with it: whoever supervises it starts it afresh."""
        if task.cancelled() or (may_end and task.exception() is None):
            return
        _log.critical("part_ended", part=task.get_name(), exc_info=task.exception())
        self._failed = True
        self._stop.set()


def _tokens(webhook: object) -> tuple[str, ...]:
    found = (getattr(webhook, "token", None), getattr(webhook, "previous_token", None))
    return tuple(token.get_secret_value() for token in found if token is not None)
