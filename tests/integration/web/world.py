"""A hub as the web sees it: a real SQLite store fed by the real projections, a log kept in memory."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from adapters.errors import AdapterError
from events import BookingEvent, Envelope
from events.envelope import Provenance
from hub.clock import ManualClock
from hub.errors import LogUnavailableError
from hub.projections.enqueue import enqueue
from hub.projections.generations import extend, first_generation
from hub.projections.sinks import SinkRegistration, register_sink
from hub.settings import (
    HttpSettings,
    HubSettings,
    LoggingSettings,
    NatsSettings,
    Settings,
    SinkSettings,
    SourceSettings,
    StoreSettings,
)
from hub.store import operations, tokens
from hub.store.database import Database
from hub.store.tokens import Scope as TokenScope
from hub.telemetry import Metrics
from hub.web.app import build_app
from hub.web.services import HubServices, SinkKind
from tests.factories import envelopes, history, snapshot

NOW = datetime(2026, 10, 21, 12, 0, tzinfo=UTC)
TOKEN = "webhook-token-0123456789"
KINDS: Mapping[str, SinkKind] = {"team-calendar": "booking", "crm": "contact", "team-chat": "reactor"}


@dataclass(frozen=True)
class State:
    first: int
    last: int
    events: int
    bytes: int


class Bell:
    """Looks again and again, for events may come from another thread."""

    def __init__(self, log: "MemoryLog") -> None:
        self._log = log
        self._seen = 0

    async def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while len(self._log.events) == self._seen:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        self._seen = len(self._log.events)
        return True

    async def close(self) -> None: ...


class MemoryLog:
    """Positions from 1; `away` makes it answer like a log that is not there."""

    write_problem: str | None = None

    def __init__(self) -> None:
        self.events: list[Envelope] = []
        self.away = False

    async def state(self) -> State:
        self._answer()
        return State(1, len(self.events), len(self.events), 512 * len(self.events))

    async def read(self, after: int, limit: int) -> list[Envelope]:
        self._answer()
        return self.events[after : after + limit]

    async def at(self, position: int) -> Envelope | None:
        self._answer()
        return self.events[position - 1] if 0 < position <= len(self.events) else None

    async def doorbell(self) -> Bell:
        return Bell(self)

    def _answer(self) -> None:
        if self.away:
            raise LogUnavailableError("nats does not answer")


@dataclass(frozen=True)
class Body:
    body: bytes


@dataclass
class MemoryInbox:
    bodies: dict[int, bytes] = field(default_factory=dict)
    unread: int = 0

    async def get(self, sequence: int) -> Body | None:
        return Body(self.bodies[sequence]) if sequence in self.bodies else None

    async def waiting(self) -> int:
        return self.unread


class Door:
    """Stands in for the webhook endpoint: keeps what came and answers what it was told to."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.status = 200
        self.body = b'{"receipt":"r_new","status":"accepted"}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.received.append((scope["path"], body))
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": self.body})


def settings_for(folder: Path) -> Settings:
    """One source and three sinks, in Berlin."""
    return Settings(
        hub=HubSettings(timezone="Europe/Berlin", data_dir=folder, public_url="https://hub.studio.example"),
        http=HttpSettings(),
        nats=NatsSettings(),
        store=StoreSettings(),
        logging=LoggingSettings(),
        sources={
            "meetergo": SourceSettings.model_validate(
                {
                    "name": "meetergo",
                    "type": "meetergo",
                    "webhook": {"token": TOKEN},
                    "verify": "trust",
                    "config": {},
                }
            )
        },
        sinks={
            name: SinkSettings.model_validate(
                {"name": name, "type": "any", "start": "beginning", "config": {}}
            )
            for name in KINDS
        },
    )


def keys(text: str) -> set[str]:
    """The member names of an object of the contract."""
    return set(text.split())


on_both_databases = pytest.mark.parametrize("world", ["sqlite", "postgresql"], indirect=True)


