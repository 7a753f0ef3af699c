"""The tables. They hold rows and nothing else: never events, never input, for they do not validate.

The tables of a projection carry `generation` as first key: a rebuild fills a new generation beside
the live one (docs/adr/0004). Changing a table means writing a migration; a test compares both.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, MetaData, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from hub.store.columns import JsonDocument, UtcDateTime, Whole

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

_registry = registry(metadata=MetaData(naming_convention=NAMING))


class Row(SQLModel, registry=_registry):
    """Base of all tables; keeps them apart from other SQLModel users of the process."""

    metadata: ClassVar[MetaData] = _registry.metadata


class InstallationRow(Row, table=True):
    """The one row that says which log this store belongs to and how far it was known to reach."""

    __tablename__ = "installation"

    id: int = Field(default=1, primary_key=True)
    installation_id: str
    log_created: str | None = None
    epoch: int = 1
    diverged_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_known_position: int = Field(default=0, sa_type=Whole)
    created_at: datetime = Field(sa_type=UtcDateTime)


class CheckpointRow(Row, table=True):
    """How far one generation of the projections has read; the live one serves readers."""

    __tablename__ = "checkpoints"
    __table_args__ = (
        Index(
            "uq_checkpoints_live",
            "live",
            unique=True,
            sqlite_where=text("live"),
            postgresql_where=text("live"),
        ),
    )

    generation: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    live: bool = False
    position: int = Field(default=0, sa_type=Whole)
    event_id: str | None = None
    log_created: str | None = None
    versions: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class BookingRow(Row, table=True):
    """A booking as it is now; `state` is the whole fold, the other columns are there to be searched."""

    __tablename__ = "bookings"
    __table_args__ = (
        Index(None, "generation", "start"),
        Index(None, "generation", "position"),
        Index(None, "generation", "status"),
    )

    generation: int = Field(primary_key=True)
    booking_id: str = Field(primary_key=True)
    source: str
    provider_id: str
    status: str
    title: str | None = None
    start: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end: datetime | None = Field(default=None, sa_type=UtcDateTime)
    meeting_type_id: str | None = None
    meeting_type_slug: str | None = None
    meeting_type_name: str | None = None
    host_ids: list[Any] = Field(default_factory=list, sa_type=JsonDocument)
    search: str = ""
    no_show: str = "none"
    state: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    position: int = Field(sa_type=Whole)
    recorded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cancelled_position: int | None = Field(default=None, sa_type=Whole)


class AttendeeRow(Row, table=True):
    """Somebody who attends, or attended, one booking, with what that booking counts for the contact."""

    __tablename__ = "attendees"
    __table_args__ = (Index(None, "generation", "contact_id"),)

    generation: int = Field(primary_key=True)
    booking_id: str = Field(primary_key=True)
    attendee_id: str = Field(primary_key=True)
    source: str
    contact_id: str
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    no_show: bool = False
    no_show_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    removed: bool = False
    removed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    joined_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reschedules: int = 0
    cancellations: int = 0
    no_shows: int = 0
    last_no_show_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_cancellation_reason: str | None = None
    last_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    former_contact_ids: list[Any] = Field(default_factory=list, sa_type=JsonDocument)


class ContactRow(Row, table=True):
    """A person over all bookings; every number is derived from the bookings, none is incremented."""

    __tablename__ = "contacts"

    generation: int = Field(primary_key=True)
    contact_id: str = Field(primary_key=True)
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    booking_count: int = 0
    cancellation_count: int = 0
    reschedule_count: int = 0
    no_show_count: int = 0
    last_no_show_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_cancellation_reason: str | None = None
    first_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    position: int = Field(default=0, sa_type=Whole)


class TimelineRow(Row, table=True):
    """One event as a list shows it; holds nothing personal."""

    __tablename__ = "timeline"
    __table_args__ = (
        Index(None, "generation", "booking_id"),
        Index("uq_timeline_generation_event_id", "generation", "event_id", unique=True),
    )

    generation: int = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=Whole)
    event_id: str
    type: str
    booking_id: str
    provider_id: str
    source: str
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    recorded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    provenance: str
    schema_version: int
    causation_id: str | None = None
    version: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Of the booking as this fact left it, in whole seconds."""
    hidden: bool = False
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)


