"""The status object: whether everything answered so far is done, and what stands in the way."""

from datetime import timedelta
from typing import get_args

from hub.store.tables import SinkRow, SourceRow
from hub.telemetry import PROJECTIONS
from hub.web.fact_counts import SourceFacts
from hub.web.hub_objects import (
    InboxStatus,
    IssueCounts,
    LogStatus,
    ProjectionStatus,
    SinkState,
    SinkStatus,
    SourceState,
    SourceStatus,
    StatusObject,
    StoreStatus,
)
from hub.web.issues import find_issues
from hub.web.present import error_object
from hub.web.services import HubServices
from hub.web.situation import Situation


def status_of(services: HubServices, seen: Situation) -> StatusObject:
    """The whole status of one moment."""
    issues = find_issues(services, seen)
    critical = sum(issue.severity == "critical" for issue in issues)
    sinks = {name: sink_status(services, seen, name) for name in services.sink_kinds}
    halted = any(sink.state not in ("running", "starting") for sink in sinks.values())
    down = seen.log is None
    return StatusObject(
        state="down" if down else "degraded" if critical or halted else "ok",
        version=services.version,
        url=services.url,
        started_at=services.started_at,
        issues=IssueCounts(critical=critical, warning=len(issues) - critical),
        log=_log(services, seen),
        inbox=InboxStatus(
            waiting=seen.waiting,
            dirty=seen.door.dirty,
            quarantined=seen.door.quarantined.count,
            unconfirmed=seen.door.unconfirmed.count,
        ),
        store=StoreStatus(dialect=services.database.dialect, ok=True),
        sources={name: source_status(services, seen, name) for name in services.settings.sources},
        sinks=sinks,
        projections={name: projection_status(seen) for name in PROJECTIONS},
    )


def source_status(services: HubServices, seen: Situation, name: str) -> SourceStatus:
    """One source of the configuration."""
    settings = services.settings.sources[name]
    row, poll = seen.door.sources.get(name), seen.door.polls.get(name)
    facts = seen.house.facts.get(name, SourceFacts())
    return SourceStatus(
        type=settings.type,
        state=_source_state(row) if settings.enabled else "disabled",
        last_webhook_at=row.last_webhook_at if row else None,
        last_poll_at=poll.polled_at if poll else None,
        last_poll_ok=poll.error is None if poll and poll.polled_at else None,
        facts_by_webhook=facts.by_webhook,
        facts_by_poll=facts.by_poll,
        key_expires_at=settings.key_expires,
        registered=poll.registered if poll else None,
    )


def sink_status(services: HubServices, seen: Situation, name: str) -> SinkStatus:
    """One sink of the configuration."""
    row = seen.house.sinks.get(name)
    counts = seen.house.rows.get(name, {})
    lag = seen.house.lags.get(name)
    rows = lag.rows if lag else 0
    oldest = seen.now - lag.since if lag and lag.since else timedelta(0)
    return SinkStatus(
        type=services.settings.sinks[name].type,
        state=_state(row, held=name in seen.house.held),
        wait_until=row.wait_until if row and row.wait_until and row.wait_until > seen.now else None,
        probe_at=row.probe_at if row else None,
        lag_events=None if seen.unread is None else rows + seen.unread,
        lag_seconds=None if seen.unread_for is None else _seconds(max(oldest, seen.unread_for)),
        in_flight=counts.get("sending", 0),
        parked=counts.get("parked", 0),
        dead=counts.get("dead", 0),
        uncertain=counts.get("uncertain", 0),
        out_of_step=seen.house.out_of_step.get(name, 0),
        last_success_at=row.last_success_at if row else None,
        last_error=(
            error_object(row.last_error_class, row.last_error_message, row.last_error_at) if row else None
        ),
    )


def projection_status(seen: Situation) -> ProjectionStatus:
    """Any of the projections: one reader moves them all."""
    checkpoint = seen.house.checkpoint
    return ProjectionStatus(
        position=seen.position,
        lag_events=seen.unread,
        lag_seconds=None if seen.unread_for is None else _seconds(seen.unread_for),
        generation=checkpoint.generation if checkpoint else 0,
    )


def _log(services: HubServices, seen: Situation) -> LogStatus:
    log = seen.log
    return LogStatus(
        mode=services.settings.nats.mode,
        events=log.events if log else None,
        last_position=log.last if log else None,
        bytes=log.bytes if log else None,
        durable=services.durable,
        diverged_at=seen.door.installation.diverged_at if seen.door.installation else None,
    )


def _source_state(row: SourceRow | None) -> SourceState:
    state = row.state if row is not None else "running"
    return next((known for known in get_args(SourceState) if known == state), "running")


def _state(row: SinkRow | None, *, held: bool) -> SinkState:
    if row is None:
        return "starting"
    if held and row.state == "running":
        return "held"
    return next((state for state in get_args(SinkState) if state == row.state), "starting")


def _seconds(duration: timedelta) -> float:
    return round(max(duration.total_seconds(), 0.0), 3)
