"""The seam between the hub and an outside system: what an adapter author implements.

A source turns payloads into snapshots. A sink is one of three contracts: a `BookingMirror` or
`ContactMirror` brings one object to its desired state, a `Reactor` acts once per event. Retries,
order, deduplication, pausing and bookkeeping are the hub's; an adapter only says what went wrong
by raising one of `adapters.errors`.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from adapters.http import HttpClient
from adapters.ledger import Ledger
from adapters.ledger_in_memory import MemoryLedger
from adapters.provider import Provider
from adapters.publishing import MemoryPublication, Publication
from events.base import DomainEvent
from events.booking import (
    AttendeeAdded,
    AttendeeRemoved,
    BookingCancelled,
    BookingCreated,
    BookingRescheduled,
)
from events.contact import Contact
from events.envelope import Envelope
from events.refunds import Refund
from events.snapshot import BookingSnapshot
from events.state import Booking


class AdapterConfig(BaseModel):
    """An adapter's own settings, the part under `config:`; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    not_yet: ClassVar[Mapping[str, str]] = {}
    """Keys that are planned but not due: refused as "not yet" with this explanation."""


class SourceConfig(AdapterConfig):
    """Settings of a source."""


class SinkConfig(AdapterConfig):
    """Settings of a sink."""


class Receipt(BaseModel):
    """What a target now holds for one part; stored by the hub and handed back at the next sync.

    `position` is the log position of the state that was written, `detail` what was done
    ("created", "changed", "removed", "unchanged") and `data` whatever else the adapter wants back.
    Without an `external_id` nothing is there and that is right, such as where the adapter may create nothing.
    One that comes back without `etag` and `fingerprint` is an address and no more: somebody may have
    changed what stands there, so it has to be looked at before anything is taken for done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    external_id: str
    etag: str | None = None
    fingerprint: str | None = None
    position: int = 0
    url: str | None = None
    target: str | None = None
    detail: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class Observed(BaseModel):
    """What a target shows at this moment for one part of one key.

    `fields` are comparable with those of `preview`: the members the adapter writes, in the same wording
    and under the same names, whatever order or notation the system gives them back in. `edited_by`
    names whoever changed the object last, where the system tells, `edited_at` when that was. `receipt`
    is what `sync` has to be given to remove exactly this object; absent: its id, etag and address do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    part: str = ""
    external_id: str
    fields: dict[str, Any] = Field(default_factory=dict)
    etag: str | None = None
    url: str | None = None
    edited_by: str | None = None
    edited_at: datetime | None = None
    receipt: Receipt | None = None


def _no_log(message: str, **fields: object) -> None:
    """An adapter outside the hub logs nowhere."""


async def _as_given(booking: Booking) -> Booking:
    """An adapter outside the hub knows no newer state."""
    return booking


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What the hub gives an adapter instance.

    `instance` is the name in the YAML, `epoch` rises when the log had to be recovered, `clock`
    returns an aware UTC time, `timeout` bounds one call to the outside. `http` sorts failures by what
    the hub does about them; whoever made the context closes it. `ledger` is this instance's own, for what
    has no outside system, and `publication` keeps what the hub itself shows for it; the hub's are in its
    store and outlive the process. `newest` reads a booking again before something is done that cannot be
    undone.
    """

    instance: str
    installation_id: str
    clock: Callable[[], datetime]
    epoch: int = 1
    timezone: str = "UTC"
    timeout: timedelta = timedelta(seconds=30)
    log: Callable[..., None] = field(default=_no_log)
    http: HttpClient = field(default_factory=HttpClient)
    ledger: Ledger = field(default_factory=MemoryLedger)
    publication: Publication = field(default_factory=MemoryPublication)
    newest: Callable[[Booking], Awaitable[Booking]] = field(default=_as_given)

    def stamp(self, position: int) -> str:
        """The mark an object at the target carries, `<epoch>:<position>`; another epoch never blocks."""
        return f"{self.epoch}:{position}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source made of one payload.

    `booking`: `snapshot` is set. `ignored`: a known kind nobody needs. `unreadable`: kept in
    quarantine with `reason`. For a booking, `reason` names mistyped fields that count as unknown.
    """

    outcome: Literal["booking", "ignored", "unreadable"]
    kind: str
    snapshot: BookingSnapshot | None = None
    provider_id: str | None = None
    reason: str | None = None


SourceConfigT = TypeVar("SourceConfigT", bound=SourceConfig)
SinkConfigT = TypeVar("SinkConfigT", bound=SinkConfig)


