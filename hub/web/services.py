"""What the web needs of the hub; bootstrap fills it in, tests fill in less."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from starlette.types import ASGIApp

from adapters.api import Sink
from adapters.provider import Provider
from adapters.publishing import Feed
from events.envelope import Envelope
from hub.clock import Clock
from hub.commands.desk import Desk
from hub.delivery.applying import Wanted
from hub.delivery.comparison import Comparison
from hub.errors import HubError
from hub.ingest.lookup import Lookup
from hub.polling.registration import Registration
from hub.polling.runs import Runs
from hub.projections.effects import Effect
from hub.settings.changes import Change
from hub.settings.models import Settings, SinkSettings
from hub.store.database import Database
from hub.telemetry import Metrics

SinkKind = Literal["booking", "contact", "reactor"]


class LogFacts(Protocol):
    """The size of the event log."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def bytes(self) -> int: ...


class Bell(Protocol):
    """Tells one reader that there may be news; a ring between two waits is kept."""

    async def wait(self, timeout: float) -> bool: ...
    async def close(self) -> None: ...


class LogReader(Protocol):
    """The event log, opened for reading; raises LogError if it does not answer."""

    @property
    def write_problem(self) -> str | None: ...
    async def state(self) -> LogFacts: ...
    async def read(self, after: int, limit: int) -> Sequence[Envelope]: ...
    async def at(self, position: int) -> Envelope | None: ...
    async def doorbell(self) -> Bell: ...


class InboxBody(Protocol):
    """A receipt as it was stored, masked."""

    @property
    def body(self) -> bytes: ...


class InboxReader(Protocol):
    """The inbox stream, opened for reading; raises LogError if it does not answer."""

    async def get(self, sequence: int) -> InboxBody | None: ...
    async def waiting(self) -> int:
        """Receipts that were answered and have no SQL row yet."""
        ...


class Reprocess(Protocol):
    """Reads a receipt in quarantine again; what it leads to happens afterwards."""

    async def __call__(self, receipt_id: str) -> None: ...


class Compare(Protocol):
    """Compares a sink with its target now, for some keys or for all; raises what keeps it from that."""

    async def __call__(self, sink: str, *, keys: frozenset[str] | None = None) -> Comparison: ...


class Apply(Protocol):
    """Begins to repair what a comparison found and returns its operation id."""

    async def __call__(self, wanted: Wanted) -> str: ...


class Rebuild(Protocol):
    """Begins a rebuild and returns its operation id; `verify` compares and does not switch."""

    async def __call__(self, *, verify: bool) -> str: ...


class PlaygroundControl(Protocol):
    """The simulated systems, by adapter type; raises HubError if one does not answer or refuses."""

    types: tuple[str, ...]

    async def play(self, type_name: str, act: Mapping[str, Any]) -> dict[str, Any]: ...
    async def break_down(self, type_name: str, fault: Mapping[str, Any]) -> None: ...
    async def misplace(self, type_name: str, mishap: str, *, share: float) -> None: ...
    async def heal(self, type_name: str) -> None: ...
    async def reset(self) -> None: ...


class Prepare(Protocol):
    """Makes what the target of a sink needs once, and names it; raises the adapter's error."""

    async def __call__(self, name: str, *, dry_run: bool) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What lies between the configuration in effect and its files; `preview` names the files' content."""

    changes: Sequence[Change]
    effects: Sequence[Effect]
    preview: str
    applied: bool


class Reload(Protocol):
    """Compares with the files and, unless this is a dry run, takes them over.

    With `preview` only what was shown under this name is taken over, else PreviewOutdatedError. Raises
    ConfigError if the files cannot be used; the configuration in effect then stays.
    """

    async def __call__(self, *, dry_run: bool, preview: str | None = None) -> Reloaded: ...


@dataclass(frozen=True, slots=True)
class ReloadProblem:
    """Why the last attempt to take the files over came to nothing."""

    at: datetime
    message: str


class PreviewOutdatedError(HubError):
    """What was shown is not what would be done by now."""


def _nothing() -> None:
    """Nobody has to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubServices:
    """One hub as the web sees it.

    `sink_kinds` says of each sink that is switched on what it follows, `feeds` how those that publish are
    shown. `webhook_app` is the door itself (None where no role serves it). `offline`: no hub runs, only
    reading and rebuilding are allowed. `providers` are the APIs of the sources that have one, `lookup` reads
    bookings from them, `commands` tells them, `source_runs` polls them and `registration` enters our address
    there. `wake_sources` is called after a source was resumed, `wake_deliveries` after a sink was or rows
    became due. `log_differences` and `reader_problem` are asked at each status, and `position_verified`:
    whether the reader has proven that the log is the one it has read. `adapter` makes a sink's adapter, not
    opened, to ask what it would write; whoever asked closes it. `reload` is None where no hub runs,
    `playground` where nothing is simulated. `stopping` is set when the hub shuts down and ends the streams;
    `stop` begins the shutdown.
    """

    settings: Settings
    sink_kinds: Mapping[str, SinkKind]
    database: Database
    log: LogReader
    inbox: InboxReader
    clock: Clock
    version: str
    started_at: datetime
    url: str | None = None
    durable: bool | None = None
    webhook_app: ASGIApp | None = None
    offline: bool = False
    providers: Mapping[str, Provider] = field(default_factory=dict)
    lookup: Lookup | None = None
    commands: Desk | None = None
    source_runs: Runs | None = None
    registration: Registration | None = None
    reprocess: Reprocess | None = None
    rebuild: Rebuild | None = None
    prepare: Prepare | None = None
    compare: Compare | None = None
    apply: Apply | None = None
    stop: Callable[[], None] | None = None
    wake_deliveries: Callable[[], None] = _nothing
    wake_sources: Callable[[], None] = _nothing
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    masked_config: Callable[[], Mapping[str, Any]] = dict
    log_differences: Callable[[], Sequence[str]] = tuple
    reader_problem: Callable[[], str | None] = lambda: None
    position_verified: Callable[[], bool] = lambda: True
    metrics: Metrics | None = None
    adapter: Callable[[SinkSettings], Awaitable[Sink]] | None = None
    reload: Reload | None = None
    reload_problem: Callable[[], ReloadProblem | None] = lambda: None
    playground: PlaygroundControl | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
