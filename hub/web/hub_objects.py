"""The JSON objects about the hub itself; the same rules hold as for those about bookings."""

from typing import Any, Literal

from hub.web.objects import DeliveryObject, ErrorObject, Shown
from hub.web.source_objects import HistoryObject, MissingObject, PollObject, WebhookObject
from hub.web.wire import Moment

SinkState = Literal["running", "paused", "auth_failed", "circuit_open", "held", "starting"]
SourceState = Literal["running", "paused", "auth_failed", "disabled"]
OperationState = Literal["running", "done", "partly", "failed", "stopped"]
Severity = Literal["critical", "warning"]


class IssueCounts(Shown):
    """Open issues by severity."""

    critical: int
    warning: int


class LogStatus(Shown):
    """The event log; members are null while it does not answer."""

    mode: Literal["embedded", "foreign"]
    events: int | None
    last_position: int | None
    bytes: int | None
    durable: bool | None
    diverged_at: Moment | None


class InboxStatus(Shown):
    """What waits before it becomes facts."""

    waiting: int | None
    dirty: int | None
    quarantined: int | None
    unconfirmed: int | None


class StoreStatus(Shown):
    """The SQL store."""

    dialect: Literal["sqlite", "postgresql"]
    ok: bool


class SourceStatus(Shown):
    """One source; what this version does not do yet is null."""

    type: str
    state: SourceState
    last_webhook_at: Moment | None
    last_poll_at: Moment | None
    last_poll_ok: bool | None
    facts_by_webhook: int
    facts_by_poll: int
    key_expires_at: Moment | None
    registered: bool | None


class SourceObject(SourceStatus):
    """A source with its door; the token in the address is shown to those who may act.

    `poll` and `webhooks` are null where the provider cannot be asked, `backfill` before one was planned.
    """

    name: str
    verify: str
    webhook: str | None
    first_seen_at: Moment | None
    reason: str | None
    poll: PollObject | None
    backfill: HistoryObject | None
    webhooks: WebhookObject | None
    missing: list[MissingObject]


class SinkStatus(Shown):
    """One sink; lag counts rows pending, sending or parked and events not yet read.

    `wait_until`: the target asked for it. `probe_at`: when a target that is down, or refuses the
    credentials, is asked again.
    """

    type: str
    state: SinkState
    wait_until: Moment | None
    probe_at: Moment | None
    lag_events: int | None
    lag_seconds: float | None
    in_flight: int
    parked: int
    dead: int
    uncertain: int
    out_of_step: int
    last_success_at: Moment | None
    last_error: ErrorObject | None


class HeldObject(Shown):
    """What the guard keeps for a person: how many objects would change or go, and since when they wait.

    `preview` names exactly these rows; `items` are the first few of them.
    """

    count: int
    remove: int
    change: int
    since: Moment | None
    preview: str
    items: list[DeliveryObject]


class FormerObject(Shown):
    """Objects that stay at a target which the configuration does not name any more."""

    target: str
    count: int
    since: Moment


class DriftObject(Shown):
    """The last comparison with the target by schedule; `drifted` is what is still out of step of it."""

    checked_at: Moment | None
    next_at: Moment
    compared: int
    drifted: int
    error: str | None


class SinkObject(SinkStatus):
    """A sink with what the hub remembers of it; `failing_since`: from then on it has served nobody.

    One that publishes has an `address`, and where it is shown alone `addresses` by host; the tokens in
    them are shown to those who may act.
    """

    name: str
    kind: Literal["booking", "contact", "reactor"] | None
    enabled: bool
    start: str
    start_position: int | None
    reason: str | None
    since: Moment | None
    target: str | None
    rate: str | None
    concurrency: int
    failing_since: Moment | None
    drift: DriftObject | None
    address: str | None = None
    addresses: dict[str, str] | None = None
    match: dict[str, Any] | None
    guard: int
    held: int
    former: list[FormerObject]


