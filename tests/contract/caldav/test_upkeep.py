"""Whatever stands in the calendar, and whatever its server says: the newest state is what is shown, once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.caldav.sink import CalDavSink
from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.testing import sample_states
from events import Booking
from events.state import Host
from tests.contract.acting import bring, context, leave, made
from tests.contract.caldav.stand_in import CalendarServer, StandIn, sink_on

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()


@pytest.fixture
def stand_in(calendar_server: CalendarServer) -> StandIn:
    return StandIn(calendar_server)


@pytest.fixture
async def sink(stand_in: StandIn) -> AsyncIterator[CalDavSink]:
    made_sink = sink_on(stand_in, context())
    yield made_sink
    await leave(made_sink)


def position_of(text: str) -> str:
    return text.partition("X-BOOKINGHUB-POSITION:")[2].partition("\r\n")[0]


def sequence_of(text: str) -> int:
    return int(text.partition("SEQUENCE:")[2].partition("\r\n")[0])


async def test_a_change_takes_one_conditional_call(stand_in: StandIn, sink: CalDavSink) -> None:
    receipt = await made(sink, BOOKED)
    receipt = await made(sink, MOVED, receipt)
    assert await bring(sink, CANCELLED, receipt) is None
    calls = [(call["call"], call["if_none_match"], call["if_match"]) for call in stand_in.called()]
    assert calls == [
        ("put", "*", None),
        ("put", None, '"00000001"'),
        ("delete", None, '"00000002"'),
    ]


@pytest.mark.parametrize(
    "switches",
    [{"etag": False}, {"rewrites": True}, {"strips": True, "rewrites": True}],
    ids=["no ETag", "rewrites", "drops what it does not know"],
)
async def test_without_an_etag_the_entry_is_read(
    stand_in: StandIn, sink: CalDavSink, switches: dict[str, Any]
) -> None:
    stand_in.switch(**switches)
    receipt = await made(sink, BOOKED)
    assert receipt.etag == next(iter(stand_in.stored().values()))["etag"]
    again = await made(sink, MOVED, receipt)
    assert "DTSTART:20261027T080000Z" in stand_in.only()
    assert again.position == MOVED.position
    assert stand_in.made()[:2] == ["put", "get"]


async def test_an_etag_that_a_proxy_called_weak_still_works(stand_in: StandIn, sink: CalDavSink) -> None:
    stand_in.switch(weak=True)
    receipt = await made(sink, BOOKED)
    again = await made(sink, MOVED, receipt)
    assert again.detail == "changed"
    assert await bring(sink, CANCELLED, again) is None
    assert stand_in.stored() == {}
    assert stand_in.made() == ["put", "get", "put", "get", "delete"]


@pytest.mark.parametrize("conflict", [409, 412, 403])
@pytest.mark.parametrize("told", [True, False], ids=["told where", "not told where"])
async def test_an_entry_restored_under_another_name_is_taken_over(
    stand_in: StandIn, sink: CalDavSink, conflict: int, told: bool
) -> None:
    stand_in.switch(conflict=conflict, names_conflict=told)
    await made(sink, BOOKED)
    name, text = stand_in.name(), stand_in.only()
    stand_in.by_hand("DELETE", name)
    stand_in.by_hand("PUT", "restored.ics", text)
    receipt = await made(sink, MOVED)
    assert stand_in.name() == "restored.ics"
    assert position_of(stand_in.only()) == f"1:{MOVED.position}"
    assert (await made(sink, CHANGED, receipt)).detail == "changed"
    assert await bring(sink, CANCELLED, receipt) is None
    assert stand_in.stored() == {}


async def test_entries_are_found_on_a_server_that_cannot_search(stand_in: StandIn, sink: CalDavSink) -> None:
    stand_in.switch(searches=False, names_conflict=False)
    receipt = await made(sink, BOOKED)
    stand_in.by_hand("PUT", "private.ics", stand_in.only().replace(receipt.external_id, "private"))
    (listed,) = await sink.survey()
    assert listed.external_id == receipt.external_id
    name, text = next(iter(stand_in.stored())).partition("/")[2], stand_in.stored()
    stand_in.by_hand("DELETE", name)
    stand_in.by_hand("PUT", "restored.ics", text[f"team/{name}"]["data"])
    assert (await made(sink, MOVED)).detail == "changed"


async def test_a_later_position_is_never_overwritten_or_removed(stand_in: StandIn, sink: CalDavSink) -> None:
    stale = await made(sink, BOOKED)
    await made(sink, CHANGED, stale)
    for receipt in (stale, None):
        older = await made(sink, MOVED, receipt)
        assert older.position == CHANGED.position
        early = CANCELLED.model_copy(update={"position": MOVED.position})
        left = await bring(sink, early, receipt)
        assert left is not None
        assert left.position == CHANGED.position
    assert position_of(stand_in.only()) == f"1:{CHANGED.position}"


async def test_revisions_rise_although_positions_begin_again(stand_in: StandIn, sink: CalDavSink) -> None:
    receipt = await made(sink, CHANGED)
    recovered = sink_on(stand_in, context(epoch=2))
    begun_again = MOVED.model_copy(update={"position": 2})
    for held in (receipt, None):
        before = sequence_of(stand_in.only())
        await made(recovered, begun_again, held)
        assert position_of(stand_in.only()) == "2:2"
        assert sequence_of(stand_in.only()) >= before
        begun_again = begun_again.model_copy(update={"notes": "anders"})
    assert sequence_of(stand_in.only()) == CHANGED.position + 2
    await leave(recovered)


async def test_an_entry_made_anew_has_a_higher_revision(stand_in: StandIn, sink: CalDavSink) -> None:
    receipt = await made(sink, MISSED)
    stand_in.by_hand("DELETE", stand_in.name())
    same_position = CHANGED.model_copy(update={"position": MISSED.position})
    assert (await made(sink, same_position, receipt)).detail == "created"
    assert sequence_of(stand_in.only()) == MISSED.position + 1


async def test_an_erased_person_vanishes_from_the_entry(stand_in: StandIn, sink: CalDavSink) -> None:
    receipt = await made(sink, BOOKED)
    nobody = [a.model_copy(update={"name": None, "email": None, "phone": None}) for a in BOOKED.attendees]
    erased = BOOKED.model_copy(update={"attendees": tuple(nobody), "notes": None})
    again = await made(sink, erased, receipt)
    assert again.detail == "changed"
    for said in ("Quendolin", "parkt im Hof", "Bo\r\n"):
        assert said not in stand_in.only()


async def test_what_has_not_changed_is_not_written(stand_in: StandIn, sink: CalDavSink) -> None:
    receipt = await made(sink, BOOKED)
    again = await made(sink, BOOKED.model_copy(update={"position": 99}), receipt)
    assert (again.detail, again.position) == ("unchanged", 99)
    assert stand_in.made() == ["put"]


async def test_a_cancellation_makes_no_entry(stand_in: StandIn) -> None:
    for on_cancel in ("delete", "mark"):
        sink = sink_on(stand_in, context(), on_cancel=on_cancel)
        assert await bring(sink, CANCELLED) is None
        await leave(sink)
    assert stand_in.stored() == {}


async def test_what_a_person_added_is_read_before_each_write(stand_in: StandIn, sink: CalDavSink) -> None:
    receipt = await made(sink, BOOKED)
    edited = stand_in.only().replace("END:VEVENT", "CATEGORIES:Kunde\r\nEND:VEVENT")
    stand_in.by_hand("PUT", stand_in.name(), edited)
    receipt = await made(sink, MOVED, receipt)
    stand_in.forget_calls()
    await made(sink, CHANGED, receipt)
    assert stand_in.made() == ["get", "put"]
    assert "CATEGORIES:Kunde" in stand_in.only()


async def test_somebody_elses_entry_at_our_address_stays(stand_in: StandIn, sink: CalDavSink) -> None:
    await made(sink, BOOKED)
    name = stand_in.name()
    theirs = stand_in.only().replace("UID:bookinghub", "UID:theirs")
    stand_in.by_hand("DELETE", name)
    stand_in.by_hand("PUT", name, theirs)
    with pytest.raises(PermanentError, match="somebody else"):
        await sink.sync(MOVED, "", None)
    assert stand_in.only() == theirs


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ({"status": 301}, PermanentError, "redirects are not followed"),
        ({"status": 308}, PermanentError, "redirects are not followed"),
        ({"status": 423, "reason": "lock-token-submitted"}, TransientError, "lock"),
        ({"status": 507, "reason": "sufficient-disk-space"}, TransientError, "sufficient-disk-space"),
        ({"status": 412, "reason": "valid-calendar-data"}, PermanentError, "valid-calendar-data"),
        ({"status": 409, "reason": "max-resource-size"}, PermanentError, "max-resource-size"),
        ({"status": 405}, PermanentError, "405"),
        ({"status": 404, "times": None}, PermanentError, "no calendar"),
    ],
    ids=["moved", "moved for good", "locked", "full", "refused by 412", "refused by 409", "no PUT", "gone"],
)
async def test_refusals_are_told_by_what_they_name(
    stand_in: StandIn, sink: CalDavSink, fault: dict[str, Any], kind: type[AdapterError], said: str
) -> None:
    stand_in.fault(kind="status", on="put", **fault)
    with pytest.raises(kind, match=said):
        await sink.sync(BOOKED, "", None)


async def test_a_cut_entry_is_a_failure_that_passes(stand_in: StandIn, sink: CalDavSink) -> None:
    await made(sink, BOOKED)
    stand_in.fault(kind="truncated", on="get")
    with pytest.raises(TransientError, match="cut"):
        await sink.sync(MOVED, "", None)
    assert (await made(sink, MOVED)).detail == "changed"


async def test_a_cut_list_is_a_failure_that_passes(stand_in: StandIn, sink: CalDavSink) -> None:
    await made(sink, BOOKED)
    stand_in.fault(kind="truncated", on="report")
    with pytest.raises(TransientError, match="no whole list"):
        await sink.survey()


async def test_a_bearer_token_opens_the_calendar(stand_in: StandIn) -> None:
    token = {"username": None, "password": None, "token": "made-up-token-of-the-stand-in"}
    sink = sink_on(stand_in, context(), **token)
    await sink.open()
    await made(sink, BOOKED)
    await leave(sink)


async def test_a_calendar_is_proved_before_it_is_used(stand_in: StandIn, sink: CalDavSink) -> None:
    await sink.open()
    stand_in.switch(read_only=True)
    with pytest.raises(AuthError, match="not write"):
        await sink.open()
    with pytest.raises(AuthError, match="need-privileges"):
        await sink.sync(BOOKED, "", None)
    elsewhere = sink_on(stand_in, context(), url=f"{stand_in.url}/dav/none/")
    with pytest.raises(PermanentError, match="no calendar"):
        await elsewhere.open()
    await leave(elsewhere)


MARA = Host(id="h-1", email="Mara@studio.example", name="Mara")
DENIZ = Host(id="h-2", email="deniz@studio.example", name="Deniz")
KIM = Host(id="h-3", email="kim@studio.example", name="Kim")


def hosted(booking: Booking, *hosts: Host) -> Booking:
    return booking.model_copy(update={"hosts": hosts})


class TestPerHost:
    """Each host's own calendar, as the configuration names them."""

    @pytest.fixture(autouse=True)
    def _served(self, calendar_server: CalendarServer) -> None:
        self.stand_in = StandIn(calendar_server, "mara", "deniz")

    def sink(self, *names: str) -> CalDavSink:
        calendars = {f"{name}@studio.example": f"{self.stand_in.url}/dav/{name}" for name in names}
        return sink_on(self.stand_in, context(), per="host", calendars=calendars)

    def held(self) -> list[str]:
        return sorted(address.partition("/")[0] for address in self.stand_in.stored())

    async def test_hosts_without_a_calendar_have_no_entry(self) -> None:
        sink = self.sink("mara", "deniz")
        booking = hosted(BOOKED, MARA, DENIZ, KIM)
        assert sink.parts(booking) == ("h-1", "h-2")
        for part in sink.parts(booking):
            await sink.sync(booking, part, None)
        assert self.held() == ["deniz", "mara"]
        assert sink.preview(booking, "h-3") == {}
        assert {listed.part for listed in await sink.survey()} == {"h-1", "h-2"}
        await leave(sink)

    async def test_another_address_of_a_host_moves_their_entry(self) -> None:
        sink = self.sink("mara", "deniz")
        receipt = await sink.sync(hosted(BOOKED, MARA), "h-1", None)
        moved_in = MARA.model_copy(update={"email": "deniz@studio.example"})
        again = await sink.sync(hosted(MOVED, moved_in), "h-1", receipt)
        assert self.held() == ["deniz"]
        assert await sink.sync(None, "h-1", again) is None
        assert self.held() == []
        await leave(sink)

    async def test_a_calendar_that_is_not_configured_any_more_is_not_called(self) -> None:
        sink = self.sink("mara", "deniz")
        receipt = await sink.sync(hosted(BOOKED, MARA), "h-1", None)
        await leave(sink)
        fewer = self.sink("deniz")
        self.stand_in.forget_calls()
        assert fewer.parts(hosted(MOVED, MARA)) == ()
        assert await fewer.sync(None, "h-1", receipt) is None
        assert self.stand_in.called() == []
        assert self.held() == ["mara"]
        await leave(fewer)

    async def test_one_missing_calendar_does_not_stop_the_others(self) -> None:
        sink = self.sink("mara", "kim")
        await sink.open()
        await leave(sink)
        sink = self.sink("kim")
        with pytest.raises(PermanentError, match="no calendar"):
            await sink.open()
        await leave(sink)

    async def test_an_entry_is_observed_without_a_receipt(self) -> None:
        sink = self.sink("mara", "deniz")
        booking = hosted(BOOKED, DENIZ)
        receipt = await sink.sync(booking, "h-2", None)
        found = await sink.observe(booking.booking_id, "h-2", None)
        assert found is not None
        assert found == await sink.observe(booking.booking_id, "h-2", receipt)
        assert found.fields == sink.preview(booking, "h-2")
        assert await sink.observe("another", "h-2", None) is None
        await leave(sink)


async def test_an_edit_by_hand_is_told_apart(stand_in: StandIn, sink: CalDavSink) -> None:
    receipt = await made(sink, BOOKED)
    stand_in.by_hand("PUT", stand_in.name(), stand_in.only().replace("SUMMARY:", "SUMMARY:mine "))
    found = await sink.observe(BOOKED.booking_id, "", receipt)
    assert found is not None
    wanted = sink.preview(BOOKED, "")
    assert found.fields.keys() == wanted.keys()
    assert [name for name in wanted if found.fields[name] != wanted[name]] == ["title"]
    assert found.edited_at is not None
    assert found.edited_at - sink.context.clock() == timedelta()
