"""Log, store and adapters, opened in the order in which they depend on each other.

What `run` and `--offline` have in common; `hub.bootstrap` puts the moving parts on top.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlmodel import Session

from adapters.api import AdapterContext, BookingMirror, ContactMirror, Reactor, Sink, Source
from adapters.http import HttpClient
from adapters.publishing import Feed
from adapters.registry import load_adapter
from hub.clock import Clock
from hub.delivery import RetryPolicy, RunningSink
from hub.delivery.facts import newest
from hub.delivery.previews import digests_of
from hub.errors import ConfigError
from hub.ingest.providers import Heard, Providers
from hub.log import (
    EmbeddedServer,
    EventLog,
    InboxLog,
    LogConnection,
    OpenedLog,
    Privacy,
    ServerAddress,
    connect,
    kept_storing,
    log_owner,
    open_streams,
)
from hub.projections.matching import wants
from hub.projections.sinks import SinkKind, SinkRegistration
from hub.projections.wanted_sinks import WantedSink, not_shown
from hub.settings import Settings, SinkSettings
from hub.settings.changes import at_target
from hub.store import installation
from hub.store.database import Database
from hub.store.ledger import StoreLedger
from hub.store.migrate import migrate
from hub.store.published import StorePublication
from hub.store.statements import insert_new
from hub.store.tables import InstallationRow


@dataclass(frozen=True, slots=True)
class Foundation:
    """An open store and an open log that belong together."""

    settings: Settings
    database: Database
    connection: LogConnection
    log: EventLog
    inbox: InboxLog
    privacy: Privacy
    opened: OpenedLog
    clock: Clock


@asynccontextmanager
async def foundation(settings: Settings, *, clock: Clock) -> AsyncIterator[Foundation]:
    """Open store and log of a data directory whose lock the caller holds; close them in reverse."""
    async with AsyncExitStack() as stack:
        database = await asyncio.to_thread(Database.open, settings.store.url)
        stack.callback(database.close)
        await asyncio.to_thread(migrate, database)
        server = await _own_server(settings, stack)
        connection = await connect(server.address if server else _foreign_address(settings))
        stack.push_async_callback(connection.close)
        if server is not None:
            await stack.enter_async_context(kept_storing(server, connection))
        opened = await _open_streams(settings, database, connection, clock)
        privacy = Privacy(connection, settings.nats.prefix)
        await privacy.load()
        inbox = InboxLog(connection, settings.nats.prefix)
        stack.push_async_callback(inbox.close)
        log = EventLog(connection, privacy, settings.nats.prefix)
        yield Foundation(settings, database, connection, log, inbox, privacy, opened, clock)


async def _own_server(settings: Settings, stack: AsyncExitStack) -> EmbeddedServer | None:
    if settings.nats.mode != "embedded":
        return None
    server = EmbeddedServer(settings.hub.data_dir, binary=settings.nats.binary)
    stack.push_async_callback(server.stop)
    await server.start()
    return server


def _foreign_address(settings: Settings) -> ServerAddress:
    nats = settings.nats
    if nats.url is None:
        raise ConfigError("nats.url is missing")
    if nats.credentials is None:
        return ServerAddress(nats.url)
    path = settings.hub.data_dir / "nats.creds"
    path.touch(mode=0o600)
    path.write_text(nats.credentials.get_secret_value())
    return ServerAddress(nats.url, credentials=path)


async def _open_streams(
    settings: Settings, database: Database, connection: LogConnection, clock: Clock
) -> OpenedLog:
    """Streams and store of one installation; a store that was lost takes the log's identity over."""
    prefix = settings.nats.prefix
    known = await database.read(installation.get)
    owner = None if known else await log_owner(connection, prefix=prefix)
    row = await database.write(partial(_identity, owner=owner, clock=clock))
    opened = await open_streams(
        connection,
        prefix=prefix,
        installation_id=row.installation_id,
        events_known=row.log_created is not None,
        replicas=settings.nats.replicas,
    )
    if row.log_created is None:
        await database.write(partial(_bind, opened=opened))
    return opened


def _identity(session: Session, *, owner: str | None, clock: Clock) -> InstallationRow:
    if owner is not None:
        insert_new(session, [InstallationRow(id=1, installation_id=owner, created_at=clock.now())])
    return installation.get_or_create(session, now=clock.now())


def _bind(session: Session, *, opened: OpenedLog) -> None:
    installation.bind_log(session, log_created=opened.created_at)
    row = installation.get(session)
    if row is not None:
        row.epoch = max(row.epoch, opened.epoch)


def build_sources(settings: Settings) -> dict[str, Source[Any]]:
    """Every configured source, disabled ones too: their receipts may still wait."""
    built = {}
    for name, entry in settings.sources.items():
        source_class = load_adapter(entry.type).source
        if source_class is not None:
            built[name] = source_class(entry.config, instance=name)
    return built


def build_providers(settings: Settings, clock: Clock, *, heard: Heard | None = None) -> Providers:
    """The APIs of the sources that are switched on and have credentials; whoever builds them closes them."""
    return Providers(sources_to_ask(settings), clock=clock, heard=heard)


def sources_to_ask(settings: Settings) -> dict[str, Source[Any]]:
    """The sources whose API may be called."""
    return {
        name: source for name, source in build_sources(settings).items() if settings.sources[name].enabled
    }


