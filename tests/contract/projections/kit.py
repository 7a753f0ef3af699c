"""A log in memory, histories as sources could bring them about, and tables as plain values."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from sqlmodel import Session, select

from events import Booking, BookingEvent, ContactErased, Envelope
from events.derive import continue_chain, derive
from events.errors import UnknownEventError
from events.ids import event_id
from events.personal import personal_containers
from hub.errors import GapError, LogUnavailableError
from hub.projections import PROJECTIONS
from hub.projections.base import apply_all
from hub.projections.generations import live_checkpoint
from hub.projections.reader import Reader
from hub.store.checkpoints import PROJECTION_TABLES
from hub.store.database import Database
from hub.store.tables import DeliveryRow
from tests.factories import CREATED, at, snapshot
from tests.unit.events.strategies import any_snapshots

NOW = CREATED + timedelta(hours=2)
"""Later than everything that is recorded here, before the bookings take place."""


@dataclass(frozen=True)
class State:
    last: int
    created_at: str


class Bell:
    """Rings at every append."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()
        self.closed = False

    async def wait(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self.rung.wait()
        except TimeoutError:
            return False
        self.rung.clear()
        return True

    async def close(self) -> None:
        self.closed = True


@dataclass
class MemoryLog:
    """Keeps what JetStream promises: positions without gaps, an id once; and what it does not: its tail."""

    events: list[Envelope] = field(default_factory=list)
    created_at: str = "2026-10-01T00:00:00Z"
    unreadable: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    away: bool = False
    reads: int = 0
    bells: list[Bell] = field(default_factory=list)

    def append(self, envelopes: Sequence[Envelope]) -> None:
        known = {envelope.event_id for envelope in self.events}
        for envelope in envelopes:
            assert envelope.event_id not in known, "the log refuses a fact it has"
            self.events.append(replace(envelope, position=len(self.events) + 1))
        for bell in self.bells:
            bell.rung.set()

    def cut(self, last: int) -> list[Envelope]:
        """Lose everything after a position, as a torn tail does; the positions will be used again."""
        lost = self.events[last:]
        del self.events[last:]
        return lost

    def make_anew(self) -> list[Envelope]:
        lost, self.events = self.events, []
        self.created_at = f"{self.created_at}-{uuid4().hex}"
        return lost

    async def read(self, after: int, limit: int) -> list[Envelope]:
        self._answer()
        self.reads += 1
        found = self.events[max(after, 0) : after + min(limit, 1_000)]
        if any(envelope.position in self.missing for envelope in found):
            raise GapError(f"a position after {after} is missing")
        if any(envelope.position in self.unreadable for envelope in found):
            raise UnknownEventError("event type BookingDuplicated is unknown to this version of the hub")
        return list(found)

    async def read_raw(self, after: int, limit: int) -> list[Envelope]:
        self._answer()
        return self.events[after : after + limit]

    async def event_id_at(self, position: int) -> str | None:
        self._answer()
        return self.events[position - 1].event_id if 0 < position <= len(self.events) else None

    async def state(self) -> State:
        self._answer()
        return State(last=len(self.events), created_at=self.created_at)

    async def doorbell(self) -> Bell:
        bell = Bell()
        self.bells.append(bell)
        return bell

    def _answer(self) -> None:
        if self.away:
            raise LogUnavailableError("no answer")


@dataclass(frozen=True)
class Shown:
    """One step: a booking is seen like this, perhaps replacing another, or a person is forgotten."""

    provider_id: str
    snapshot: Any = None
    replaces: str | None = None
    forgets: str | None = None


def logged(steps: Sequence[Shown]) -> list[Envelope]:
    """The events these steps give, as the log would hold them."""
    states: dict[str, Booking] = {}
    found: list[Envelope] = []
    for step in steps:
        for event in _events(states, step):
            found.append(recorded(event, len(found) + 1))
            if isinstance(event, BookingEvent):
                states[event.provider_id] = event.booking
    return found


def recorded(event: BookingEvent | ContactErased, position: int, **overrides: Any) -> Envelope:
    """An event at a position; recorded a second after the one before."""
    about = event.booking if isinstance(event, BookingEvent) else None
    members: dict[str, Any] = {
        "event_id": event_id(event),
        "source": about.source if about else "meetergo",
        "provider_id": event.provider_id if isinstance(event, BookingEvent) else "",
        "booking_id": about.booking_id if about else "",
        "event": event,
        "provenance": "webhook",
        "causation_id": f"r_{position}",
        "position": position,
        "recorded_at": CREATED + timedelta(hours=1, seconds=position),
    }
    return Envelope(**(members | overrides))


def _events(states: dict[str, Booking], step: Shown) -> Sequence[BookingEvent | ContactErased]:
    if step.forgets is not None:
        return (ContactErased(occurred_at=at(60 + next(_MINUTES)), contact_id=step.forgets),)
    former = states.get(step.replaces or "")
    known = states.get(step.provider_id)
    if former is not None and known is None and former.provider_id == step.replaces:
        return continue_chain(former, step.snapshot)
    return derive(known, step.snapshot)


_MINUTES = count()


@st.composite
def histories(draw: st.DrawFn, *, forget: bool = False, max_steps: int = 12) -> list[Envelope]:
    """Interleaved histories of a few bookings that share people."""
    bookings = [f"b{number}" for number in range(1, 5)]
    steps = []
    for _ in range(draw(st.integers(1, max_steps))):
        provider_id = draw(st.sampled_from(bookings))
        shown = draw(any_snapshots()).model_copy(update={"provider_id": provider_id})
        replaces = draw(st.sampled_from([None, None, *bookings]))
        steps.append(Shown(provider_id, shown, replaces if replaces != provider_id else None))
        if forget and draw(st.integers(0, 4)) == 0:
            steps.append(Shown("", forgets=draw(st.sampled_from(CONTACTS))))
    return logged(steps)


CONTACTS = tuple(f"c-{name}@kunde.example" for name in ("a1", "a2", "a3", "a1.new", "a2.new"))


def many(bookings: int, *, per_booking: int = 2, people: int = 50) -> list[Envelope]:
    """A long history of plain bookings, moved again and again, a few people sharing them."""
    steps = []
    for turn in range(per_booking):
        for number in range(bookings):
            start = snapshot().start + timedelta(days=turn, minutes=number)
            steps.append(
                Shown(
                    f"b{number}",
                    snapshot(
                        provider_id=f"b{number}",
                        attendees=(f"p{number % people}",),
                        start=start,
                        version=at(turn),
                        rescheduled_at=at(turn) if turn else None,
                    ),
                )
            )
    return logged(steps)


def forgotten(envelopes: Sequence[Envelope]) -> list[Envelope]:
    """The same log as it reads once the keys of the forgotten are gone."""
    found: list[Envelope] = []
    for envelope in reversed(envelopes):
        gone = {e.event.contact_id: e.position for e in envelopes if isinstance(e.event, ContactErased)}
        found.append(_without(envelope, {c for c, position in gone.items() if envelope.position < position}))
    return found[::-1]


def _without(envelope: Envelope, contact_ids: set[str]) -> Envelope:
    if not isinstance(envelope.event, BookingEvent):
        return envelope
    data = envelope.event.model_dump(mode="json")
    for container in personal_containers(data):
        if container.owner in contact_ids:
            container.members.update({name: None for name in container.fields if name in container.members})
    return replace(envelope, event=type(envelope.event).model_validate(data))


async def read_all(reader: Reader) -> int:
    """Bring a reader to the end of the log; how many events it saw."""
    await reader.prepare()
    seen = 0
    while count := await reader.step():
        seen += count
    return seen


async def eventually(holds: Callable[[], bool], *, within: float = 60.0) -> None:
    """Wait until it holds, or fail after a deadline."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


def live_rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Everything the serving generation holds."""

    def read(session: Session) -> dict[str, list[dict[str, Any]]]:
        live = live_checkpoint(session)
        assert live is not None
        return rows(session, live.generation)

    return database.read_now(read)


def deliveries(database: Database) -> list[DeliveryRow]:
    """All delivery rows in the order of the log."""
    order = (DeliveryRow.sink, DeliveryRow.position, DeliveryRow.key)
    return database.read_now(lambda session: list(session.exec(select(DeliveryRow).order_by(*order))))


def apply(session: Session, envelopes: Sequence[Envelope], generation: int, *, sizes: Sequence[int]) -> None:
    """Feed events to all projections in batches of these sizes, repeated as needed."""
    rest, turn = list(envelopes), 0
    while rest:
        size = sizes[turn % len(sizes)]
        apply_all(PROJECTIONS, rest[:size], session, generation)
        rest, turn = rest[size:], turn + 1


def rows(session: Session, generation: int) -> dict[str, list[dict[str, Any]]]:
    """Everything a generation holds, without the generation's number."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in PROJECTION_TABLES:
        table = model.__table__  # type: ignore[attr-defined]
        order = [column for column in table.primary_key if column.key != "generation"]
        columns = [column for column in table.columns if column.key != "generation"]
        result = session.execute(select(*columns).where(table.c.generation == generation).order_by(*order))
        found[table.name] = [dict(row) for row in result.mappings()]
    return found
