"""The deliveries of a hub follow its settings, whatever another hub on the same store does in between."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.caldav import simulator as caldav
from adapters.hubspot import simulator as hubspot
from adapters.simulation import Simulation
from adapters.testing_simulators import SimulatedSide, SimulatorServer
from events.state import Host
from hub.delivering import Deliveries
from hub.errors import StoreError
from hub.projections.registered import registered
from hub.settings import Settings, load_settings
from hub.store import installation
from hub.telemetry import Metrics
from tests.integration.delivery.world import TODAY, World, eventually, later


class Log:
    """The log as far as deliveries need it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.at = world.envelope_at

    async def state(self) -> Any:
        return SimpleNamespace(last=len(self._world.log))


CONSOLE = "type: console_log, max_age: 36500d"
FEED = "type: ics_feed, config: {token: a-token-nobody-guesses}"


def settings(folder: Path, *, like: str = CONSOLE, **sinks: str) -> Settings:
    lines = [f"  {name}: {{{like}{more}}}" for name, more in sinks.items()]
    file = folder / "hub.yaml"
    file.write_text("sinks:\n" + "\n".join(lines) + "\n")
    return load_settings([file], {})


@pytest.fixture
def base(world: World) -> Any:
    world.db.write_now(lambda session: installation.get_or_create(session, now=world.clock.now()))
    return SimpleNamespace(database=world.db, log=Log(world), clock=world.clock)


async def hub(world: World, base: Any, first: Settings) -> Deliveries:
    made = Deliveries(base, first, Metrics(version="0"), owner="one")
    await made.apply(first)
    await made.start()
    await known(world)
    return made


async def known(world: World) -> None:
    world.registrations = list(await world.db.read(registered))


async def test_a_hub_goes_on_after_another_one_went_there_and_back(
    world: World, base: Any, tmp_path: Path
) -> None:
    plain = settings(tmp_path, console="")
    other = settings(tmp_path, console=", match: {host: nobody}")
    one, two = await hub(world, base, plain), Deliveries(base, plain, Metrics(version="0"), owner="two")
    try:
        assert [effect.text for effect in await two.apply(other)] == [
            "console: match changed: it acts on what happens from now on"
        ]
        await known(world)
        await world.see("b1")
        assert await world.states_of("console") == ["skipped"]
        await two.apply(plain)
        await known(world)
        await world.see("b2")
        one.wake()
        assert await one.apply(plain) == ()
        one.wake()
        await eventually(lambda: _delivered(world, "b2"))
    finally:
        await one.stop()


async def test_sinks_come_change_their_name_and_go(world: World, base: Any, tmp_path: Path) -> None:
    made = await hub(world, base, settings(tmp_path, console=""))
    try:
        renamed = settings(tmp_path, printer=", renamed_from: console", second="")
        foreseen = await made.foresee(renamed)
        assert await made.apply(renamed) == foreseen
        await known(world)
        await world.see("b1")
        made.wake()
        await eventually(lambda: _delivered(world, "b1", count=2))
        assert {row.sink for row in await world.rows("console")} == set()
        await made.apply(settings(tmp_path, second=""))
        await known(world)
        await world.see("b2")
        made.wake()
        await eventually(lambda: _delivered(world, "b2"))
        assert await world.states_of("printer", "b2") == []
    finally:
        await made.stop()


async def test_a_renamed_feed_is_the_same_feed(world: World, base: Any, tmp_path: Path) -> None:
    made = await hub(world, base, settings(tmp_path, like=FEED, phones=""))
    try:
        await world.see("b1", start=TODAY, end=TODAY + timedelta(hours=1))
        made.wake()
        await world.settled("phones")
        effects = await made.apply(settings(tmp_path, like=FEED, mobiles=", renamed_from: phones"))
        assert [effect.text for effect in effects] == [
            "mobiles: renamed from phones: nothing changes at the target"
        ]
        await known(world)
        # What comes after the end is shown of bookings only that the feed is known to hold.
        world.advance(timedelta(hours=2))
        await world.see("b1", start=TODAY, end=TODAY + timedelta(hours=1), title="Retitled")
        made.wake()
        await world.become("mobiles", "delivered", "delivered")
    finally:
        await made.stop()


