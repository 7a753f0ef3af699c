"""Whether a sink may be called at all: paused by a person, stopped for its credentials, not opened yet.

The state is a row, so it is the same for all processes and survives a restart; only whether this
process has opened its adapter is known here.
"""

from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from adapters.api import ContactMirror
from adapters.errors import AuthError
from hub.clock import Clock
from hub.delivery import circuit
from hub.delivery.policy import RetryPolicy, delay, error_class, error_message
from hub.delivery.record import PROBE_EVERY, stop_for_credentials
from hub.delivery.retry import bounded
from hub.delivery.sinks import RunningSink
from hub.store import former, recalls, sinks
from hub.store.database import Database
from hub.store.tables import SinkRow

log = structlog.get_logger(__name__)

OPENING = RetryPolicy(first=timedelta(seconds=1), max=timedelta(minutes=1))
"""How often a target that is away is asked when the hub starts."""


class Doorman:
    """Opens the adapter of one sink, and opens it again when its credentials may be valid once more."""

    def __init__(self, sink: RunningSink, *, db: Database, clock: Clock) -> None:
        self._sink = sink
        self._db = db
        self._clock = clock
        self._failed = 0
        self._next_try: datetime | None = None
        self.opened = False

    async def admits(self, row: SinkRow) -> bool:
        """Whether the sink may be called now, given its row; opens or probes if it is time to."""
        if row.state == "paused":
            return False
        if row.state == "auth_failed":
            return await self._may_probe(row) and await self._open()
        return self.opened or (self._may_open(row) and await self._open())

    async def close(self) -> None:
        """Release the adapter's connections; its failure is told and keeps nobody from stopping."""
        self.opened = False
        try:
            await bounded(self._sink.adapter.close, self._sink.timeout)
            await bounded(self._sink.adapter.context.http.aclose, self._sink.timeout)
        except Exception as error:  # noqa: BLE001 - foreign code, and there is nothing left to do about it
            log.warning("sink not closed cleanly", sink=self._sink.name, error=error_message(error))

    def _may_open(self, row: SinkRow) -> bool:
        """Whether it is time; a person may have asked for it earlier, which the row says."""
        now = self._clock.now()
        if self._next_try is None or self._next_try <= now:
            return True
        return circuit.is_open(row) and row.probe_at is not None and row.probe_at <= now

    async def _may_probe(self, row: SinkRow) -> bool:
        """Whether it is time, and this process the one; a process that starts asks at once."""
        now, name = self._clock.now(), self._sink.name
        if self._failed == 0 and not self.opened:
            return True
        if row.probe_at is not None and row.probe_at > now:
            return False

        def take_turn(session: Session) -> bool:
            current = sinks.get(session, name)
            if current is None or current.state != "auth_failed" or current.probe_at != row.probe_at:
                return False
            current.probe_at = now + PROBE_EVERY
            return True

        return await self._db.write(take_turn)

    async def _open(self) -> bool:
        try:
            await bounded(self._sink.adapter.open, self._sink.timeout)
            target = self._sink.adapter.target()
        except Exception as error:  # noqa: BLE001 - foreign code; whatever it is, the sink is not usable yet
            await self._not_opened(error)
            return False
        await self._db.write(lambda session: _admit(session, self._sink, target, self._clock.now()))
        self.opened, self._failed, self._next_try = True, 0, None
        log.info("sink opened", sink=self._sink.name)
        return True

    async def _not_opened(self, error: Exception) -> None:
        now, name = self._clock.now(), self._sink.name
        self._failed += 1
        self._next_try = next_try = now + delay(OPENING, self._failed, jitter=0.0)
        kind, message = error_class(error), error_message(error)

        def record(session: Session) -> None:
            sinks.record_error(session, name, error_class=kind, message=message, at=now)
            row = sinks.lock(session, name)
            if row is not None and isinstance(error, AuthError):
                stop_for_credentials(row, reason=message, now=now)
            elif row is not None:
                circuit.not_opened(row, message=message, next_try=next_try, now=now)

        await self._db.write(record)
        log.warning("sink not opened", sink=name, error=message)


def _admit(session: Session, sink: RunningSink, target: str | None, now: datetime) -> None:
    row = sinks.lock(session, sink.name)
    if row is None:
        return
    if row.state == "auth_failed":
        sinks.set_state(session, sink.name, state="running", reason=None, now=now)
    circuit.opened(row, now=now)
    if sink.revision not in (None, row.revision):
        return
    sinks.set_target(session, sink.name, target=target)
    if target is not None and former.turn_to(session, sink.name, target=target, now=now):
        # Nobody could know before it was open that it is another one, so nobody has asked for it yet.
        of_contacts = isinstance(sink.adapter, ContactMirror)
        recalls.recall_left(session, sink.name, of_contacts=of_contacts, now=now)
