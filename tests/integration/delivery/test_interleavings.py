"""Whatever happens in whatever order: the target ends as desired, every row in exactly one final state."""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.delivery import RetryPolicy, RunningSink, pause_sink, resume_sink
from hub.store import deliveries
from hub.store.database import Database
from hub.store.deliveries import DeliveryFilter
from tests.integration.delivery.crash import Crash, Crashes, MortalDatabase
from tests.integration.delivery.targets import Calendar, CalendarMirror, Chat, ChatReactor
from tests.integration.delivery.world import World, eventually, later

BOOKINGS = ("b1", "b2")
CALENDAR, CHAT = "calendar", "chat"

booking = st.sampled_from(BOOKINGS)
fault = st.sampled_from(["transient", "permanent", "lost_reply", "bug", "told_to_wait"])
operation = st.one_of(
    st.tuples(st.just("move"), booking, st.integers(0, 20)),
    st.tuples(st.just("cancel"), booking),
    st.tuples(st.just("fail"), booking, st.lists(fault, min_size=1, max_size=4)),
    st.tuples(st.just("advance"), st.integers(1, 40)),
    st.tuples(st.just("die"), st.integers(1, 12)),
    st.just(("expire",)),
    st.just(("renew",)),
    st.just(("pause",)),
    st.just(("resume",)),
    st.just(("breathe",)),
)


class Story:
    """Plays one list of operations, then lets everything come to its end."""

    def __init__(self, db: Database) -> None:
        self.world = World(db)
        self.calendar, self.chat = Calendar(), Chat()
        self.crashes = Crashes()
        self.world.register(CALENDAR, "booking")
        self.world.register(CHAT, "reactor")

    async def start(self, *, last: bool = False) -> None:
        world = self.world
        self.crashes = Crashes()
        self.calendar.crashes = self.chat.crashes = self.crashes
        retry = RetryPolicy(attempts=3)
        engine = world.engine(
            RunningSink(CALENDAR, CalendarMirror(self.calendar, world.context(CALENDAR)), retry=retry),
            RunningSink(CHAT, ChatReactor(self.chat, world.context(CHAT)), retry=retry),
            db=world.db if last else MortalDatabase(world.db, self.crashes),
            alone=True,
        )
        with suppress(Crash):
            await engine.start()

    async def stop(self) -> None:
        self.crashes.at = self.crashes.steps
        for engine in self.world.engines:
            with suppress(Crash):
                await engine.stop(within=timedelta(0))
        self.world.engines.clear()
        self.calendar.busy.clear()
        self.chat.busy.clear()

    async def play(self, step: Sequence[Any]) -> None:
        world = self.world
        match step:
            case ("move", key, hours):
                await world.see(key, **later(hours))
            case ("cancel", key):
                await world.see(key, cancelled=True)
            case ("fail", key, faults):
                self.calendar.faults.fail_next(key, *faults)
                self.chat.faults.fail_next(key, *faults)
            case ("advance", seconds):
                world.advance(timedelta(seconds=seconds))
            case ("die", steps):
                self.crashes.at = self.crashes.steps + steps
                await asyncio.sleep(0.03)
                await self.stop()
                await self.start()
            case ("expire",):
                self.calendar.credentials_valid = False
            case ("renew",):
                self.calendar.credentials_valid = True
            case ("pause",):
                await world.db.write(
                    lambda session: pause_sink(session, CALENDAR, reason="x", now=world.clock.now())
                )
            case ("resume",):
                await world.db.write(lambda session: resume_sink(session, CALENDAR, now=world.clock.now()))
            case _:
                await asyncio.sleep(0.03)

    async def finish(self) -> None:
        """Heal everything, let a person retry what was given up, and wait until nothing is left."""
        await self.stop()
        self.calendar.faults.heal()
        self.chat.faults.heal()
        self.calendar.credentials_valid = True
        await self.start(last=True)
        world, now = self.world, self.world.clock.now()
        wanted = DeliveryFilter(states=("dead", "parked"))
        await world.db.write(lambda session: resume_sink(session, CALENDAR, now=now))
        await world.db.write(lambda session: deliveries.retry(session, wanted, now=now))

        async def over() -> bool:
            # Never over the lease of a claim, or whoever works would lose it again and again.
            if not await world.claims():
                world.advance(timedelta(minutes=1))
            return await world.open_rows(CALENDAR) == await world.open_rows(CHAT) == 0

        await eventually(over)
        await self.stop()


@settings(max_examples=20)
@given(steps=st.lists(operation, max_size=12))
def test_target_ends_as_desired_and_every_row_in_one_final_state(
    migrated_file: Path, steps: list[tuple[Any, ...]]
) -> None:
    async def play(db: Database) -> Story:
        story = Story(db)
        await story.start()
        for step in steps:
            await story.play(step)
        await story.finish()
        return story

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hub.db"
        shutil.copy(migrated_file, file)
        with closing(Database.open(f"sqlite:///{file}")) as db:
            story = asyncio.run(play(db))
            check(story, asyncio.run(rows_of(story.world)))


async def rows_of(world: World) -> list[Any]:
    return [*await world.rows(CALENDAR), *await world.rows(CHAT)]


def check(story: Story, rows: list[Any]) -> None:
    active = {key: state for key, state in story.world.states.items() if state.status == "active"}
    shown = {entry.booking_id: entry.start for entry in story.calendar.entries.values()}
    assert shown == {key: state.start.isoformat() for key, state in active.items()}
    assert {row.state for row in rows} <= {"delivered", "covered"}
    assert story.calendar.overlaps == story.chat.overlaps == []
    for history in story.calendar.history.values():
        assert history == sorted(history)
    told = [row for row in rows if row.sink == CHAT and row.state == "delivered"]
    assert len(story.chat.sent) == len(told)
