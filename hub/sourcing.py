"""Asking the sources of the running configuration: polls, backfills, registration of webhooks.

Put together here for whoever serves the API or works; asks for the settings each time, for they may
change while the hub runs.
"""

from collections.abc import Callable, Mapping

from adapters.provider import Provider
from adapters.registry import load_adapter
from hub.assembly import Foundation
from hub.ingest.lookup import Lookup
from hub.operations import Operations
from hub.polling.backfill import Backfiller
from hub.polling.lease import Leases
from hub.polling.plan import Plan
from hub.polling.poll import Poller
from hub.polling.registration import Registration
from hub.polling.runs import Means, Runs
from hub.polling.silence import Silence
from hub.polling.watch import PollWatch
from hub.projections.divergence import Divergence
from hub.settings import Settings
from hub.settings.models import SourceSettings
from hub.store import polls
from hub.telemetry import Metrics


class Sourcing:
    """The schedule, the runs people ask for, and our address at the providers."""

    def __init__(
        self,
        base: Foundation,
        settings: Callable[[], Settings],
        *,
        providers: Mapping[str, Provider],
        lookup: Lookup,
        metrics: Metrics,
        owner: str,
    ) -> None:
        """`owner` outlives the process, so that a hub that was killed holds its leases again at once."""
        self._base = base
        database, clock = base.database, base.clock
        self.registration = Registration(providers, database, clock, settings=settings)
        means = Means(
            Poller(providers, lookup, database, clock),
            Backfiller(providers, lookup, database, clock),
            Silence(database, clock, self.registration),
            Leases(database, clock, owner=owner),
            Operations(database, clock),
        )

        def plans() -> Mapping[str, Plan]:
            return plans_of(settings(), providers)

        self.runs = Runs(means, plans=plans, clock=clock, metrics=metrics)
        self.watch = PollWatch(self.runs, self.registration, database, clock, plans=plans)

    async def diverged(self, divergence: Divergence) -> None:
        """Facts are lost from the log: what was read since then is read again, at once."""
        await self._base.database.write(lambda session: polls.rewind(session, to=divergence.since))
        self.watch.poll_soon()


def plans_of(settings: Settings, providers: Mapping[str, Provider]) -> Mapping[str, Plan]:
    """The sources that can be asked, with what is to be asked of them."""
    return {name: _plan(entry) for name, entry in settings.sources.items() if name in providers}


def _plan(entry: SourceSettings) -> Plan:
    return Plan(
        poll=entry.poll,
        backfill=entry.backfill,
        silence=entry.silence,
        tells=facts_told(entry),
        has_door=entry.webhook is not None,
        register=entry.webhook is not None and entry.webhook.register,
    )


def facts_told(entry: SourceSettings) -> frozenset[str]:
    """The types of facts that the webhooks of a source tell of."""
    source = load_adapter(entry.type).source
    return frozenset(fact.event_type() for fact in source.tells) if source is not None else frozenset()