class ProviderIdRow(Row, table=True):
    """Which booking a provider's id belongs to; several ids form a chain."""

    __tablename__ = "provider_ids"

    generation: int = Field(primary_key=True)
    source: str = Field(primary_key=True)
    provider_id: str = Field(primary_key=True)
    booking_id: str


class InboxRow(Row, table=True):
    """A receipt of the last 30 days without its body, which stays in the inbox stream."""

    __tablename__ = "inbox"
    __table_args__ = (Index(None, "received_at"), Index(None, "source", "provider_id"), Index(None, "digest"))

    receipt_id: str = Field(primary_key=True)
    source: str
    sequence: int | None = Field(default=None, sa_type=Whole)
    received_at: datetime = Field(sa_type=UtcDateTime)
    kind: str = ""
    status: str
    reason: str | None = None
    provider_id: str | None = None
    version: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Of the booking it shows, in whole seconds."""
    attendee_ids: list[Any] | None = Field(default=None, sa_type=JsonDocument)
    """Who attends the booking it shows; null where that is not known."""
    digest: str


class QuarantineRow(Row, table=True):
    """A body nobody could read, masked, kept without age until it is resolved."""

    __tablename__ = "quarantine"
    __table_args__ = (Index(None, "state", "received_at"),)

    receipt_id: str = Field(primary_key=True)
    source: str
    received_at: datetime = Field(sa_type=UtcDateTime)
    reason: str
    body: bytes
    state: str = "waiting"
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DirtyRow(Row, table=True):
    """A mark: this booking has to be looked at because of this receipt."""

    __tablename__ = "dirty"
    __table_args__ = (Index(None, "due_at"), Index(None, "receipt_id"))

    source: str = Field(primary_key=True)
    provider_id: str = Field(primary_key=True)
    receipt_id: str = Field(primary_key=True)
    sequence: int | None = Field(default=None, sa_type=Whole)
    cause: str = "webhook"
    marked_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    attempts: int = 0
    last_error: str | None = None


class UnconfirmedRow(Row, table=True):
    """A hint that nothing has confirmed so far."""

    __tablename__ = "unconfirmed"

    source: str = Field(primary_key=True)
    provider_id: str = Field(primary_key=True)
    receipt_id: str
    since: datetime = Field(sa_type=UtcDateTime)
    detail: str = ""


class SourceRow(Row, table=True):
    """What the hub remembers of a source, in the YAML or not."""

    __tablename__ = "sources"

    name: str = Field(primary_key=True)
    type: str
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    last_webhook_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    state: str = "running"
    reason: str | None = None


class SinkRow(Row, table=True):
    """What the hub remembers of a sink, in the YAML or not; `start_position` is set once.

    `wait_until` is what the target asked for. `failing_since` and `failing_keys` say since when it has
    served nobody, and for whom it was asked in vain; `tokens` is what is left of its rate.
    """

    __tablename__ = "sinks"

    name: str = Field(primary_key=True)
    type: str
    start_position: int = Field(default=0, sa_type=Whole)
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    state: str = "running"
    reason: str | None = None
    since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    probe_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_success_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error_class: str | None = None
    last_error_message: str | None = None
    last_error_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    target: str | None = None
    wait_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failing_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failing_keys: list[Any] = Field(default_factory=list, sa_type=JsonDocument)
    probes: int = 0
    tokens: float | None = None
    tokens_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revision: int = 0
    registration: dict[str, Any] | None = Field(default=None, sa_type=JsonDocument)
    applied: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    first_name: str | None = None


class DeliveryRow(Row, table=True):
    """One event for one key of one sink; its primary key is the deduplication.

    `unknown_since`: from this moment on an attempt may have had its effect although no answer said so.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_due", "sink", "state", "due_at", "position", "key"),
        Index(None, "sink", "key", "state", "position"),
        Index(None, "booking_id"),
        Index(None, "changed_at"),
        Index(
            "ix_deliveries_guard",
            "sink",
            "guard",
            "state",
            sqlite_where=text("guard IS NOT NULL"),
            postgresql_where=text("guard IS NOT NULL"),
        ),
    )

    sink: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    booking_id: str
    position: int = Field(sa_type=Whole)
    event_type: str
    state: str = "pending"
    attempts: int = 0
    due_at: datetime = Field(sa_type=UtcDateTime)
    reason: str | None = None
    cause: str | None = None
    error_class: str | None = None
    error_message: str | None = None
    error_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str | None = None
    url: str | None = None
    duration_seconds: float | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    changed_at: datetime = Field(default=None, sa_type=UtcDateTime, nullable=False)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    hold: bool = False
    first_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    unknown_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    guard: str | None = None


