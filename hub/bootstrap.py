"""The composition root: settings in, a running hub out. Nothing else constructs or connects anything."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import structlog
import uvloop
from sqlmodel import Session

from events import Envelope
from hub.assembly import (
    Foundation,
    build_feeds,
    build_sinks,
    build_sources,
    foundation,
    kind_of,
    prepare_sink,
    registration,
    sink_kinds,
)
from hub.clock import SystemClock
from hub.delivery import DeliveryEngine
from hub.errors import (
    AlreadyRunningError,
    ConfigError,
    ForeignLogError,
    HubError,
    LogError,
    LogMissingError,
    StoreTooNewError,
)
from hub.identity import hub_id
from hub.ingest.digests import KnownDigests
from hub.ingest.inbox import InboxRows
from hub.ingest.pipeline import Pipeline
from hub.ingest.reprocessing import Reprocessor
from hub.ingest.webhooks import Door, WebhookEndpoint
from hub.keeping import Keeping
from hub.log import HubLock, InboxConsumer, set_epoch
from hub.observing import DeliveryMetrics
from hub.program import pasteable, program
from hub.projections.current import current_booking, current_contact
from hub.projections.divergence import Divergence
from hub.projections.reader import Hooks, Reader
from hub.projections.sinks import SinkRegistration, register_sink
from hub.rebuilding import Rebuilds
from hub.serving import WebServer, write_announcement
from hub.settings import Configuration, Settings, load
from hub.settings.display import effective
from hub.store import installation, operations, sources
from hub.telemetry import Metrics, configure_logging
from hub.web.app import build_app, build_webhook_app
from hub.web.auth import ADMIN_FILE, ensure_admin_token
from hub.web.services import HubServices

Role = Literal["web", "work"]
ROLES: tuple[Role, ...] = ("web", "work")
RETRY_SECONDS = 0.5
_REFUSED = (ConfigError, AlreadyRunningError, ForeignLogError, LogMissingError, StoreTooNewError)

_log = structlog.get_logger(__name__)


def run_hub(
    config_paths: Sequence[Path],
    *,
    roles: Sequence[str] = ROLES,
    listen: str | None = None,
    log_format: str | None = None,
) -> int:
    """Run until SIGTERM, SIGINT or `stop`; the exit code. Problems are printed, one readable text each."""
    try:
        configuration = load(config_paths, os.environ, generate=True)
        chosen = _roles(roles, configuration.settings)
        settings = _listening(configuration.settings, listen)
        log_text = log_format or settings.logging.format
        if log_text == "auto":
            log_text = "text" if sys.stderr.isatty() else "json"
        configure_logging(log_format=log_text, level=settings.logging.level)
        return uvloop.run(_run(configuration, settings, chosen))
    except HubError as error:
        sys.stderr.write(f"{pasteable(str(error))}\n")
        return 2 if isinstance(error, _REFUSED) else 1
    except KeyboardInterrupt:
        return 130


@asynccontextmanager
async def offline(config_paths: Sequence[Path]) -> AsyncIterator[HubServices]:
    """Log and store of a hub that does not run, with no source and no sink; the data directory is locked."""
    configuration = load(config_paths, os.environ)
    settings, clock = configuration.settings, SystemClock()
    with HubLock(settings.hub.data_dir):
        async with foundation(settings, clock=clock) as base:
            reader = Reader(base.log, base.database, clock=clock)
            rebuilds = Rebuilds(base.log, base.database, clock=clock, paused=reader.paused)
            yield HubServices(
                settings=settings,
                sink_kinds=sink_kinds(settings),
                database=base.database,
                log=base.log,
                inbox=base.inbox,
                clock=clock,
                version=version("bookinghub"),
                started_at=clock.now(),
                offline=True,
                durable=_is_durable(settings),
                rebuild=rebuilds.begin,
                feeds=build_feeds(settings),
                masked_config=lambda: effective(settings, configuration.root),
                log_differences=lambda: base.opened.differences,
            )
            await rebuilds.wait()


def _roles(names: Iterable[str], settings: Settings) -> frozenset[Role]:
    chosen = frozenset(role for role in ROLES if role in set(names))
    unknown = sorted(set(names) - set(ROLES))
    if unknown or not chosen:
        raise ConfigError(f"--roles: {', '.join(unknown) or 'nothing'} is no role; choose from web,work")
    if len(chosen) < len(ROLES) and settings.nats.mode == "embedded":
        raise ConfigError("--roles: several processes need a NATS of their own; set nats.url")
    return chosen


def _listening(settings: Settings, listen: str | None) -> Settings:
    if listen is None:
        return settings
    try:
        http = settings.http.model_validate({**settings.http.model_dump(), "listen": listen})
    except ValueError as error:
        raise ConfigError(f"--listen: {listen} is not HOST:PORT, such as 127.0.0.1:8090") from error
    return replace(settings, http=http)


def _is_durable(settings: Settings) -> bool | None:
    """The embedded server flushes before it answers; what a foreign one does is not known to clients."""
    return True if settings.nats.mode == "embedded" else None


async def _run(configuration: Configuration, settings: Settings, roles: frozenset[Role]) -> int:
    lock = HubLock(settings.hub.data_dir)
    lock.acquire()
    async with AsyncExitStack() as stack:
        stack.callback(lock.release)
        server = WebServer(settings.http.listen, key="http.listen")
        stack.push_async_callback(server.stop)
        door_server = None
        if settings.http.webhook_listen is not None:
            door_server = WebServer(settings.http.webhook_listen, key="http.webhook_listen")
            stack.push_async_callback(door_server.stop)
        lock.announce(server.url)
        base = await stack.enter_async_context(foundation(settings, clock=SystemClock()))
        hub = _Hub(base, configuration, roles, url=server.url)
        await hub.open()
        stack.push_async_callback(hub.close)
        await server.start(build_app(hub.services))
        if door_server is not None:
            await door_server.start(build_webhook_app(hub.services))
        stack.callback(hub.services.stopping.set)
        announcement = settings.hub.data_dir / "hub.json"
        write_announcement(announcement, url=server.url)
        stack.callback(partial(announcement.unlink, missing_ok=True))
        hub.start()
        _greet(settings, configuration, server.url, roles)
        return await hub.until_stopped()


class _Hub:
    """The moving parts of one running hub."""

    def __init__(
        self, base: Foundation, configuration: Configuration, roles: frozenset[Role], *, url: str
    ) -> None:
        self._base = base
        self._settings = settings = base.settings
        self._id = hub_id(settings.hub.data_dir)
        self._roles = roles
        self._stop = asyncio.Event()
        self._failed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._engine: DeliveryEngine | None = None
        self._sources = build_sources(settings)
        self._metrics = Metrics(
            version=version("bookinghub"), sources=settings.sources, sinks=sink_kinds(settings)
        )
        self._pipeline = Pipeline(
            self._sources,
            database=base.database,
            inbox=base.inbox,
            log=base.log,
            privacy=base.privacy,
            clock=base.clock,
            metrics=self._metrics,
        )
        self._rows = InboxRows(base.database, clock=base.clock, written=self._pipeline.written)
        self._consumer = InboxConsumer(base.connection, base.inbox, self._rows.take)
        self._reprocessor = Reprocessor(
            self._sources,
            database=base.database,
            inbox=base.inbox,
            clock=base.clock,
            wake=self._pipeline.wake,
        )
        self._known = KnownDigests(base.database)
        self._reader = Reader(base.log, base.database, clock=base.clock)
        self._rebuilds = Rebuilds(
            base.log, base.database, clock=base.clock, paused=lambda: self._reader.paused()
        )
        self._keeping = Keeping(
            base,
            lambda: self._settings,
            wake=self._wake_deliveries,
            is_verified=lambda: "work" not in roles or self._reader.is_verified,
        )
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
            durable=_is_durable(settings),
            webhook_app=self._webhook_app() if "web" in roles else None,
            feeds=build_feeds(settings) if "web" in roles else {},
            reprocess=self._reprocess,
            rebuild=self._rebuilds.begin,
            prepare=partial(prepare_sink, base),
            compare=self._keeping.comparer.compare,
            apply=self._keeping.applier.begin,
            stop=self._stop.set,
            wake_deliveries=self._wake_deliveries,
            masked_config=lambda: effective(configuration.settings, configuration.root),
            log_differences=lambda: base.opened.differences,
            reader_problem=lambda: self._reader.reason if self._reader.state != "reading" else None,
            position_verified=lambda: "work" not in roles or self._reader.is_verified,
            metrics=self._metrics,
        )

    async def open(self) -> None:
        """Everything that has to be there before the first request is answered."""
        now = self._base.clock.now()
        token_file = self._settings.hub.data_dir / ADMIN_FILE
        await self._base.database.write(
            lambda session: ensure_admin_token(session, token_file, hub=self._id, now=now)
        )
        await self._base.database.write(self._note_sources)
        await self._known.load(now=now)
        registrations = await self._register_sinks()
        self._reader = Reader(
            self._base.log,
            self._base.database,
            clock=self._base.clock,
            registrations=registrations,
            hooks=Hooks(
                on_batch=self._on_batch,
                on_diverged=self._on_diverged,
                set_epoch=self._on_epoch,
                reconnects=lambda: self._base.connection.reconnects,
            ),
        )

    def start(self) -> None:
        """Set everything in motion; returns at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, partial(_log.warning, "reload_not_yet_possible"))
        if "work" in self._roles:
            self._spawn(self._work(), "work")
            self._spawn(self._reader.run(), "reader", may_end=True)
            self._spawn(self._pipeline.run(), "pipeline")
            self._spawn(self._rows.expire_for_ever(), "expiry")
            self._spawn(self._keeping.watch.run(), "comparisons")

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
        await self._rebuilds.stop()
        await self._keeping.applier.stop()
        if self._engine is not None:
            await self._engine.stop()

    async def _work(self) -> None:
        """Receipts in, deliveries out; the deliveries begin when positions are known to be true."""
        await self._start_consumer()
        while self._reader.state not in ("reading", "stopped"):  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.02)
        await self._start_engine()
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

    async def _start_engine(self) -> None:
        base = self._base
        row = await base.database.read(installation.get)
        if row is None:
            raise ConfigError("the store lost its identity while the hub ran")
        engine = DeliveryEngine(
            base.database,
            build_sinks(base, installation_id=row.installation_id, epoch=row.epoch),
            base.clock,
            load_booking=current_booking,
            load_contact=current_contact,
            load_envelope=base.log.at,
            owner=self._id,
            epoch=row.epoch,
            alone=base.database.dialect == "sqlite",
            observer=DeliveryMetrics(self._metrics),
        )
        await engine.start()
        self._engine = engine

    async def _register_sinks(self) -> list[SinkRegistration]:
        """A disabled mirror keeps collecting what it will have to catch up; a disabled reactor does not."""
        wanted = [
            entry for entry in self._settings.sinks.values() if entry.enabled or kind_of(entry) != "reactor"
        ]
        log_position = (await self._base.log.state()).last
        now = self._base.clock.now()

        def register(session: Session) -> list[SinkRegistration]:
            return [
                registration(
                    entry,
                    start_position=register_sink(
                        session,
                        entry.name,
                        type=entry.type,
                        kind=kind_of(entry),
                        start=entry.start,
                        log_position=log_position,
                        now=now,
                    ),
                )
                for entry in wanted
            ]

        return await self._base.database.write(register)

    def _note_sources(self, session: Session) -> None:
        now = self._base.clock.now()
        for entry in self._settings.sources.values():
            sources.see(session, entry.name, type=entry.type, now=now)
        if self._base.database.dialect == "sqlite":
            operations.stop_running(session, now=now)

    def _webhook_app(self) -> WebhookEndpoint:
        doors = [
            Door(self._sources[name], tokens=_tokens(entry.webhook))
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

    def _wake_deliveries(self) -> None:
        if self._engine is not None:
            self._engine.wake()

    def _on_batch(self, _: Sequence[Envelope]) -> None:
        self._wake_deliveries()

    async def _on_diverged(self, divergence: Divergence) -> None:
        await self._reprocessor.remark_since(divergence.since)

    async def _on_epoch(self, epoch: int) -> None:
        """Write the epoch into the log, and let the sinks begin again with it."""
        await set_epoch(self._base.connection, prefix=self._settings.nats.prefix, epoch=epoch)
        if self._engine is not None:
            await self._engine.stop()
            await self._start_engine()

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


def _greet(settings: Settings, configuration: Configuration, url: str, roles: frozenset[Role]) -> None:
    command = program()
    lines = [f"bookinghub {version('bookinghub')} is ready: {url}   (pid {os.getpid()})"]
    if "web" in roles:
        for name, entry in settings.sources.items():
            if entry.enabled and entry.webhook is not None:
                lines.append(
                    f"  webhooks of {name}: POST {url}/webhooks/{name}/…   "
                    f"with its token: {command} sources show {name}"
                )
    lines.append(f"  what is the state: {command} status     stop: {command} stop, or Ctrl-C")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