class World:
    """A store, a log, and the application over them; `client` speaks to it with a token."""

    def __init__(self, folder: Path, store_url: str) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.database = Database.open(store_url)
        self.log, self.inbox, self.door = MemoryLog(), MemoryInbox(), Door()
        self.settings = settings_for(folder)
        self.reprocessed: list[str] = []
        self.prepared: set[str] = set()
        self.refusal: AdapterError | None = None
        self.stopped = False
        self.woken = 0
        self.registrations = self._register()
        self.services = HubServices(
            settings=self.settings,
            sink_kinds=KINDS,
            database=self.database,
            log=self.log,
            inbox=self.inbox,
            clock=self.clock,
            version="0.1.0",
            started_at=NOW - timedelta(hours=1),
            url="http://127.0.0.1:8080",
            durable=True,
            webhook_app=self.door,
            reprocess=self._reprocess,
            rebuild=self._rebuild,
            prepare=self._prepare,
            stop=self._stop,
            wake_deliveries=self._wake,
            masked_config=lambda: {"hub": {"timezone": "Europe/Berlin"}},
            metrics=Metrics(version="0.1.0", sources=["meetergo"], sinks=list(KINDS)),
        )
        self.app = build_app(self.services)
        self._clients: list[httpx.AsyncClient] = []

    async def __aenter__(self) -> "World":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            await client.aclose()
        self.database.close()

    def using(self, **changes: Any) -> "World":
        """The same world behind services changed like this."""
        self.services = replace(self.services, **changes)
        self.app = build_app(self.services)
        return self

    def token(self, scope: TokenScope = "admin") -> str:
        secret = tokens.new_secret()
        self.database.write_now(
            lambda session: tokens.create(session, name=f"{scope}-test", scope=scope, secret=secret, now=NOW)
        )
        return secret

    def client(
        self, scope: TokenScope | None = "admin", *, host: str = "127.0.0.1", **headers: str
    ) -> httpx.AsyncClient:
        """A client with a token of this scope, or with none."""
        if scope is not None:
            headers["authorization"] = f"Bearer {self.token(scope)}"
        transport = httpx.ASGITransport(app=self.app, client=(host, 5000))
        made = httpx.AsyncClient(transport=transport, base_url="http://hub.test", headers=headers)
        self._clients.append(made)
        return made

    def happened(
        self,
        facts: Sequence[BookingEvent],
        *,
        recorded_at: datetime | None = None,
        provenance: Provenance = "webhook",
        causation_id: str = "r_00000001",
    ) -> list[Envelope]:
        """Append facts to the log and read them into the store, delivery rows included."""
        new = envelopes(
            facts,
            first_position=len(self.log.events) + 1,
            recorded_at=recorded_at,
            provenance=provenance,
            causation_id=causation_id,
        )
        self.log.events.extend(new)
        self.read(new)
        return new

    def read(self, new: Sequence[Envelope]) -> None:
        def work(session: Any) -> None:
            before = first_generation(session, log_created="c", now=NOW)
            extend(session, before, new, log_created="c", now=NOW)
            enqueue(session, new, self.registrations, generation=before.generation, now=NOW)

        self.database.write_now(work)

    def change(self, work: Callable[[Any], Any]) -> Any:
        return self.database.write_now(work)

    def booking(self, **overrides: Any) -> list[Envelope]:
        """A new booking as one webhook shows it."""
        return self.happened(history(snapshot(**overrides)), recorded_at=overrides.get("version"))

    def _register(self) -> list[SinkRegistration]:
        for name, kind in KINDS.items():
            self.change(
                lambda session, name=name, kind=kind: register_sink(
                    session, name, type="any", kind=kind, start="beginning", log_position=0, now=NOW
                )
            )
        return [SinkRegistration(name, kind) for name, kind in KINDS.items()]

    async def _reprocess(self, receipt_id: str) -> None:
        self.reprocessed.append(receipt_id)

    async def _rebuild(self, *, verify: bool) -> str:
        row = await self.database.write(
            lambda session: operations.start(
                session, kind="rebuild", total=10, now=NOW, detail={"verify": verify}
            )
        )
        return row.operation_id

    async def _prepare(self, name: str, *, dry_run: bool) -> Sequence[str]:
        if self.refusal is not None:
            raise self.refusal
        made = () if name in self.prepared else (f"{name}.hub_contact (string)",)
        self.prepared.update([] if dry_run else [name])
        return made

    def _stop(self) -> None:
        self.stopped = True

    def _wake(self) -> None:
        self.woken += 1