class AttemptRow(Row, table=True):
    """One try of a delivery, for the booking's story."""

    __tablename__ = "attempts"
    __table_args__ = (Index(None, "booking_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Whole)
    sink: str
    event_id: str
    key: str
    booking_id: str
    at: datetime = Field(sa_type=UtcDateTime)
    number: int
    outcome: str
    message: str | None = None
    duration_seconds: float | None = None
    url: str | None = None


class ClaimRow(Row, table=True):
    """Who works on a key until when; its primary key lets one worker in, over all processes."""

    __tablename__ = "claims"

    sink: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    owner: str
    token: str
    until: datetime = Field(sa_type=UtcDateTime)


class TargetReceiptRow(Row, table=True):
    """What a target holds for one part of one key; `wanted` is a digest of what was wanted then."""

    __tablename__ = "target_receipts"

    sink: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    target: str | None = None
    external_id: str
    etag: str | None = None
    fingerprint: str | None = None
    position: int = Field(default=0, sa_type=Whole)
    epoch: int = 1
    url: str | None = None
    detail: str = ""
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    wanted: str | None = None


class TokenRow(Row, table=True):
    """An API token; only its hash is here."""

    __tablename__ = "tokens"
    __table_args__ = (Index("uq_tokens_hash", "hash", unique=True),)

    token_id: str = Field(primary_key=True)
    name: str
    scope: str
    hash: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class IdempotencyRow(Row, table=True):
    """The answer to an acting request, kept under the caller's key; without status it still runs."""

    __tablename__ = "idempotency"
    __table_args__ = (Index(None, "created_at"),)

    token_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: str
    status: int | None = None
    response: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)


class OperationRow(Row, table=True):
    """Long work inside the hub."""

    __tablename__ = "operations"
    __table_args__ = (Index(None, "started_at"),)

    operation_id: str = Field(primary_key=True)
    kind: str
    state: str = "running"
    done: int = 0
    failed: int = 0
    total: int | None = None
    started_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)


class LeaseRow(Row, table=True):
    """Something one process may do at a time, such as polling a source."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True)
    owner: str
    until: datetime = Field(sa_type=UtcDateTime)


class LedgerRow(Row, table=True):
    """What one sink's ledger is planned by: a digest of its settings, and pairs of a pool and its units."""

    __tablename__ = "ledgers"

    sink: str = Field(primary_key=True)
    terms: str
    pools: list[Any] = Field(default_factory=list, sa_type=JsonDocument)
    agreed_at: datetime = Field(sa_type=UtcDateTime)


class LedgerEntryRow(Row, table=True):
    """Which units one key holds when, or waits for; a released one keeps late states away."""

    __tablename__ = "ledger_entries"
    __table_args__ = (Index(None, "sink", "busy_until"), Index(None, "state", "sink"))

    sink: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    state: str
    line: int = Field(sa_type=Whole)
    start: datetime = Field(sa_type=UtcDateTime)
    end: datetime = Field(sa_type=UtcDateTime)
    busy_from: datetime = Field(sa_type=UtcDateTime)
    busy_until: datetime = Field(sa_type=UtcDateTime)
    needs: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    units: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    epoch: int = 1
    position: int = Field(sa_type=Whole)
    since: datetime = Field(sa_type=UtcDateTime)


