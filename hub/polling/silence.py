"""Notices that webhooks have stopped: none came for a while, and polls find what they should have told."""

from datetime import datetime

import structlog
from sqlmodel import Session

from adapters.errors import AdapterError
from hub.clock import Clock
from hub.errors import HubError
from hub.polling.plan import Plan
from hub.polling.registration import Registration
from hub.store import first_seen, polls, sources
from hub.store.database import Database

_log = structlog.get_logger(__name__)


class Silence:
    """Looks after each poll. While the hub did not run, nobody could reach it: that time does not count."""

    def __init__(self, database: Database, clock: Clock, registration: Registration) -> None:
        self._database = database
        self._clock = clock
        self._registration = registration
        self._started_at = clock.now()

    async def check(self, source: str, plan: Plan) -> bool:
        """Whether the source is silent; then the provider was asked whether it still knows our address."""
        found = await self._database.read(lambda session: self._look(session, source, plan))
        since, changes = found or (None, 0)
        known = await self._database.read(lambda session: polls.get(session, source))
        if since is None and (known is None or known.silent_since is None):
            return False
        if since is not None:
            await self._ask(source)
            _log.warning("webhooks_silent", source=source, since=since.isoformat(), changes=changes)
        await self._database.write(
            lambda session: polls.set_silence(session, source, since=since, changes=changes)
        )
        return since is not None

    def _look(self, session: Session, source: str, plan: Plan) -> tuple[datetime, int] | None:
        row, now = sources.get(session, source), self._clock.now()
        if row is None or not plan.silence or not plan.has_door:
            return None
        since = max(row.last_webhook_at or row.first_seen_at, row.first_seen_at, self._started_at)
        if now - since < plan.silence:
            return None
        changes = first_seen.found_by_poll(session, source, plan.tells, since=since)
        return (since, changes) if changes else None

    async def _ask(self, source: str) -> None:
        try:
            await self._registration.look(source)
        except (AdapterError, HubError) as error:
            _log.warning("registration_not_known", source=source, error=str(error))
