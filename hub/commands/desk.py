"""Everything that carries commands out, as the hub holds it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from adapters.provider import Provider
from hub.clock import Clock
from hub.commands.execution import Execution
from hub.commands.ranges import Ranges
from hub.commands.replacing import NewBookings
from hub.commands.seams import Look, Record
from hub.commands.settling import LOOKS, Settlements
from hub.errors import HubError
from hub.store.database import Database

RETRY_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class Desk:
    """Where commands are given; `execution`, `new` and `ranges` do them."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        look: Look,
        record: Record,
        *,
        database: Database,
        clock: Clock,
        looks: Sequence[timedelta] = LOOKS,
    ) -> None:
        """`providers` may change meanwhile; `looks` are the waits before each look for a lost outcome."""
        self.record = record
        self._settlements = Settlements(database, clock=clock, looks=looks)
        self.execution = Execution(providers, look, record, self._settlements, clock=clock)
        self.new = NewBookings(self.execution, record, self._settlements, database=database, clock=clock)
        self.ranges = Ranges(self.execution, database=database, clock=clock)

    async def take_up(self) -> None:
        """Go on with what a dead process has left; returns when that has begun."""
        while True:
            try:
                await self.new.take_up()
            except HubError as error:
                _log.warning("replacements_not_taken_up_yet", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """End everything in hand; what was written down is taken up by the next start."""
        await self.ranges.stop()
        await self._settlements.stop()
