"""The counters of a CRM end right from snapshots in any order: 5 attendances, 3 no-shows, one of them
reverted, and one attendee whose mail address was corrected."""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.api import AdapterContext
from adapters.http import HttpClient
from adapters.hubspot.config import HubSpotConfig
from adapters.hubspot.simulator import Simulator, config, create_app
from adapters.hubspot.sink import HubSpotSink
from events import BookingSnapshot, ContactErased
from events.derive import derive
from hub.delivery import RunningSink
from hub.store.database import Database
from tests.contract.projections.kit import recorded
from tests.factories import NOON, at, attendee, contact_of, snapshot
from tests.integration.delivery.world import World, eventually

CRM = "crm"
TYPO, RIGHT = "ilse@kunde.exmaple", "ilse@kunde.example"


def shown(
    booking: str, version: int, *, mail: str = TYPO, no_show: bool = False, days: int = 0
) -> BookingSnapshot:
    """One look at a booking; a later version is a later look."""
    start = NOON + timedelta(days=days)
    return snapshot(
        provider_id=booking,
        origin="api",
        version=at(version),
        start=start,
        end=start + timedelta(minutes=45),
        rescheduled_at=at(version) if days else None,
        attendees=[attendee("a1", email=mail, name="Ilse", no_show=no_show)],
    )


LOOKS = (
    shown("b1", 1),
    shown("b1", 2, no_show=True),
    shown("b2", 1),
    shown("b2", 2, no_show=True),
    shown("b2", 3, no_show=True, mail=RIGHT),
    shown("b3", 1),
    shown("b3", 2, no_show=True),
    shown("b3", 3, no_show=False),
    shown("b4", 1),
    shown("b5", 1),
    shown("b5", 2, days=3),
)
WANTED = {
    TYPO: {"hub_booking_count": "4", "hub_no_show_count": "1"},
    RIGHT: {"hub_booking_count": "1", "hub_no_show_count": "1"},
}


class Crm:
    """The stand-in without a network, and one sink on it."""

    def __init__(self, context: AdapterContext) -> None:
        self.app: Simulator = create_app()
        self.http = HttpClient(transport=httpx.ASGITransport(self.app))
        given = AdapterContext(CRM, context.installation_id, context.clock, http=self.http)
        self.sink = HubSpotSink(HubSpotConfig.model_validate(config("https://crm.example")), given)

    def counts(self) -> dict[str, dict[str, Any]]:
        return {
            contact["email"]: {name: contact.get(name, "") for name in WANTED[TYPO]}
            for contact in self.app.objects().values()
        }


async def play(db: Database, looks: Sequence[BookingSnapshot]) -> dict[str, dict[str, Any]]:
    world = World(db)
    crm = Crm(world.context(CRM))
    world.register(CRM, "contact")
    engine = world.engine(RunningSink(CRM, crm.sink), alone=True)
    await engine.start()
    for look in looks:
        facts = derive(world.states.get(look.provider_id), look)
        if facts:
            world.states[look.provider_id] = facts[-1].booking
            await world.record(facts)
        await asyncio.sleep(0)
    try:
        await eventually(lambda: _is_done(world))
        assert {row.state for row in await world.rows(CRM)} <= {"delivered", "covered"}
    finally:
        await world.stop_all()
        await crm.http.aclose()
    return crm.counts()


async def _is_done(world: World) -> bool:
    return await world.open_rows(CRM) == 0


@settings(max_examples=15)
@given(looks=st.permutations([*LOOKS, *LOOKS[::3]]))
def test_both_contacts_show_their_own_numbers(migrated_file: Path, looks: list[BookingSnapshot]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hub.db"
        shutil.copy(migrated_file, file)
        with closing(Database.open(f"sqlite:///{file}")) as db:
            assert asyncio.run(play(db, looks)) == WANTED


async def test_the_address_is_corrected_after_the_numbers_were_shown(world: World) -> None:
    crm = Crm(world.context(CRM))
    world.register(CRM, "contact")
    await world.engine(RunningSink(CRM, crm.sink)).start()
    looks = [look for look in LOOKS if look.provider_id == "b2"]
    for number, look in enumerate(looks):
        facts = derive(world.states.get("b2"), look)
        world.states["b2"] = facts[-1].booking
        await world.record(facts)
        await eventually(lambda: _is_done(world))
        if number == 1:
            assert crm.counts() == {TYPO: {"hub_booking_count": "1", "hub_no_show_count": "1"}}
    assert crm.counts() == {
        TYPO: {"hub_booking_count": "0", "hub_no_show_count": "0"},
        RIGHT: {"hub_booking_count": "1", "hub_no_show_count": "1"},
    }
    await crm.http.aclose()


async def test_somebody_forgotten_has_no_numbers_any_more(world: World) -> None:
    crm = Crm(world.context(CRM))
    world.register(CRM, "contact")
    await world.engine(RunningSink(CRM, crm.sink)).start()
    await world.record(derive(None, LOOKS[0]))
    await eventually(lambda: _is_done(world))
    assert crm.counts()[TYPO]["hub_booking_count"] == "1"
    forgotten = ContactErased(contact_id=contact_of("a1", TYPO), occurred_at=NOON)
    await world.append([recorded(forgotten, len(world.log) + 1)])
    await eventually(lambda: _is_done(world))
    assert crm.app.objects() == {f"contacts/{TYPO}": {"email": TYPO}}
    assert await world.receipts(CRM) == []
    await crm.http.aclose()
