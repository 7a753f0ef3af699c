"""The APIs of the sources in a running hub, and reading bookings back from them.

Put together here for whoever works, acts or serves; asks for the settings each time, for they may change
while the hub runs.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from adapters.api import Source
from hub.assembly import Foundation, build_providers, sources_to_ask
from hub.errors import StoreError
from hub.ingest.appending import Appender
from hub.ingest.bodies import Bodies
from hub.ingest.lookup import Lookup
from hub.ingest.reading_back import ReadingBack
from hub.ingest.replacing import linked_by
from hub.ingest.source_states import SourceStates
from hub.ingest.turns import Turns
from hub.ingest.verifying import Verification
from hub.log.inbox_log import StoredReceipt
from hub.settings import Settings
from hub.store import unconfirmed
from hub.telemetry import Metrics


class Asking:
    """Providers, the lookup over them, and what keeps sources with `verify: fetch` verified."""

    def __init__(
        self,
        base: Foundation,
        settings: Callable[[], Settings],
        sources: Mapping[str, Source[Any]],
        *,
        metrics: Metrics,
        owner: str,
    ) -> None:
        """`owner` names this hub among all on one store, after a restart too."""
        self._settings = settings
        self._database = base.database
        self.states = SourceStates(base.database, metrics=metrics)
        self.providers = build_providers(settings(), base.clock, heard=self.states.heard)
        self.appender = Appender(base.log, base.privacy, metrics=metrics, linked=linked_by(base.database))
        self.lookup = Lookup(
            self.providers,
            log=base.log,
            appender=self.appender,
            clock=base.clock,
            metrics=metrics,
            confirmed=self._confirm,
        )
        reading_back = ReadingBack(
            sources,
            self.providers,
            lookup=self.lookup,
            bodies=Bodies(base.inbox, base.database),
            database=base.database,
            clock=base.clock,
        )
        self._verification = Verification(
            reading_back,
            fetching=lambda: self.fetched() & self.providers.keys(),
            states=self.states,
            turns=Turns(base.database, clock=base.clock, owner=owner),
            database=base.database,
            clock=base.clock,
        )

    def fetched(self) -> frozenset[str]:
        """The sources whose bookings are read back; disabled ones too, whose marks wait."""
        sources = self._settings().sources
        return frozenset(name for name, entry in sources.items() if entry.verify == "fetch")

    def written(self, receipts: Sequence[StoredReceipt]) -> None:
        """These receipts of fetched sources have just marked their bookings."""
        self._verification.written(receipts)

    def wake(self) -> None:
        """A source may be asked again, or there are marks."""
        self.states.probe_soon()
        self._verification.wake()

    async def follow(self) -> None:
        """The settings are others now."""
        await self.providers.follow(sources_to_ask(self._settings()))
        self.wake()

    async def run(self) -> None:
        """Verify, and try refused credentials again, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._verification.run())
            group.create_task(self.states.probe_for_ever(self.providers))

    async def close(self) -> None:
        """Close the connections; nobody may ask any more."""
        await self.providers.close()

    async def _confirm(self, source: str, provider_id: str) -> None:
        """What a webhook hinted at is known by now, whoever asked the provider."""
        with suppress(StoreError):
            await self._database.write(lambda session: unconfirmed.clear(session, [(source, provider_id)]))
