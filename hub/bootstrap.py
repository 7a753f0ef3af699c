"""The composition root: settings in, a running hub out. Nothing else constructs or connects anything."""

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import uvloop

from hub.assembly import build_feeds, foundation, is_durable, lone_adapter, sink_kinds
from hub.clock import SystemClock
from hub.errors import (
    AlreadyRunningError,
    ConfigError,
    ForeignLogError,
    HubError,
    LogMissingError,
    StoreTooNewError,
)
from hub.log import HubLock
from hub.program import pasteable, program
from hub.projections.reader import Reader
from hub.rebuilding import Rebuilds
from hub.running import ROLES, Role, RunningHub
from hub.serving import WebServer, write_announcement
from hub.settings import Configuration, Settings, load
from hub.settings.display import effective
from hub.simulation.child import SimulatorChild
from hub.simulation.control import Playground
from hub.simulation.stage import Plan
from hub.telemetry import configure_logging
from hub.web.services import HubServices

SWITCH_SECONDS = 0.0005
"""How long a thread that computes keeps the others from running. Python's 5 ms would be paid at each of the
dozen steps from a webhook to its row, since the store's writer is a thread beside the event loop."""

_REFUSED = (ConfigError, AlreadyRunningError, ForeignLogError, LogMissingError, StoreTooNewError)


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
        configure_logging(log_format=log_text, level=settings.logging.level, timezone=settings.hub.timezone)
        sys.setswitchinterval(SWITCH_SECONDS)
        return uvloop.run(_run(configuration, settings, chosen, listen=listen))
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
                durable=is_durable(settings),
                rebuild=rebuilds.begin,
                feeds=build_feeds(settings),
                masked_config=lambda: effective(settings, configuration.root),
                log_differences=lambda: base.opened.differences,
                adapter=partial(lone_adapter, base, settings),
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


def _reread(paths: Sequence[Path], *, listen: str | None, generate: bool) -> Configuration:
    """The configuration as its files stand now, with what the command line said on top."""
    configuration = load(paths, os.environ, generate=generate)
    return replace(configuration, settings=_listening(configuration.settings, listen))


async def _run(
    configuration: Configuration, settings: Settings, roles: frozenset[Role], *, listen: str | None
) -> int:
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
        playground = await _playground(settings, stack)
        base = await stack.enter_async_context(foundation(settings, clock=SystemClock()))
        running = replace(configuration, settings=settings)
        hub = RunningHub(
            base,
            running,
            roles,
            url=server.url,
            reread=partial(_reread, listen=listen),
            playground=playground,
        )
        await hub.open()
        stack.push_async_callback(hub.close)
        await server.start(hub.front)
        if door_server is not None:
            await door_server.start(hub.door)
        stack.callback(hub.services.stopping.set)
        announcement = settings.hub.data_dir / "hub.json"
        write_announcement(announcement, url=server.url)
        stack.callback(partial(announcement.unlink, missing_ok=True))
        _keep_collections_short()
        hub.start()
        _greet(settings, configuration, server.url, roles)
        return await hub.until_stopped()


async def _playground(settings: Settings, stack: AsyncExitStack) -> Playground | None:
    """The stand-ins, served from now on until the stack is left; None if there are none."""
    if settings.simulator is None:
        return None
    simulator, ports = settings.simulator, settings.simulator_ports
    plan = Plan(
        settings.hub.data_dir,
        ports,
        simulator.every,
        simulator.misbehave,
        second_ports=settings.simulator_second_ports,
    )
    child = SimulatorChild(plan)
    stack.push_async_callback(child.stop)
    await child.start()
    return Playground(ports)


def _keep_collections_short() -> None:
    """Take what was imported and built until now out of the garbage collector: it stays, and is much.

    Looking through all of it again and again would stop every request for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


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
    if settings.simulator is not None:
        lines.append(
            f"  simulated: {', '.join(settings.simulator.types)}   play with it: {command} sim --help"
        )
    lines.append(f"  what is the state: {command} status     stop: {command} stop, or Ctrl-C")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
