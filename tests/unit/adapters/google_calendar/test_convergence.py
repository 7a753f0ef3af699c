"""Whatever people, crashes and lost receipts do in between, one entry shows the newest state at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.api import AdapterContext, Receipt
from adapters.errors import TransientError
from adapters.google_calendar.client import Answer
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.google_calendar.entries import Entry
from adapters.google_calendar.simulated import Calendars, RefusedError
from adapters.google_calendar.sink import GoogleCalendarSink
from adapters.google_calendar.upkeep import Upkeep
from adapters.testing import sample_booking
from events import Booking
from events.state import Cancel

CALENDAR = "team@studio.example"
NOON = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
OUTCOMES = {404: "missing", 409: "duplicate", 410: "gone", 412: "stale"}


class DirectClient:
    """The calendars without a wire; `cut_after` calls nothing more gets through, the last reply is lost."""

    def __init__(self, calendars: Calendars) -> None:
        self.calendars = calendars
        self.cut_after: int | None = None

    async def insert(self, calendar: str, body: Mapping[str, Any]) -> Answer:
        return self._answer(lambda: self.calendars.insert(calendar, body))

    async def get(self, calendar: str, entry_id: str) -> Answer:
        return self._answer(lambda: self.calendars.get(calendar, entry_id))

    async def update(
        self,
        calendar: str,
        entry_id: str,
        body: Mapping[str, Any],
        *,
        etag: str | None,
        refusable: frozenset[int] = frozenset(),
    ) -> Answer:
        return self._answer(lambda: self.calendars.update(calendar, entry_id, body, if_match=etag), refusable)

    async def delete(self, calendar: str, entry_id: str, *, etag: str | None) -> Answer:
        return self._answer(lambda: self.calendars.delete(calendar, entry_id, if_match=etag))

    def _answer(self, act: Any, refusable: frozenset[int] = frozenset()) -> Answer:
        if self.cut_after == 0:
            raise TransientError("cut off")
        try:
            shown = act()
            answer = Answer("shown", Entry.read(dict(shown))) if shown else Answer("done")
        except RefusedError as error:
            outcome: Any = "refused" if error.status in refusable else OUTCOMES[error.status]
            answer = Answer(outcome)
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after == 0:
                raise TransientError("reply lost")
        return answer


@dataclass
class World:
    on_cancel: str
    calendars: Calendars = field(default_factory=lambda: Calendars(clock=lambda: NOON))
    receipt: Receipt | None = None
    position: int = 0
    state: Booking = field(default_factory=sample_booking)

    def __post_init__(self) -> None:
        self.client = DirectClient(self.calendars)
        self.sink = self._sink()

    def _sink(self) -> GoogleCalendarSink:
        config = GoogleCalendarConfig.model_validate(
            {"credentials": {"access_token": "x"}, "calendar": CALENDAR, "on_cancel": self.on_cancel}
        )
        context = AdapterContext(instance="c", installation_id="i", clock=lambda: NOON)
        sink = GoogleCalendarSink(config, context)
        sink._upkeep = Upkeep(self.client)  # type: ignore[arg-type]
        return sink

    async def bring(self) -> None:
        try:
            self.receipt = await self.sink.sync(self.state, "", self.receipt)
        except TransientError:
            assert self.client.cut_after == 0
        finally:
            self.client.cut_after = None

    def change(self, *, cancelled: bool) -> None:
        """The next state, different from all before."""
        self.position += 1
        start = sample_booking().start + timedelta(hours=self.position)
        state = sample_booking(start=start, end=start + timedelta(minutes=30), position=self.position)
        if cancelled:
            state = state.cancelled(Cancel(at=NOON))
        self.state = state

    def entries(self, *, deleted: bool = False) -> Sequence[dict[str, Any]]:
        found = self.calendars.state().get(CALENDAR, [])
        return [entry for entry in found if (entry["status"] == "cancelled") is deleted]

    def by_hand(self, act: str) -> None:
        for entry in list(self.entries()):
            if act == "delete":
                self.calendars.delete(CALENDAR, entry["id"], if_match=None)
            else:
                self.calendars.patch(CALENDAR, entry["id"], {"summary": "edited"}, if_match=None)


ACTS = st.one_of(
    st.tuples(st.just("bring"), st.booleans(), st.none() | st.integers(0, 6)),
    st.tuples(st.just("hand"), st.sampled_from(["delete", "edit"]), st.none()),
    st.tuples(st.just("forget"), st.none(), st.none()),
    st.tuples(st.just("undelete"), st.booleans(), st.none()),
)


@settings(deadline=None)
@given(
    acts=st.lists(ACTS, max_size=12), on_cancel=st.sampled_from(["delete", "mark"]), cancelled=st.booleans()
)
async def test_the_newest_state_is_shown_once(acts: list[Any], on_cancel: str, cancelled: bool) -> None:
    world = World(on_cancel)
    for act, how, cut in acts:
        if act == "bring":
            world.change(cancelled=how)
            world.client.cut_after = cut
            await world.bring()
        elif act == "hand":
            world.by_hand(how)
        elif act == "forget":
            world.receipt = None
        else:
            world.calendars.undelete = how
    world.change(cancelled=cancelled)
    visible = len(world.entries())
    await world.bring()
    _assert_shown(world, cancelled=cancelled, visible_before=visible)


def _assert_shown(world: World, *, cancelled: bool, visible_before: int) -> None:
    shown = world.entries()
    if cancelled and (world.on_cancel == "delete" or not visible_before):
        assert shown == []
        assert world.receipt is None
        return
    (entry,) = shown
    assert datetime.fromisoformat(entry["start"]["dateTime"]) == world.state.start
    assert entry["extendedProperties"]["private"]["hub_position"] == f"1:{world.position}"
    assert entry["summary"].startswith("Cancelled: ") is cancelled
    assert world.receipt is not None
    assert world.receipt.external_id == entry["id"]
    assert world.receipt.etag == entry["etag"]
