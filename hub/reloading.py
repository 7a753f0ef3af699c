"""Taking changed files over while the hub runs: compared and told first, then done as one step after another.

A configuration that cannot be used changes nothing and becomes an issue. What the hub holds from its
start on (sockets, log, store) keeps its settings; the difference says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import structlog

from hub.clock import Clock
from hub.delivering import Deliveries
from hub.errors import ConfigError, HubError
from hub.settings import Configuration
from hub.settings.changes import changes, digest
from hub.telemetry import Metrics
from hub.web.services import PreviewOutdatedError, Reloaded, ReloadProblem

_log = structlog.get_logger(__name__)


class Reread(Protocol):
    """Reads the files again; `generate` keeps secrets that are made up on the way."""

    def __call__(self, paths: Sequence[Path], *, generate: bool) -> Configuration: ...


class Reloads:
    """One reload at a time. `deliveries` is None where another process works for the sinks."""

    def __init__(
        self,
        reread: Reread,
        *,
        clock: Clock,
        metrics: Metrics,
        deliveries: Deliveries | None,
        in_effect: Callable[[], Configuration],
        adopt: Callable[[Configuration], Awaitable[None]],
    ) -> None:
        self._reread = reread
        self._clock = clock
        self._metrics = metrics
        self._deliveries = deliveries
        self._in_effect = in_effect
        self._adopt = adopt
        self._turn = asyncio.Lock()
        self.problem: ReloadProblem | None = None

    async def reload(self, *, dry_run: bool, preview: str | None = None) -> Reloaded:
        """See `hub.web.services.Reload`."""
        async with self._turn:
            if dry_run:
                return (await self._compare(generate=False))[1]
            try:
                found, shown = await self._compare(generate=True)
                if preview not in (None, shown.preview):
                    raise PreviewOutdatedError("the files have changed since; look again")
                for effect in shown.effects:
                    _log.info("reload_effect", sink=effect.sink, effect=effect.text)
                if self._deliveries is not None:
                    shown = replace(shown, effects=await self._deliveries.apply(found.settings))
                await self._adopt(found)
            except PreviewOutdatedError:
                raise
            except HubError as error:
                self._failed(error)
                raise
            self.problem = None
            self._metrics.config_reloaded(ok=True, at=self._clock.now())
            _log.info("reloaded", changes=len(shown.changes))
            return replace(shown, applied=True)

    async def reload_by_signal(self) -> None:
        """The same where nobody waits for an answer; the log tells."""
        try:
            await self.reload(dry_run=False)
        except HubError:
            return
        except Exception as error:  # noqa: BLE001 - a defect here must not end a hub that works
            self._failed(error)

    async def _compare(self, *, generate: bool) -> tuple[Configuration, Reloaded]:
        """What the files say now, as far as it can take effect, and what that means."""
        before = self._in_effect()
        written = await asyncio.to_thread(self._reread, before.settings.files, generate=generate)
        found = _kept_from_the_start(before, written)
        effects = await self._deliveries.foresee(found.settings) if self._deliveries is not None else ()
        return found, Reloaded(changes(before, written), effects, digest(written), applied=False)

    def _failed(self, error: Exception) -> None:
        message = _in_one_line(error)
        self.problem = ReloadProblem(self._clock.now(), message)
        self._metrics.config_reloaded(ok=False, at=self._clock.now())
        _log.error("reload_failed", error=message)


def _in_one_line(error: Exception) -> str:
    if isinstance(error, ConfigError) and error.problems:
        first, *others = error.problems
        more = f", and {len(others)} more" if others else ""
        return f"{first.file}:{first.line}:{first.column} {first.path}: {first.message}{more}"
    return str(error) if isinstance(error, HubError) else type(error).__name__


def _kept_from_the_start(before: Configuration, written: Configuration) -> Configuration:
    """The written configuration with those settings that only a start can change as they are."""
    now, then = written.settings, before.settings
    hub = now.hub.model_copy(update={"data_dir": then.hub.data_dir})
    settings = replace(
        now,
        hub=hub,
        http=then.http,
        nats=then.nats,
        store=then.store,
        logging=then.logging,
        simulator=then.simulator,
        simulator_ports=then.simulator_ports,
        simulator_second_ports=then.simulator_second_ports,
    )
    return Configuration(settings, written.root)