class SlotObject(Shown):
    """A line of a day's plan: what one unit is held for, one nobody holds, or who waits for some of a pool.

    A booking that needs several units has a line for each. It has them from `busy_from` until
    `busy_until`, which is the meeting with the time to prepare and to clear up.
    """

    sink: str
    day: str
    pool: str
    unit: str | None
    state: Literal["free", "held", "waiting"]
    booking_id: str | None
    title: str | None
    attendees: list[str]
    busy_from: Moment | None
    busy_until: Moment | None
    start: Moment | None
    end: Moment | None
    needs: dict[str, int]
    since: Moment | None


class PreparedObject(Shown):
    """What was made at the target of a sink or, in a dry run, would be."""

    name: str
    made: list[str]
    dry_run: bool


class ResumedSink(SinkObject):
    """A sink after it was resumed, or as it is; `waiting` is what the guard held until then."""

    dry_run: bool
    waiting: HeldObject


class ProjectionStatus(Shown):
    """How far a read model has read."""

    position: int
    lag_events: int | None
    lag_seconds: float | None
    generation: int


class ProjectionObject(ProjectionStatus):
    """A read model with its name and the version of its code."""

    name: str
    version: str | None


class StatusObject(Shown):
    """Whether everything answered so far is done; zeros everywhere mean that it is."""

    state: Literal["ok", "degraded", "down"]
    version: str
    url: str | None
    started_at: Moment
    issues: IssueCounts
    log: LogStatus
    inbox: InboxStatus
    store: StoreStatus
    sources: dict[str, SourceStatus]
    sinks: dict[str, SinkStatus]
    projections: dict[str, ProjectionStatus]


class OperationObject(Shown):
    """Long work inside the hub."""

    operation_id: str
    kind: str
    state: OperationState
    done: int
    failed: int
    total: int | None
    rate_per_second: float | None
    started_at: Moment
    finished_at: Moment | None
    detail: dict[str, Any]


class IssueObject(Shown):
    """Something that needs a person; gone by itself when it is settled."""

    issue_id: str
    code: str
    severity: Severity
    object: str
    since: Moment | None
    meaning: str
    what_to_do: str
    runbook: str


class TokenObject(Shown):
    """An API token without its secret."""

    token_id: str
    name: str
    scope: Literal["read", "operate", "admin"]
    created_at: Moment
    last_used_at: Moment | None
    revoked_at: Moment | None


class NewToken(TokenObject):
    """A token just made; `token` is shown this once."""

    token: str | None


class PartPreview(Shown):
    """The object one part would be; null where none is wanted."""

    part: str
    object: dict[str, Any] | None


class SinkPreview(Shown):
    """What a sink would write for a booking now; `no_match` says why it would not take it."""

    sink: str
    booking_id: str
    target: str | None
    no_match: str | None
    parts: list[PartPreview]


class Forgotten(Shown):
    """What is known of a sink and not wanted any more: counts of rows, or of objects left behind."""

    sink: str
    dry_run: bool
    deliveries: int
    receipts: int
    former: list[FormerObject]


class ChangeObject(Shown):
    """One key that the files set otherwise than it is in effect, secrets masked."""

    key: str
    before: Any
    after: Any
    applies: Literal["reload", "restart"]


class EffectObject(Shown):
    """What becomes of one sink; counts are bookings or contacts, `stay_behind` objects at a target."""

    sink: str
    changes: list[str]
    enter: int
    leave: int
    rewrite: int
    stay_behind: int
    held: int
    text: str


class ReloadObject(Shown):
    """What lies between the configuration in effect and its files; `preview` names the files' content."""

    files: list[str]
    changes: list[ChangeObject]
    effects: list[EffectObject]
    restart: list[str]
    preview: str
    dry_run: bool


class ConfigObject(Shown):
    """The effective configuration, secrets masked."""

    config: dict[str, Any]


class PlayedObject(Shown):
    """What was done at the playground: at which stand-in, what it was asked, what it answered."""

    act: str
    target: str
    asked: dict[str, Any]
    done: dict[str, Any]
    dry_run: bool


class Begun(Shown):
    """The hub is stopping, unless this was a dry run; it is gone when its process is."""

    pid: int
    url: str | None
    dry_run: bool
