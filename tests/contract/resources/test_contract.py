"""The mirror contract, on a ledger in memory that fails, stalls and loses its answers."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from adapters.api import AdapterContext
from adapters.ledger import LedgerEntry
from adapters.resources.simulator import CANNOT, LedgerSide, sink_on
from adapters.resources.sink import ResourcesSink
from adapters.testing import MirrorContract, sample_booking, sample_states
from events import Booking

STRANGER = "somebody-else"


class TestResources(MirrorContract):
    cannot = CANNOT

    def other_side(self) -> LedgerSide:
        self.side = LedgerSide()
        return self.side

    def sink(self, context: AdapterContext) -> ResourcesSink:
        return sink_on(self.side, context)


class TestResourcesOfNoShows(TestResources):
    """Nobody came, and that sets the units free before the cancellation does."""

    def states(self) -> Sequence[Booking]:
        *before, missed, cancelled = sample_states()
        bo = missed.attendees[1].marked(start=missed.start, at=missed.start, present=True)
        return (*before, missed.with_attendee(bo), cancelled)

    async def test_no_units_are_kept_for_people_who_did_not_come(self) -> None:
        assert [len(seen) for seen in await self._expected()] == [0, 1, 1, 1, 0, 0]


class FullHouse(LedgerSide):
    """Somebody has all beamers for a year; they are not shown, so that the kit sees our booking alone."""

    def __init__(self) -> None:
        super().__init__()
        first = sample_booking().start - timedelta(days=100)
        self.stranger = LedgerEntry(
            key=STRANGER,
            state="held",
            line=1,
            start=first,
            end=first + timedelta(days=365),
            busy_from=first,
            busy_until=first + timedelta(days=365),
            needs={"beamer": 3},
            units={"beamer": ("Beamer 1", "Beamer 2", "Beamer 3")},
            epoch=1,
            position=1,
            since=first,
        )
        self.entries[STRANGER] = self.stranger

    def objects(self) -> Mapping[str, Any]:
        return {key: value for key, value in super().objects().items() if key != STRANGER}


class TestResourcesThatWait(TestResources):
    """Every state of the booking waits for a beamer, and nothing happens to who has it."""

    def other_side(self) -> LedgerSide:
        self.side = FullHouse()
        return self.side

    async def test_who_waits_holds_nothing(self) -> None:
        _, booked, *_ = await self._expected()
        (entry,) = booked.values()
        assert (entry["state"], entry["held"]) == ("waiting", {})
        assert self.side.entries[STRANGER] == FullHouse().stranger