@pytest.fixture
def served() -> Iterator[Callable[[Simulation], SimulatorServer]]:
    servers: list[SimulatorServer] = []

    def serve(app: Simulation) -> SimulatorServer:
        servers.append(SimulatorServer(app))
        servers[-1].start()
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


async def test_another_match_of_a_target_that_names_itself_once_it_is_open(
    world: World, base: Any, tmp_path: Path, served: Callable[[Simulation], SimulatorServer]
) -> None:
    """HubSpot says whose token it is only when asked; until then the receipts hold."""
    account = served(hubspot.create_app())
    crm = f"type: hubspot, config: {json.dumps(hubspot.config(account.url))}"
    made = await hub(world, base, settings(tmp_path, like=crm, crm=""))
    shown = SimulatedSide(account, account.app).objects
    try:
        await world.see("b1", start=TODAY + timedelta(hours=1), end=TODAY + timedelta(hours=2))
        made.wake()
        await world.become("crm", "delivered")
        ((address, marked),) = shown().items()
        effects = await made.apply(settings(tmp_path, like=crm, crm=", match: {host: nobody}"))
        assert [effect.text for effect in effects] == ["crm: match changed: 1 contact leaves"]
        await world.settled("crm")
        assert shown() == {address: {"email": marked["email"]}}
        effects = await made.apply(settings(tmp_path, like=crm, crm=""))
        assert [effect.text for effect in effects] == ["crm: match changed: 1 contact enters"]
        await world.settled("crm")
        assert shown() == {address: marked}
    finally:
        await made.stop()


async def test_hosts_get_calendars_and_other_calendars(
    world: World, base: Any, tmp_path: Path, served: Callable[[Simulation], SimulatorServer]
) -> None:
    server = served(caldav.create_app(["a", "b", "c"]))

    def calendars(**names: str) -> Settings:
        addresses = {f"{host}@x.example": f"{server.url}/dav/{name}/" for host, name in names.items()}
        account = {"username": caldav.USERNAME, "password": caldav.PASSWORD}
        config = {**account, "per": "host", "calendars": addresses}
        return settings(tmp_path, like=f"type: caldav, config: {json.dumps(config)}", entries="")

    def shown() -> list[str]:
        objects = SimulatedSide(server, server.app).objects()
        return sorted(name.partition("/")[0] for name in objects)

    made = await hub(world, base, calendars(ann="a"))
    ann, bob = (Host(id=name, email=f"{name}@x.example") for name in ("ann", "bob"))
    try:
        await world.see("b1", hosts=(ann, bob), **later(5))
        await world.see("b2", hosts=(bob,), **later(6))
        made.wake()
        await world.settled("entries")
        assert shown() == ["a"]
        (effect,) = await made.apply(calendars(ann="a", bob="b"))
        assert (effect.enter, effect.rewrite) == (1, 1)
        await world.settled("entries")
        assert shown() == ["a", "b", "b"]
        (effect,) = await made.apply(calendars(ann="c", bob="b"))
        assert (effect.enter, effect.rewrite) == (0, 1)
        await world.settled("entries")
        assert shown() == ["a", "b", "b", "c"], "a calendar that is not configured any more is not called"
    finally:
        await made.stop()


async def test_what_cannot_be_written_leaves_the_former_settings_at_work(
    world: World, base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await hub(world, base, settings(tmp_path, console=""))
    try:

        async def fail(work: Any) -> Any:
            raise StoreError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(world.db, "write", fail)
            with pytest.raises(StoreError):
                await made.apply(settings(tmp_path, printer=", renamed_from: console"))
        await world.see("b1")
        made.wake()
        await eventually(lambda: _delivered(world, "b1"))
        assert [row.sink for row in await world.rows("console")] == ["console"]
    finally:
        await made.stop()


async def _delivered(world: World, key: str, *, count: int = 1) -> bool:
    found = []
    for name in ("console", "printer", "second"):
        found += await world.states_of(name, key)
    return found == ["delivered"] * count
