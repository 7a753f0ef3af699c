"""Comparing and repairing the sinks of the running configuration: `plan`, `apply`, drift by schedule.

Put together here for whoever serves the API or works; asks for the settings each time, for they may
change while the hub runs.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from hub.assembly import Foundation, build_sinks, kind_of
from hub.delivery import RunningSink
from hub.delivery.applying import Applier
from hub.delivery.comparison import Comparer
from hub.delivery.drift import DriftWatch, Schedule
from hub.errors import LogError
from hub.settings import Settings, SinkSettings
from hub.store import guard, installation

EVERY = timedelta(hours=1)
EVERY_FOR_CONTACTS = timedelta(hours=24)
"""Contacts are looked at one by one, each with a request of its own."""


class Keeping:
    """The comparer, the applier and the watch over one store and one configuration."""

    def __init__(
        self,
        base: Foundation,
        settings: Callable[[], Settings],
        *,
        wake: Callable[[], None],
        is_verified: Callable[[], bool],
    ) -> None:
        """`is_verified`: whether the projections are known to be read from the log that is there."""
        self._base = base
        self._settings = settings
        self._is_verified = is_verified
        self.comparer = Comparer(
            base.database,
            base.clock,
            build=self._build,
            start_of=lambda name: settings().sinks[name].start,
            log_end=self._log_end,
        )
        self.applier = Applier(self.comparer, base.database, base.clock, wake=wake)
        self.watch = DriftWatch(
            self.comparer,
            self.applier,
            base.database,
            base.clock,
            schedules=lambda: schedules(settings()),
            allows=self._allows,
            owner=f"hub-{os.getpid()}/{uuid4().hex[:8]}",
        )

    async def _build(self, name: str) -> RunningSink | None:
        base, settings = self._base, self._settings()
        row = await base.database.read(installation.get)
        if row is None or name not in settings.sinks:
            return None
        alone = replace(settings, sinks={name: settings.sinks[name]})
        built = build_sinks(base, alone, installation_id=row.installation_id, epoch=row.epoch)
        return built[0] if built else None

    async def _allows(self, sink: str, changes: int) -> bool:
        """Whether the guard lets a repair of this size pass; more is left to a person, who says `apply`."""
        now, most = self._base.clock.now(), self._settings().sinks[sink].guard
        return await self._base.database.read(
            lambda session: guard.has_room(session, sink, changes, guard=most, now=now)
        )

    async def _log_end(self) -> int | None:
        if not self._is_verified():
            return None
        try:
            return (await self._base.log.state()).last
        except LogError:
            return None


def schedules(settings: Settings) -> Mapping[str, Schedule]:
    """The mirrors that are compared by schedule."""
    found = {name: _schedule(entry) for name, entry in settings.sinks.items() if entry.enabled}
    return {name: schedule for name, schedule in found.items() if schedule is not None}


def _schedule(entry: SinkSettings) -> Schedule | None:
    kind, drift = kind_of(entry), entry.drift
    usual = EVERY_FOR_CONTACTS if kind == "contact" else EVERY
    every = usual if drift.every is None else drift.every
    if kind == "reactor" or not every:
        return None
    restore = drift.repair if entry.hand_edits is None else entry.hand_edits == "restore"
    return Schedule(every, restore=restore, repair=drift.repair)
