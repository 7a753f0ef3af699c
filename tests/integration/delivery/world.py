"""A small hub around the delivery engine: a log in memory, a reader that does what the real one does."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from adapters.api import AdapterContext, Receipt
from events import Booking, BookingEvent, Envelope
from events.derive import derive
from events.state import Cancel, Host
from hub.clock import ManualClock
from hub.delivery import DeliveryEngine, RetryPolicy, RunningSink
from hub.projections import PROJECTIONS
from hub.projections.applying import Applied, apply
from hub.projections.base import apply_all
from hub.projections.current import current_booking, current_contact
from hub.projections.enqueue import enqueue
from hub.projections.registered import registered
from hub.projections.sinks import SinkKind, SinkRegistration
from hub.projections.wanted_sinks import WantedSink
from hub.settings.match import Match
from hub.store import checkpoints, receipts, sinks
from hub.store.database import Database
from hub.store.tables import (
    AttemptRow,
    ClaimRow,
    DeliveryRow,
    SinkRow,
    TargetReceiptRow,
)
from tests.factories import NOON, envelopes, snapshot

TODAY = datetime(2026, 10, 20, 14, 0, tzinfo=UTC)
GRACE = timedelta(seconds=20)
POLL = timedelta(milliseconds=15)
FINAL = {"delivered", "covered", "dead", "skipped"}


async def no_pause(seconds: float) -> None:
    """Short retries need no real time here."""
    await asyncio.sleep(0)


async def eventually(holds: Callable[[], Awaitable[bool]], *, within: float = 60.0) -> None:
    """Wait until it holds, or fail after a deadline."""
    async with asyncio.timeout(within):
        while not await holds():  # noqa: ASYNC110 - it happens in a database
            await asyncio.sleep(0.02)


class World:
    """Time, log, reader and database of one test."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = ManualClock(TODAY)
        self.log: list[Envelope] = []
        self.states: dict[str, Booking] = {}
        self.registrations: list[SinkRegistration] = []
        self.engines: list[DeliveryEngine] = []
        self._versions: Counter[str] = Counter()
        db.write_now(self._begin)

    def _begin(self, session: Session) -> None:
        checkpoints.start_generation(
            session, now=self.clock.now(), versions={}, log_created="today", live=True
        )

    def context(self, name: str) -> AdapterContext:
        return AdapterContext(instance=name, installation_id="i1", clock=self.clock.now)

    def register(
        self, name: str, kind: SinkKind, *, grace: timedelta = GRACE, match: Match | None = None
    ) -> None:
        """The reader knows this sink from position 0 on."""
        self.registrations.append(SinkRegistration(name=name, kind=kind, grace=grace, match=match))
        self.db.write_now(
            lambda session: sinks.see(session, name, type="fake", start_position=0, now=self.clock.now())
        )

    async def apply(self, *wanted: WantedSink) -> Applied:
        """The store works by this configuration from now on, and so does the reader."""

        def work(session: Session) -> Applied:
            applied = apply(session, wanted, log_position=len(self.log), now=self.clock.now())
            self.registrations = list(registered(session))
            return applied

        return await self.db.write(work)

    def engine(self, *running: RunningSink, db: Database | None = None, **options: Any) -> DeliveryEngine:
        """A process that delivers; `stop_all` ends it."""
        members: dict[str, Any] = {
            "load_booking": current_booking,
            "load_contact": current_contact,
            "load_envelope": self.envelope_at,
            "owner": f"process-{len(self.engines)}",
            "poll": POLL,
            "sleep": no_pause,
        } | options
        engine = DeliveryEngine(db or self.db, running, self.clock, **members)
        self.engines.append(engine)
        return engine

    async def stop_all(self) -> None:
        for engine in self.engines:
            await engine.stop(within=timedelta(seconds=5))

    async def envelope_at(self, position: int) -> Envelope | None:
        return self.log[position - 1] if 0 < position <= len(self.log) else None

    async def see(self, provider_id: str, **members: Any) -> list[Envelope]:
        """The provider shows the booking like this now; what follows is recorded in one transaction."""
        return await self.record(self.derive(provider_id, **members))

    def derive(self, provider_id: str, **members: Any) -> list[BookingEvent]:
        """The facts that follow from this look at the provider; the state here moves on."""
        self._versions[provider_id] += 1
        version = TODAY + timedelta(microseconds=self._versions[provider_id])
        if members.get("cancelled"):
            members.setdefault("cancel", Cancel(at=version, reason="ill"))
        shown = snapshot(
            provider_id=provider_id,
            origin="api",
            version=version,
            version_precision=6,
            seen_at=self.clock.now(),
            **members,
        )
        facts = derive(self.states.get(provider_id), shown)
        if facts:
            self.states[provider_id] = facts[-1].booking
        return list(facts)

    async def record(self, facts: Iterable[BookingEvent]) -> list[Envelope]:
        """Append the facts of bookings to the log, and read them."""
        now = self.clock.now()
        return await self.append(envelopes(facts, first_position=len(self.log) + 1, recorded_at=now))

    async def append(self, new: list[Envelope]) -> list[Envelope]:
        """Append to the log and read it, as the reader does: one transaction for all."""
        now = self.clock.now()
        self.log.extend(new)

        def read(session: Session) -> None:
            live = checkpoints.live(session)
            assert live is not None
            apply_all(PROJECTIONS, new, session, live.generation)
            enqueue(session, new, self.registrations, generation=live.generation, now=now)
            checkpoints.advance(
                session,
                live.generation,
                expected_position=live.position,
                new_position=new[-1].position,
                event_id=new[-1].event_id,
                log_created="today",
                now=now,
            )

        if new:
            await self.db.write(read)
            for engine in self.engines:
                engine.wake()
        return new

    async def hold(self, sink: str, key: str, part: str, receipt: Receipt) -> None:
        """The target holds this since an earlier process."""
        row = TargetReceiptRow(
            sink=sink,
            key=key,
            part=part,
            target="calendar-1",
            external_id=receipt.external_id,
            position=receipt.position,
            data=receipt.data,
            updated_at=self.clock.now(),
        )
        await self.db.write(lambda session: receipts.put(session, row))

    def advance(self, by: timedelta) -> None:
        self.clock.advance(by)
        for engine in self.engines:
            engine.wake()

    async def rows(self, sink: str, key: str | None = None) -> list[DeliveryRow]:
        def read(session: Session) -> list[DeliveryRow]:
            found = session.exec(select(DeliveryRow).where(DeliveryRow.sink == sink))
            return sorted((r for r in found if key in (None, r.key)), key=lambda r: (r.position, r.key))

        return await self.db.read(read)

    async def states_of(self, sink: str, key: str | None = None) -> list[str]:
        wanted = select(DeliveryRow.state).where(DeliveryRow.sink == sink)
        if key is not None:
            wanted = wanted.where(DeliveryRow.key == key)
        wanted = wanted.order_by(col(DeliveryRow.position), col(DeliveryRow.key))
        return await self.db.read(lambda session: list(session.exec(wanted)))

    async def open_rows(self, sink: str) -> int:
        counted = select(func.count()).where(DeliveryRow.sink == sink, col(DeliveryRow.state).not_in(FINAL))
        return await self.db.read(lambda session: session.exec(counted).one())

    async def settled(self, sink: str) -> None:
        """Wait until every row of the sink is in a final state."""

        async def holds() -> bool:
            return await self.open_rows(sink) == 0

        await eventually(holds)

    async def become(self, sink: str, *states: str, key: str | None = None) -> None:
        """Wait until the rows have these states, in the order of their positions."""

        async def holds() -> bool:
            return await self.states_of(sink, key) == list(states)

        try:
            await eventually(holds)
        except TimeoutError:
            raise AssertionError(f"rows are {await self.states_of(sink, key)}, not {states}") from None

    async def attempts(self, sink: str) -> list[AttemptRow]:
        def read(session: Session) -> list[AttemptRow]:
            return [row for row in session.exec(select(AttemptRow)) if row.sink == sink]

        return sorted(await self.db.read(read), key=lambda row: row.id or 0)

    async def receipts(self, sink: str) -> list[TargetReceiptRow]:
        def read(session: Session) -> list[TargetReceiptRow]:
            return [row for row in session.exec(select(TargetReceiptRow)) if row.sink == sink]

        return sorted(await self.db.read(read), key=lambda row: (row.key, row.part))

    async def claims(self) -> list[ClaimRow]:
        return await self.db.read(lambda session: list(session.exec(select(ClaimRow))))

    async def sink(self, name: str) -> SinkRow:
        row = await self.db.read(lambda session: sinks.get(session, name))
        assert row is not None
        return row


def hosts(*ids: str) -> tuple[Host, ...]:
    return tuple(Host(id=host) for host in ids)


def later(hours: float) -> dict[str, datetime]:
    """Start and end this many hours after the first ones."""
    start = NOON + timedelta(hours=hours)
    return {"start": start, "end": start + timedelta(minutes=45)}


def quick(attempts: int = 20) -> RetryPolicy:
    return RetryPolicy(attempts=attempts)
