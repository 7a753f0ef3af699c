"""Everything the stand-in for meetergo remembers, as values that can be written to a file and read again.

Appointments are immutable and replaced at every change, so that an older state of one can still be shown
by a replica that lags.
"""

import uuid
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from events.state import Frozen

Confirmation = Literal["none", "doubleOptIn", "requireHostConfirmation"]
Act = Literal["note", "guest", "no_show"]

_IDS = uuid.UUID("6d3f0b1e-52f4-4f0e-9d38-5a8e7c1b9a20")


class Host(Frozen):
    """A member of the company."""

    id: str
    email: str
    given_name: str
    family_name: str
    slug: str
    picture: str | None = None
    role: Literal["member", "admin"] = "member"


class Kind(Frozen):
    """A meeting type. `spots` is how many attendees one appointment takes; more than one makes a group."""

    id: str
    slug: str
    name: str
    minutes: int
    host_ids: tuple[str, ...]
    channel: str = "connect"
    location: str | None = None
    spots: int = 1
    queue_id: str | None = None
    confirmation: Confirmation = "none"
    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        return self.spots > 1


class Attendee(Frozen):
    """A guest, and whom they bring along."""

    id: str
    email: str | None = None
    firstname: str = ""
    lastname: str = ""
    fullname: str = ""
    phone: str | None = None
    timezone: str = "Europe/Berlin"
    language: str = "de"
    no_show: bool = False
    no_show_at: datetime | None = None
    guests: tuple[str, ...] = ()


class Cancellation(Frozen):
    """Who cancelled an appointment, and why."""

    source: Literal["attendee", "host"]
    by: str | None
    at: datetime
    reason: str | None = None


class Appointment(Frozen):
    """One meeting. `series` is shared by the occurrences of one; no page shows how meetergo names it.

    `shows_marks` and `shows_guests`: somebody was marked, or brought somebody along, so these are shown.
    """

    id: str
    secret: str
    kind_id: str
    start: datetime
    end: datetime
    host_ids: tuple[str, ...]
    attendees: tuple[Attendee, ...]
    created_at: datetime
    updated_at: datetime
    channel: str = "connect"
    link: str | None = None
    location: str | None = None
    cancel: Cancellation | None = None
    rescheduled_at: datetime | None = None
    reschedule_count: int = 0
    note: str | None = None
    payment: dict[str, Any] | None = None
    series: str | None = None
    replaces: str | None = None
    shows_marks: bool = False
    shows_guests: bool = False

    @property
    def is_active(self) -> bool:
        return self.cancel is None

    def attendee(self, attendee_id: str) -> Attendee | None:
        return next((attendee for attendee in self.attendees if attendee.id == attendee_id), None)


class Provisional(Frozen):
    """A booking that waits for somebody's word; there is no appointment yet."""

    id: str
    dto: dict[str, Any]
    type: Confirmation
    created_at: datetime
    deleted_at: datetime | None = None
    host_ids: tuple[str, ...]
    kind_id: str


class Key(Frozen):
    """A credential. A platform key acts for whom a request names, a personal token for its owner."""

    token: str
    owner: str | None = None
    expires_at: datetime | None = None

    @property
    def is_platform(self) -> bool:
        return self.token.startswith("ak_live:")


class Subscription(Frozen):
    """A registered webhook; some ids are numbers, as a vendor client has met them."""

    id: str | int
    endpoint: str
    description: str = ""
    event_types: tuple[str, ...]
    created_at: datetime


class Letter(Frozen):
    """A webhook on its way: `due` is when it is sent, and `after_next` whether another goes before it."""

    number: int
    kind: str
    appointment_id: str
    endpoint: str
    body: dict[str, Any]
    due: datetime
    copy_of: int | None = None
    after_next: bool = False


class Switches(BaseModel):
    """What is wrong with this meetergo, and which of several guesses it follows."""

    model_config = ConfigDict(extra="forbid")

    lost: float = Field(0, ge=0, le=1)
    doubled: float = Field(0, ge=0, le=1)
    late: float = Field(0, ge=0, le=1)
    reordered: float = Field(0, ge=0, le=1)
    late_seconds: float = Field(120, ge=0)
    hold: bool = False
    """Webhooks wait until they are asked for."""
    lag_seconds: float = Field(0, ge=0, le=3600)
    requests_per_minute: int = Field(100, ge=1)
    names_retry_after: bool = False
    retention_days: float | None = None
    quiet: frozenset[Act] = frozenset({"no_show"})
    """Acts that leave `updatedAt` as it was."""
    no_show_member: Literal["noShow", "isNoShow", "no_show", "noShowAt", "status"] | None = "noShow"
    echo_link: bool = False
    series_webhooks: Literal["each", "one"] = "each"


class State(BaseModel):
    """One company at meetergo."""

    model_config = ConfigDict(extra="forbid")

    company_id: str
    company_slug: str
    timezone: str = "Europe/Berlin"
    seed: int = 1
    numbered: int = 0
    clock_offset_seconds: float = 0
    hosts: dict[str, Host] = Field(default_factory=dict)
    kinds: dict[str, Kind] = Field(default_factory=dict)
    keys: dict[str, Key] = Field(default_factory=dict)
    appointments: dict[str, Appointment] = Field(default_factory=dict)
    provisional: dict[str, Provisional] = Field(default_factory=dict)
    subscriptions: list[Subscription] = Field(default_factory=list)
    letters: list[Letter] = Field(default_factory=list)
    switches: Switches = Field(default_factory=Switches)
    open_to: str | None = None
    """Whom every key acts for that nobody has issued; None: such a key is refused."""
    acts: int = 0
    """How often something has happened by itself."""
    minded: dict[str, str] = Field(default_factory=dict)
    """The appointments that something more is going to happen to, by what that is."""

    def number(self) -> int:
        """The next number; ids and fates follow from it, so that one seed makes one history."""
        self.numbered += 1
        return self.numbered

    def new_id(self, what: str) -> str:
        return str(uuid.uuid5(_IDS, f"{self.seed}:{what}:{self.number()}"))

    def kind_named(self, name: object) -> Kind | None:
        """The meeting type with this id or slug."""
        found = (kind for kind in self.kinds.values() if name in (kind.id, kind.slug))
        return next(found, None)