class PublishedRow(Row, table=True):
    """One item of a feed the hub serves itself; withdrawn, it has no content and keeps older states out."""

    __tablename__ = "published"
    __table_args__ = (Index(None, "sink", "ends_at"),)

    sink: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    content: str | None = None
    audiences: list[Any] = Field(default_factory=list, sa_type=JsonDocument)
    fingerprint: str | None = None
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sequence: int = Field(default=0, sa_type=Whole)
    epoch: int = 1
    position: int = Field(default=0, sa_type=Whole)
    changed_at: datetime = Field(sa_type=UtcDateTime)


class FormerReceiptRow(Row, table=True):
    """What a sink left behind at a target that its configuration does not name any more."""

    __tablename__ = "former_receipts"

    sink: str = Field(primary_key=True)
    target: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    external_id: str
    etag: str | None = None
    fingerprint: str | None = None
    position: int = Field(default=0, sa_type=Whole)
    epoch: int = 1
    url: str | None = None
    detail: str = ""
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    wanted: str | None = None
    left_at: datetime = Field(sa_type=UtcDateTime)


class StrayRow(Row, table=True):
    """An object at a target that nothing wants and no receipt names: the next repair removes it."""

    __tablename__ = "strays"

    sink: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    part: str
    receipt: dict[str, Any] = Field(sa_type=JsonDocument)
    found_at: datetime = Field(sa_type=UtcDateTime)


class DriftCheckRow(Row, table=True):
    """The last comparison of a sink with its target by schedule, and when the next one is due."""

    __tablename__ = "drift_checks"

    sink: str = Field(primary_key=True)
    next_at: datetime = Field(sa_type=UtcDateTime)
    checked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    compared: int = 0
    error: str | None = None


class DriftRow(Row, table=True):
    """An object that the last comparison found out of step; names of members, none of their values."""

    __tablename__ = "drift"
    __table_args__ = (Index(None, "booking_id"),)

    sink: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    booking_id: str | None = None
    action: str
    cause: str
    members: list[str] = Field(default_factory=list, sa_type=JsonDocument)
    since: datetime = Field(sa_type=UtcDateTime)


class PollRow(Row, table=True):
    """The last poll of a source, and what is known of its webhook at the provider.

    `polled_at` is when the last poll began, `succeeded_at` the last one that read every list to its end.
    `silent_since`: from this moment on polls found changes no webhook had told of.
    """

    __tablename__ = "polls"

    source: str = Field(primary_key=True)
    polled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    succeeded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failing_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = None
    bookings: int = 0
    facts: int = 0
    duration_seconds: float | None = None
    registered: bool | None = None
    checked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    silent_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    silent_changes: int = 0


class SourceListRow(Row, table=True):
    """One list of a source: the whole of it, or that of one host; how far it was read.

    `created_before`: every booking that was created earlier has been seen. The backfill reads
    `history_from` to `history_until`, and is done up to `history_next`.
    """

    __tablename__ = "source_lists"

    source: str = Field(primary_key=True)
    host: str = Field(default="", primary_key=True)
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    polled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    history_id: str | None = None
    history_from: datetime | None = Field(default=None, sa_type=UtcDateTime)
    history_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    history_next: datetime | None = Field(default=None, sa_type=UtcDateTime)
    history_done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    history_incomplete: int = 0
    history_bookings: int = 0
    history_facts: int = 0


class AbsentRow(Row, table=True):
    """A booking that a complete poll did not show; `missing` if the provider has none of this id either."""

    __tablename__ = "absent"

    source: str = Field(primary_key=True)
    provider_id: str = Field(primary_key=True)
    since: datetime = Field(sa_type=UtcDateTime)
    checked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    missing: bool = False


class ReplacementRow(Row, table=True):
    """A booking that is being replaced: from before the new one is asked for until all is done."""

    __tablename__ = "replacements"

    source: str = Field(primary_key=True)
    former_id: str = Field(primary_key=True)
    booking_id: str
    command_id: str
    contact_id: str
    start: datetime = Field(sa_type=UtcDateTime)
    host: str | None = None
    reason: str | None = None
    new_id: str | None = None
    asked_at: datetime = Field(sa_type=UtcDateTime)