def sink_class(entry: SinkSettings) -> type[BookingMirror[Any] | ContactMirror[Any] | Reactor[Any]]:
    """The adapter's sink, proven to exist when the settings were read."""
    found = load_adapter(entry.type).sink
    if found is None:
        raise ConfigError(f"sinks.{entry.name}.type: {entry.type} is no sink")
    return found


def kind_of(entry: SinkSettings) -> SinkKind:
    """What a sink follows."""
    found = sink_class(entry)
    if issubclass(found, Reactor):
        return "reactor"
    return "contact" if issubclass(found, ContactMirror) else "booking"


def registration(entry: SinkSettings, *, start_position: int) -> SinkRegistration:
    """The sink as the reader sees it."""
    found = sink_class(entry)
    reactor = issubclass(found, Reactor)
    return SinkRegistration(
        name=entry.name,
        kind=kind_of(entry),
        start_position=start_position,
        handles=frozenset(event.event_type() for event in found.handles)
        if issubclass(found, Reactor)
        else None,
        events=frozenset(entry.events) if reactor and entry.events is not None else None,
        grace=entry.grace,
        max_age=entry.max_age if reactor else None,
        match=entry.match,
    )


def wanted_sinks(settings: Settings, running: Sequence[RunningSink]) -> list[WantedSink]:
    """The sinks as the configuration wants them; `running` are those it has switched on."""
    adapters = {sink.name: sink.adapter for sink in running}
    return [
        _wanted(entry, adapters.get(entry.name), timezone=settings.hub.timezone)
        for entry in settings.sinks.values()
    ]


def _wanted(entry: SinkSettings, adapter: Sink | None, *, timezone: str) -> WantedSink:
    mirror = adapter if isinstance(adapter, (BookingMirror, ContactMirror)) else None
    return WantedSink(
        registration=registration(entry, start_position=0),
        type=entry.type,
        start=entry.start,
        enabled=entry.enabled,
        guard=entry.guard,
        renamed_from=entry.renamed_from,
        target=adapter.target() if adapter is not None else None,
        leaves=at_target(entry, timezone=timezone),
        previewed=partial(digests_of, mirror) if mirror is not None else not_shown,
    )


def build_sinks(
    base: Foundation, settings: Settings, *, installation_id: str, epoch: int
) -> list[RunningSink]:
    """Every sink that is switched on, its adapter built for this epoch."""
    return [
        RunningSink(
            name=entry.name,
            adapter=build_adapter(
                base, entry, installation_id=installation_id, epoch=epoch, timezone=settings.hub.timezone
            ),
            timeout=entry.timeout,
            retry=RetryPolicy(first=entry.retry.first, max=entry.retry.max, attempts=entry.retry.attempts),
            concurrency=entry.concurrency,
            rate=entry.rate,
            wants=wants(entry.match),
            guard=entry.guard,
        )
        for entry in settings.sinks.values()
        if entry.enabled
    ]


def build_feeds(settings: Settings) -> dict[str, Feed]:
    """How every sink that publishes here is shown."""
    declared = {
        entry.name: load_adapter(entry.type).feed for entry in settings.sinks.values() if entry.enabled
    }
    return {name: feed(settings.sinks[name].config) for name, feed in declared.items() if feed is not None}


def build_adapter(
    base: Foundation, entry: SinkSettings, *, installation_id: str, epoch: int, timezone: str
) -> Sink:
    """One sink's adapter; it calls nobody before it is opened."""
    context = AdapterContext(
        instance=entry.name,
        installation_id=installation_id,
        clock=base.clock.now,
        epoch=epoch,
        timezone=timezone,
        timeout=entry.timeout,
        log=_adapter_log(entry.name),
        http=HttpClient(timeout=entry.timeout, clock=base.clock.now),
        ledger=StoreLedger(base.database, entry.name, clock=base.clock),
        publication=StorePublication(base.database, entry.name),
        newest=partial(newest, base.log),
    )
    return sink_class(entry)(entry.config, context)


async def prepare_sink(base: Foundation, settings: Settings, name: str, *, dry_run: bool) -> Sequence[str]:
    """What a target needs once, made through an adapter of its own: the working one may not be open yet."""
    adapter = await lone_adapter(base, settings, settings.sinks[name])
    try:
        return await adapter.prepare(dry_run=dry_run)
    finally:
        await adapter.close()
        await adapter.context.http.aclose()


async def lone_adapter(base: Foundation, settings: Settings, entry: SinkSettings) -> Sink:
    """An adapter to ask what it would write, not opened; whoever asks closes it."""
    row = await base.database.read(installation.get)
    if row is None:
        raise ConfigError("the store has no identity")
    return build_adapter(
        base,
        entry,
        installation_id=row.installation_id,
        epoch=row.epoch,
        timezone=settings.hub.timezone,
    )


def is_durable(settings: Settings) -> bool | None:
    """The embedded server flushes before it answers; what a foreign one does is not known to clients."""
    return True if settings.nats.mode == "embedded" else None


def sink_kinds(settings: Settings) -> Mapping[str, SinkKind]:
    """The sinks that are switched on, with what they follow."""
    return {name: kind_of(entry) for name, entry in settings.sinks.items() if entry.enabled}


def _adapter_log(sink: str) -> Callable[..., None]:
    logger = structlog.get_logger("adapters")

    def log(message: str, **fields: object) -> None:
        logger.info(message, sink=sink, **fields)

    return log
