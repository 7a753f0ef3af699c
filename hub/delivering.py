"""The sinks of one configuration at work, and their replacement by those of another.

First the store takes the new configuration over, in one transaction; from then on nobody works by the
old one any more, in this process or another. Then the engine follows.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from hub.assembly import Foundation, build_sinks, wanted_sinks
from hub.delivery import DeliveryEngine, RunningSink
from hub.delivery.facts import FactKeeper
from hub.errors import ConfigError
from hub.observing import DeliveryMetrics
from hub.projections import applying
from hub.projections.applying import Applied
from hub.projections.current import current_booking, current_contact
from hub.projections.effects import Effect
from hub.settings import Settings
from hub.store import installation, sinks
from hub.store.tables import InstallationRow, SinkRow
from hub.telemetry import Metrics

_log = structlog.get_logger(__name__)


class Deliveries:
    """Knows the settings the sinks work by, and the engine once it runs."""

    def __init__(self, base: Foundation, settings: Settings, metrics: Metrics, *, owner: str) -> None:
        """`owner` names this hub in claims, over its restarts."""
        self._base = base
        self._settings = settings
        self._metrics = metrics
        self._owner = owner
        self._engine: DeliveryEngine | None = None
        self._revisions: dict[str, int | None] = {}
        self._turn = asyncio.Lock()

    async def foresee(self, settings: Settings) -> tuple[Effect, ...]:
        """What these settings would do to the targets; nothing is changed."""
        running = await self._build(settings)
        try:
            wanted, now = wanted_sinks(settings, running), self._base.clock.now()
            return await self._base.database.read(lambda session: applying.foresee(session, wanted, now=now))
        finally:
            await _close(running)

    async def apply(self, settings: Settings) -> tuple[Effect, ...]:
        """Work by these settings from now on; the effects as they came about."""
        async with self._turn:
            return await self._apply(settings)

    async def _apply(self, settings: Settings) -> tuple[Effect, ...]:
        running = await self._build(settings)
        try:
            applied = await self._take_over(settings, running)
        except BaseException:
            await _close(running)
            raise
        for effect in applied.effects:
            _log.info("configuration_applied", sink=effect.sink, effect=effect.text)
        before, self._settings = self._settings, settings
        replaced: Collection[str] = ()
        if self._engine is not None:
            # Another hub may have applied something else in between, and given way to none of ours.
            changed = _changed(before, settings)
            known = _known(running, applied.rows)
            new = [
                one for one in known if one.name in changed or self._revisions.get(one.name) != one.revision
            ]
            self._engine.replace(new, gone=set(before.sinks) - {sink.name for sink in running})
            replaced = self._noted(new)
        await _close([sink for sink in running if sink.name not in replaced])
        return applied.effects

    async def _take_over(self, settings: Settings, running: Sequence[RunningSink]) -> Applied:
        """The transaction after which nobody works by the former settings any more."""
        wanted, now = wanted_sinks(settings, running), self._base.clock.now()
        log_position = (await self._base.log.state()).last
        finished: Collection[str] = ()
        if self._engine is not None:
            # What they have in hand is kept under the name that is about to change.
            former = {entry.renamed_from for entry in settings.sinks.values() if entry.renamed_from}
            finished = await self._engine.finish(former)
        try:
            return await self._base.database.write(
                lambda session: applying.apply(session, wanted, log_position=log_position, now=now)
            )
        except BaseException:
            await self._work_again(finished)
            raise

    async def _work_again(self, names: Collection[str]) -> None:
        """Nothing came of the new settings: the sinks that were ended for them go on by the old ones."""
        if self._engine is not None and names:
            old = [sink for sink in await self._build(self._settings) if sink.name in names]
            known = _known(old, await self._rows())
            self._engine.replace(known)
            self._noted(known)

    async def start(self) -> None:
        """Begin to deliver."""
        async with self._turn:
            await self._start()

    async def _start(self) -> None:
        base, row = self._base, await self._identity()
        known = _known(await self._build(self._settings), await self._rows())
        engine = DeliveryEngine(
            base.database,
            known,
            base.clock,
            load_booking=current_booking,
            load_contact=current_contact,
            load_envelope=base.log.at,
            keep_refunds=FactKeeper(base.log, metrics=self._metrics).keep_for,
            owner=self._owner,
            epoch=row.epoch,
            alone=base.database.dialect == "sqlite",
            observer=DeliveryMetrics(self._metrics),
        )
        await engine.start()
        self._engine = engine
        self._noted(known)

    async def begin_again(self) -> None:
        """A new epoch has begun: the adapters are built anew with it."""
        async with self._turn:
            if self._engine is not None:
                await self.stop()
                await self._start()

    def wake(self) -> None:
        """Rows are due, or may be."""
        if self._engine is not None:
            self._engine.wake()

    async def stop(self) -> None:
        """End what is in hand, or cut it off."""
        if self._engine is not None:
            await self._engine.stop()
            self._engine = None

    async def _build(self, settings: Settings) -> list[RunningSink]:
        row = await self._identity()
        return build_sinks(self._base, settings, installation_id=row.installation_id, epoch=row.epoch)

    def _noted(self, known: Sequence[RunningSink]) -> Collection[str]:
        """Remember by which revision these sinks work now; returns their names."""
        self._revisions |= {sink.name: sink.revision for sink in known}
        return {sink.name for sink in known}

    async def _rows(self) -> dict[str, SinkRow]:
        return {row.name: row for row in await self._base.database.read(sinks.every)}

    async def _identity(self) -> InstallationRow:
        row = await self._base.database.read(installation.get)
        if row is None:
            raise ConfigError("the store lost its identity while the hub ran")
        return row


def _known(running: Sequence[RunningSink], rows: Mapping[str, SinkRow]) -> list[RunningSink]:
    """The sinks with what the store knows of them: the revision they work by, their first name."""
    return [
        replace(sink, revision=rows[sink.name].revision, first_name=rows[sink.name].first_name)
        for sink in running
        if sink.name in rows
    ]


async def _close(running: Sequence[RunningSink]) -> None:
    """Let go of adapters that were never opened."""
    for sink in running:
        with suppress(Exception):  # foreign code, and there is nothing left to do about it
            await sink.adapter.close()
        await sink.adapter.context.http.aclose()


def _changed(before: Settings, after: Settings) -> set[str]:
    """Sinks that are set otherwise, in whatever part."""
    if before.hub.timezone != after.hub.timezone:
        return set(after.sinks)
    return {name for name, entry in after.sinks.items() if before.sinks.get(name) != entry}