class Source(ABC, Generic[SourceConfigT]):
    """One booking provider: reads its payloads and names what must never be stored."""

    name: ClassVar[str]
    config_class: ClassVar[type[SourceConfig]]
    secret_keys: ClassVar[frozenset[str]]
    """Member names, lower case, whose values are masked wherever they occur."""
    dropped_keys: ClassVar[frozenset[str]] = frozenset()
    """Member names, lower case, that are removed before anything is stored."""
    tells: ClassVar[tuple[type[DomainEvent], ...]] = (
        BookingCreated,
        BookingRescheduled,
        BookingCancelled,
        AttendeeAdded,
        AttendeeRemoved,
    )
    """Facts a webhook tells of; a poll that finds one first has found a lost webhook."""

    def __init__(self, config: SourceConfigT, *, instance: str) -> None:
        self.config = config
        self.instance = instance

    def provider(self, http: HttpClient) -> Provider | None:
        """The provider's API under this source's credentials; None without any: payloads are all there is."""
        return None

    @abstractmethod
    def unwrap(self, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
        """The kind and the content without its envelope; None if it has neither envelope."""

    @abstractmethod
    def read(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        """Turn one masked webhook payload into a reading; never raises on bad input."""


class _Sink(ABC, Generic[SinkConfigT]):
    name: ClassVar[str]
    config_class: ClassVar[type[SinkConfig]]
    title: ClassVar[str] = ""
    """What people call the outside system; absent: its type's name in plain words."""

    def __init__(self, config: SinkConfigT, context: AdapterContext) -> None:
        self.config = config
        self.context = context

    async def open(self) -> None:
        """Prove the credentials; called before the first call and after an auth pause."""

    async def close(self) -> None:
        """Release connections; safe to call twice."""

    async def prepare(self, *, dry_run: bool = False) -> Sequence[str]:
        """Make what the target needs once, such as properties; names what was made, or would be.

        A person asks for it, maybe before `open` can succeed. What is there already stays as it is.
        """
        return ()

    def target(self) -> str | None:
        """Names the outside object store, so that another calendar under the same name is another target.

        None as long as that is not known, such as before `open`: another name is another target.
        """
        return None

    def requests(self) -> int:
        """How many requests this instance has made so far."""
        return self.context.http.sent


class BookingMirror(_Sink[SinkConfigT]):
    """Keeps objects for a booking in step with its newest state."""

    def parts(self, booking: Booking) -> tuple[str, ...]:
        """The objects wanted for this booking, by name; a part held but not named is synced as absent."""
        return ("",)

    @abstractmethod
    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        """Bring one part to the state of `booking`, or to absence if None; None = nothing is held there.

        Called with the newest state, at least once, never concurrently for one booking. Done only
        when the target's answer shows what was wanted.
        """

    def intended(self, booking: Booking, part: str) -> Receipt | None:
        """Where the object of this part will be, if that cannot be found out again later.

        Stored before the first `sync` of a part and handed to it as its receipt, so that a part that is
        not wanted any more after a crash can still be removed. None: the address needs no memory.
        """
        return None

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        """The object that would be written; empty if none would be."""
        return {}

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        """What stands at the target for this part now; None = nothing. Reads only.

        NotImplementedError where the target cannot be read back.
        """
        raise NotImplementedError(f"{self.name} cannot read back what it wrote")

    async def survey(self) -> Sequence[Observed] | None:
        """Every object of this installation at the target, strays of forgotten bookings included.

        None where the target cannot list them; then each part is observed by itself. Objects without
        this installation's mark are somebody else's and never listed. Of several objects for one part
        the one that counts comes last.
        """
        return None

    async def survey_all(
        self, bookings: Sequence[Booking], receipts: Sequence[Receipt]
    ) -> Sequence[Observed] | None:
        """The same over every place these name; for a target of many places, such as a calendar per host.

        The hub calls this one.
        """
        return await self.survey()


class ContactMirror(_Sink[SinkConfigT]):
    """Keeps one object per contact in step with its derived counters."""

    @abstractmethod
    async def sync(self, contact: Contact | None, part: str, receipt: Receipt | None) -> Receipt | None:
        """Bring the contact's object to this state, or to absence if None."""

    def preview(self, contact: Contact, part: str) -> dict[str, Any]:
        """The object that would be written; empty if none would be."""
        return {}

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        """What stands at the target for this contact now; None = nothing. Reads only.

        NotImplementedError where the target cannot be read back.
        """
        raise NotImplementedError(f"{self.name} cannot read back what it wrote")


@dataclass(frozen=True, slots=True)
class SafeFor:
    """Repeating a call is safe while the first one is younger than `window`."""

    window: timedelta


def safe_for(window: timedelta) -> SafeFor:
    """As `repeat` of a reactor whose other side forgets idempotency keys after this time."""
    return SafeFor(window)


Repeat = Literal["safe", "unsafe"] | SafeFor
"""Whether a call whose answer never came may be made again under the same idempotency key."""


class Reactor(_Sink[SinkConfigT]):
    """Acts once per event; what may happen on a repeated call is declared by `repeat`.

    `least_grace` is for what cannot be undone: a cancellation waits at least so long before it is acted
    on, and such a sink always begins with what happens from now on.
    """

    handles: ClassVar[tuple[type[DomainEvent], ...]]
    repeat: ClassVar[Repeat] = "unsafe"
    least_grace: ClassVar[timedelta] = timedelta()

    @abstractmethod
    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        """Act on one event; the key is the same at every redelivery of it."""

    async def react_approved(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        """The same after a person has let through what an ApprovalNeededError asked for."""
        return await self.react(envelope, idempotency_key=idempotency_key)

    def facts(self, receipt: Receipt) -> Sequence[Refund]:
        """What became true of the booking by this act; the hub appends it to the history, each once."""
        return ()


Sink = BookingMirror[Any] | ContactMirror[Any] | Reactor[Any]
