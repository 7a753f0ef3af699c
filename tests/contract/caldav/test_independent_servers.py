"""The mirror contract on two CalDAV servers that nobody here wrote, with faults on the way to them."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from adapters.api import AdapterContext
from adapters.caldav.sink import CalDavSink
from adapters.errors import AdapterError, AuthError, PermanentError
from adapters.testing import MirrorContract, SimulatorServer, sample_states
from tests.contract.acting import bring, context, leave, made
from tests.contract.caldav.independent import (
    PASSWORD,
    IndependentServer,
    IndependentSide,
    Radicale,
    Xandikos,
)

BOOKED, MOVED, CHANGED, MISSED, CANCELLED = sample_states()


class IndependentContract(MirrorContract):
    secrets = (PASSWORD,)
    forbidden: ClassVar[Mapping[str, type[AdapterError]]] = {
        "403": AuthError,
        "403 need-privileges": AuthError,
    }
    cannot: ClassVar[Mapping[str, str]] = {"truncated": "a PUT is answered by its status and headers alone"}
    server: IndependentServer
    route: SimulatorServer

    def other_side(self) -> IndependentSide:
        self.side = IndependentSide(self.route, self.server)
        return self.side

    def sink(self, context: AdapterContext) -> CalDavSink:
        return self.side.sink(context)


class TestRadicale(IndependentContract):
    @pytest.fixture(autouse=True)
    def _served(self, route: SimulatorServer, radicale: Radicale) -> None:
        self.route, self.server = route, radicale


class TestXandikos(IndependentContract):
    @pytest.fixture(autouse=True)
    def _served(self, route: SimulatorServer, xandikos: Xandikos) -> None:
        self.route, self.server = route, xandikos


@pytest.fixture(params=["radicale", "xandikos"])
def side(request: pytest.FixtureRequest, route: SimulatorServer) -> IndependentSide:
    return IndependentSide(route, request.getfixturevalue(request.param))


@pytest.fixture
async def sink(side: IndependentSide) -> AsyncIterator[CalDavSink]:
    made_sink = side.sink(context())
    yield made_sink
    await leave(made_sink)


async def test_the_life_of_a_booking_takes_one_call_per_state(
    side: IndependentSide, sink: CalDavSink
) -> None:
    receipt = None
    for state in (BOOKED, MOVED, CHANGED, MISSED):
        receipt = await made(sink, state, receipt)
        _, text = side.server.only()
        assert f"X-BOOKINGHUB-POSITION:1:{state.position}" in text
        assert "DTSTART:" + state.start.strftime("%Y%m%dT%H%M%SZ") in text
    assert await bring(sink, CANCELLED, receipt) is None
    assert side.server.entries() == {}
    assert side.made() == ["put", "put", "put", "put", "delete"]


async def test_an_entry_deleted_by_hand_comes_back_with_the_next_change(
    side: IndependentSide, sink: CalDavSink
) -> None:
    receipt = await made(sink, BOOKED)
    name, _ = side.server.only()
    side.server.by_hand("DELETE", name)
    again = await made(sink, MOVED, receipt)
    assert again.detail == "created"
    assert side.server.only()[0] == name


async def test_what_a_person_added_stays_and_what_they_changed_is_put_back(
    side: IndependentSide, sink: CalDavSink
) -> None:
    receipt = await made(sink, BOOKED)
    name, text = side.server.only()
    alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:soon\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n"
    edited = text.replace("END:VEVENT", f"CATEGORIES:Wichtig,Kunde\r\n{alarm}END:VEVENT")
    edited = edited.replace("SUMMARY:", "SUMMARY:meins ")
    side.server.by_hand("PUT", name, edited)
    for state in (MOVED, CHANGED):
        receipt = await made(sink, state, receipt)
        _, shown = side.server.only()
        assert "TRIGGER:-PT15M" in shown
        assert "CATEGORIES:Wichtig,Kunde" in shown
        assert "meins" not in shown


async def test_an_entry_restored_under_another_name_is_taken_over(
    side: IndependentSide, sink: CalDavSink
) -> None:
    await made(sink, BOOKED)
    name, text = side.server.only()
    side.server.by_hand("DELETE", name)
    side.server.by_hand("PUT", "restored-from-a-copy.ics", text)
    receipt = await made(sink, MOVED)
    assert receipt.detail == "changed"
    name, text = side.server.only()
    assert name == "restored-from-a-copy.ics"
    assert f"X-BOOKINGHUB-POSITION:1:{MOVED.position}" in text
    assert await bring(sink, CANCELLED, receipt) is None
    assert side.server.entries() == {}


async def test_only_entries_of_this_installation_are_listed(side: IndependentSide, sink: CalDavSink) -> None:
    receipt = await made(sink, BOOKED)
    _, text = side.server.only()
    side.server.by_hand("PUT", "theirs.ics", text.replace(receipt.external_id, "a-copy-made-by-hand"))
    other = side.sink(context(installation="rehearsal"))
    await made(other, BOOKED)
    await leave(other)
    assert len(side.server.entries()) == 3
    (listed,) = await sink.survey()
    assert listed == await sink.observe(BOOKED.booking_id, "", receipt)
    assert listed.fields == sink.preview(BOOKED, "")
    assert (listed.key, listed.external_id) == (BOOKED.booking_id, receipt.external_id)


async def test_a_calendar_is_proved_before_it_is_used(side: IndependentSide, sink: CalDavSink) -> None:
    await sink.open()
    elsewhere = side.sink(context(), url=f"{side.url}{side.server.calendar.replace('team', 'none')}")
    with pytest.raises(PermanentError, match="calendar"):
        await elsewhere.open()
    with pytest.raises(PermanentError, match="no calendar"):
        await elsewhere.sync(BOOKED, "", None)
    await leave(elsewhere)


async def test_a_wrong_password_pauses_the_sink(route: SimulatorServer, radicale: Radicale) -> None:
    sink = IndependentSide(route, radicale).sink(context(), password="wrong")
    with pytest.raises(AuthError, match="401"):
        await sink.open()
    with pytest.raises(AuthError, match="401"):
        await sink.sync(BOOKED, "", None)
    await leave(sink)


async def test_every_text_comes_back_as_it_was_written(side: IndependentSide, sink: CalDavSink) -> None:
    texts: dict[str, Any] = {
        "title": "Ärger; mit, allem\\n und 日本語 " + "lang " * 60,
        "notes": 'erste Zeile\nzweite, mit; Zeichen\\n und <a href="x">Link</a>\r\n\r\nEND:VEVENT',
    }
    sink = side.sink(context(), event={"title": "{title}", "description": "{notes}", "location": "{notes}"})
    odd = BOOKED.model_copy(update=texts)
    receipt = await made(sink, odd)
    observed = await sink.observe(odd.booking_id, "", receipt)
    assert observed is not None
    assert observed.fields == sink.preview(odd, "")
    assert "<a" not in observed.fields["description"]
    assert (await made(sink, odd)).detail == "unchanged"
    await leave(sink)
