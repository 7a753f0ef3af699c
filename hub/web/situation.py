"""How the hub stands at one moment: read once, upstream first, for the status, the issues and the metrics.

The order of reading is what makes zeros mean "done": whatever moves on while this reads is met again
further down, never missed. First comes whether the reader's position is proven (the end of a recovery
leaves marks behind), then waiting receipts, then marks, then the log's end, then how far the
projections and the sinks are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, union
from sqlmodel import Session, col, select

from hub.errors import LogError
from hub.store import (
    absent,
    checkpoints,
    deliveries,
    dirty,
    drift,
    former,
    guard,
    installation,
    ledger,
    operations,
    polls,
    receipts,
    replacements,
    sinks,
    sources,
    unconfirmed,
)
from hub.store.absent import Missing
from hub.store.deliveries import Lag
from hub.store.former import LeftBehind
from hub.store.guard import Held
from hub.store.ledger import Conflicts
from hub.store.tables import (
    CheckpointRow,
    DeliveryRow,
    DriftCheckRow,
    DriftRow,
    InstallationRow,
    PollRow,
    QuarantineRow,
    ReplacementRow,
    SinkRow,
    SourceRow,
)
from hub.web.fact_counts import FactCounts, SourceFacts
from hub.web.services import HubServices, LogFacts

NEED_A_PERSON = ("parked", "dead", "uncertain")
HALF_DONE_AFTER = timedelta(minutes=1)
ASKING = "asking"
"""Parked rows that only wait for a person to let them through."""


@dataclass(frozen=True, slots=True)
class Pile:
    """Things of one kind that wait, since when the first of them does, and which one that is."""

    count: int = 0
    since: datetime | None = None
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """What the store knows of things that are not facts yet."""

    dirty: int
    quarantined: Pile
    unconfirmed: Pile
    sources: Mapping[str, SourceRow]
    polls: Mapping[str, PollRow]
    missing: Sequence[Missing]
    installation: InstallationRow | None
    verified_at: datetime | None
    """When the last comparison with the log was begun that found every row of the projections right."""


@dataclass(frozen=True, slots=True)
class House:
    """What the store knows of facts and their effects."""

    checkpoint: CheckpointRow | None
    facts: Mapping[str, SourceFacts]
    sinks: Mapping[str, SinkRow]
    rows: Mapping[str, Mapping[str, int]]
    lags: Mapping[str, Lag]
    out_of_step: Mapping[str, int]
    stuck: Mapping[tuple[str, str], Pile]
    conflicts: Mapping[str, Conflicts]
    checks: Mapping[str, DriftCheckRow]
    drifted: Mapping[tuple[str, str], Pile]
    held: Mapping[str, Held] = field(default_factory=dict)
    former: Mapping[str, Sequence[LeftBehind]] = field(default_factory=dict)
    receipts: Mapping[str, int] = field(default_factory=dict)
    replacements: Sequence[ReplacementRow] = ()
    """What was begun longer ago than two requests take."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything read; what the log did not answer is None, with the reason in `log_problem`."""

    now: datetime
    waiting: int | None
    log: LogFacts | None
    log_problem: str | None
    door: Door
    house: House
    unread_since: datetime | None
    verified: bool = True

    @property
    def position(self) -> int:
        """How far the live projections have read."""
        return self.house.checkpoint.position if self.house.checkpoint else 0

    @property
    def unread(self) -> int | None:
        """Events in the log that the projections do not show yet.

        While it is open whether the log is the one they were read from, there is always something left
        to do; a log that ends before them is another one, and all of it is unread.
        """
        if self.log is None:
            return None
        ahead = self.log.last - self.position
        if ahead < 0:
            return max(self.log.last, 1)
        return ahead if self.verified else max(ahead, 1)

    @property
    def unread_for(self) -> timedelta | None:
        """Age of the oldest unread event; zero if there is none."""
        if self.unread is None:
            return None
        if not self.unread or self.unread_since is None:
            return timedelta(0)
        return max(self.now - self.unread_since, timedelta(0))


