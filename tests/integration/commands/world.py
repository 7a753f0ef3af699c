"""A hub that gives commands: the stand-in of a provider over HTTP, a real log and store, the API in front."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from structlog.testing import capture_logs

from adapters.http import HttpClient
from adapters.meetergo.config import ApiSettings
from adapters.meetergo.provider import MeetergoProvider
from adapters.provider import Provider
from adapters.stripe_refund.sink import StripeRefundSink
from events import Booking, Envelope
from hub.commands.desk import Desk
from hub.ingest.appending import Appender
from hub.ingest.lookup import Lookup
from hub.ingest.replacing import linked_by
from hub.log import EventLog, InboxLog, LogConnection, Privacy
from hub.projections.reader import Reader
from hub.store import operations, tokens
from hub.store.database import Database
from hub.store.tables import OperationRow
from hub.telemetry import Metrics
from hub.web.app import build_app
from hub.web.services import HubServices
from tests.contract.meetergo.stand_in import DENIZ, MARA, MONDAY, Listener, StandIn
from tests.contract.stripe_refund.desk import Desk as Account
from tests.integration.ingest.column import Column, until
from tests.integration.web.world import MemoryInbox, settings_for

SOURCE = "meetergo"
SOON = tuple(timedelta(milliseconds=ms) for ms in (20, 50, 100, 200))


class Server(uvicorn.Server):
    """Leaves the signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class World:
    """All parts of one test. `restart` puts a new desk in the place of one whose process died."""

    def __init__(
        self,
        folder: Path,
        meetergo: StandIn,
        listener: Listener,
        *,
        column: Column,
        privacy: Privacy,
    ) -> None:
        self.meetergo, self.listener, self.column, self.privacy = meetergo, listener, column, privacy
        self.log, self.database = column.log, column.database
        self.clock = column.clock
        self.clock.advance(MONDAY - self.clock.now())
        meetergo.switch(requests_per_minute=10_000)
        self.http = HttpClient(timeout=timedelta(seconds=30), clock=self.clock.now)
        self.provider: Provider = MeetergoProvider(self.http, self._settings(), source=SOURCE)
        self.appender = Appender(self.log, privacy, metrics=column.metrics, linked=linked_by(self.database))
        self.lookup = Lookup(
            {SOURCE: self.provider},
            log=self.log,
            appender=self.appender,
            clock=self.clock,
            metrics=column.metrics,
        )
        self.reader = Reader(self.log, self.database, clock=self.clock)
        self._reading: asyncio.Task[None] | None = None
        self._folder = folder
        self.restart()

    def _settings(self) -> ApiSettings:
        """A key of its own: the budget of a key is shared by all that is called with it in one process."""
        key = f"ak_live:{uuid.uuid4()}:of-one-test"
        self.meetergo.ask("POST", "/_keys", token=key)
        return ApiSettings.model_validate({"base_url": self.meetergo.url, "key": key})

    def restart(self) -> None:
        self.desk = Desk(
            {SOURCE: self.provider},
            self.lookup.look,
            self.appender.record,
            database=self.database,
            clock=self.clock,
            looks=SOON,
        )
        self.services = HubServices(
            settings=settings_for(self._folder),
            sink_kinds={},
            database=self.database,
            log=self.log,
            inbox=MemoryInbox(),
            clock=self.clock,
            version="0.1.0",
            started_at=self.clock.now(),
            providers={SOURCE: self.provider},
            lookup=self.lookup,
            commands=self.desk,
            metrics=Metrics(version="0.1.0", sources=[SOURCE]),
        )
        secret = tokens.new_secret()
        self.database.write_now(
            lambda session: tokens.create(
                session, name=f"test-{secret[-6:]}", scope="admin", secret=secret, now=MONDAY
            )
        )
        self.token = secret
        self._open()

    def serve_with(self, **services: Any) -> None:
        """The same hub with other services."""
        self.services = replace(self.services, **services)
        self._open()

    def _open(self) -> None:
        self.app = build_app(self.services)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, client=("127.0.0.1", 5000)),
            base_url="http://hub.test/api/v1",
            headers={"authorization": f"Bearer {self.token}"},
        )

    async def start(self) -> None:
        await self.column.start()
        self._reading = asyncio.create_task(self.reader.run())

    async def stop(self) -> None:
        await self.desk.stop()
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        await self.column.stop()
        await self.client.aclose()
        await self.http.aclose()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The API on a port, for commands in other threads; gives its address."""
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, lifespan="off", ws="none", loop="none"
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            with capture_logs():
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
            listening.close()

    async def known(self, appointment_id: str) -> str:
        """Have the hub know a booking of the provider's."""
        looked = await self.lookup.look(SOURCE, appointment_id, hosts=(MARA, DENIZ))
        assert looked.state is not None
        await self.caught_up()
        self.meetergo.forget_calls()
        return appointment_id

    async def caught_up(self) -> None:
        """Return once the projections show the whole log."""
        last = (await self.log.state()).last
        await until(lambda: self._reads(last))

    async def _reads(self, position: int) -> bool:
        return self.reader.position >= position

    async def post(self, ref: str, verb: str, **body: Any) -> httpx.Response:
        """Give a command; the body is ASCII, as a program may write half a character."""
        await self.caught_up()
        headers = {"content-type": "application/json"}
        return await self.client.post(f"/bookings/{ref}/{verb}", content=json.dumps(body), headers=headers)

    async def done(self, ref: str, verb: str, **body: Any) -> dict[str, Any]:
        answer = await self.post(ref, verb, **body)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def refused(self, ref: str, verb: str, **body: Any) -> tuple[int, str]:
        answer = await self.post(ref, verb, **body)
        return answer.status_code, answer.json()["code"]

    async def booking(self, ref: str) -> dict[str, Any]:
        await self.caught_up()
        answer = await self.client.get(f"/bookings/{ref}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def facts(self, *, after: int = 0) -> list[str]:
        return [envelope.type for envelope in await self.events()][after:]

    async def events(self) -> list[Envelope]:
        return await self.column.events()

    async def state(self, provider_id: str) -> Booking | None:
        return (await self.appender.head(SOURCE, provider_id)).state

    async def operation(self, operation_id: str) -> OperationRow:
        """The operation once it has ended."""
        await until(lambda: self._has_ended(operation_id))
        row = await self.database.read(lambda session: operations.get(session, operation_id))
        assert row is not None
        return row

    async def _has_ended(self, operation_id: str) -> bool:
        row = await self.database.read(lambda session: operations.get(session, operation_id))
        return row is not None and row.state != "running"

    async def webhooks(self) -> list[dict[str, Any]]:
        """What the provider has sent since the last question, one delivery each."""
        await asyncio.to_thread(self.meetergo.deliver, everything=True)
        return self.listener.bodies()

    async def receive(self, bodies: list[dict[str, Any]]) -> None:
        """The door takes these webhooks, and they are worked."""
        for body in bodies:
            assert (await self.column.send(body)).status == 200
        await self.column.settled()


def world_of(
    folder: Path,
    meetergo: StandIn,
    listener: Listener,
    listener_url: str,
    *,
    log: tuple[LogConnection, InboxLog, EventLog, Privacy],
    database: Database,
) -> World:
    """A world whose provider posts to the listener."""
    connection, inbox, event_log, privacy = log
    column = Column.build(connection, inbox, event_log, privacy, database)
    meetergo.subscribe(listener_url)
    return World(folder, meetergo, listener, column=column, privacy=privacy)


def refunding(world: World, account: Account, **members: Any) -> None:
    """Every sink of the hub gives back from this account."""

    async def adapter(_: object) -> StripeRefundSink:
        return account.sink(**members)

    world.serve_with(adapter=adapter)