async def read_situation(services: HubServices, counts: FactCounts) -> Situation:
    """Look at everything once; raises StoreError if the store cannot be read."""
    log_problem: str | None = None
    waiting: int | None = None
    verified = services.position_verified()
    try:
        waiting = await services.inbox.waiting()
    except LogError as error:
        log_problem = str(error)
    door = await services.database.read(_read_door)
    log: LogFacts | None = None
    try:
        log = await services.log.state()
    except LogError as error:
        log_problem = str(error)
    log_problem = log_problem or services.log.write_problem
    now = services.clock.now()
    house = await services.database.read(lambda session: _read_house(session, counts, now))
    checkpoint = house.checkpoint.position if house.checkpoint else 0
    unread_since = None
    if log is not None and log.last > checkpoint:
        unread_since = await _recorded_at(services, checkpoint + 1)
    return Situation(services.clock.now(), waiting, log, log_problem, door, house, unread_since, verified)


async def _recorded_at(services: HubServices, position: int) -> datetime | None:
    try:
        envelope = await services.log.at(position)
    except LogError:
        return None
    return envelope.recorded_at if envelope else None


def _read_door(session: Session) -> Door:
    waiting = col(QuarantineRow.state) == "waiting"
    bodies = session.execute(select(func.count(), func.min(QuarantineRow.received_at)).where(waiting)).one()
    hint = unconfirmed.oldest(session)
    live = checkpoints.live(session)
    return Door(
        dirty=dirty.counts(session).bookings,
        quarantined=Pile(*bodies),
        unconfirmed=Pile(unconfirmed.count(session), hint.since, hint.provider_id) if hint else Pile(),
        sources={row.name: row for row in sources.every(session)},
        polls=polls.every(session),
        missing=absent.missing(session, live.generation if live else 0),
        installation=installation.get(session),
        verified_at=operations.last_done(session, kind="verify"),
    )


def _read_house(session: Session, counts: FactCounts, now: datetime) -> House:
    checkpoint = checkpoints.live(session)
    return House(
        checkpoint=checkpoint,
        facts=counts.read(session, checkpoint.generation if checkpoint else 0),
        sinks={row.name: row for row in sinks.every(session)},
        rows=deliveries.counts(session),
        lags=deliveries.lag(session),
        out_of_step=_out_of_step(session),
        stuck=_stuck(session),
        conflicts=ledger.conflicts(session, now=now),
        held=guard.held(session),
        former=former.counts(session),
        receipts=receipts.counts(session),
        replacements=replacements.half_done(session, before=now - HALF_DONE_AFTER),
        checks=drift.checks(session),
        drifted={name: Pile(*pile) for name, pile in drift.piles(session).items()},
    )


def _out_of_step(session: Session) -> dict[str, int]:
    """Bookings per sink whose target is not known to hold their newest state, or was seen not to."""
    state = col(DeliveryRow.state)
    open_rows = state.in_((*deliveries.OPEN_STATES, "uncertain"))
    behind: Any = select(
        col(DeliveryRow.sink).label("sink"), col(DeliveryRow.booking_id).label("object")
    ).where(or_(open_rows, (state == "dead") & ~deliveries.made_good()))
    drifted: Any = select(col(DriftRow.sink), func.coalesce(DriftRow.booking_id, DriftRow.key))
    either = union(behind, drifted).subquery()
    counted = select(either.c.sink, func.count()).group_by(either.c.sink)
    return {row[0]: row[1] for row in session.execute(counted)}


def _stuck(session: Session) -> dict[tuple[str, str], Pile]:
    asks = (col(DeliveryRow.state) == "parked") & (col(DeliveryRow.error_class) == deliveries.ASKS)
    kind = case((asks, ASKING), else_=col(DeliveryRow.state)).label("kind")
    found: Any = select(col(DeliveryRow.sink).label("sink"), kind, col(DeliveryRow.changed_at).label("at"))
    stuck = found.where(col(DeliveryRow.state).in_(NEED_A_PERSON)).subquery()
    grouped = session.execute(
        select(stuck.c.sink, stuck.c.kind, func.count(), func.min(stuck.c.at)).group_by(
            stuck.c.sink, stuck.c.kind
        )
    )
    return {(sink, state): Pile(count, since) for sink, state, count, since in grouped}
