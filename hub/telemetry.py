"""Metrics and logs: one registry, one log format, nothing personal in either.

Labels come from the YAML and from fixed lists only, and every series exists from the start. Log
records are a constant message plus fields; a field that could hold a person or a secret is not
among them.
"""

import logging
import sys
import time
from collections.abc import Iterable, MutableMapping
from datetime import datetime
from itertools import product
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from events.catalogue import CATALOGUE
from hub.activity import Activity, without_envelopes

PREFIX = "bookinghub"
RECEIPT_OUTCOMES = ("accepted", "duplicate", "ignored", "quarantined", "refused", "unavailable")
DELIVERY_OUTCOMES = (
    "delivered",
    "transient",
    "told_to_wait",
    "permanent",
    "auth",
    "uncertain",
    "lost_claim",
)
POLL_OUTCOMES = ("ok", "partly", "failed")
CALL_OUTCOMES = ("ok", "transient", "refused", "auth")
LOOKUP_OUTCOMES = ("found", "missing", "unreadable", "stale_row")
SINK_STATES = ("running", "paused", "auth_failed", "circuit_open", "held", "starting")
DELIVERY_STATES = ("pending", "sending", "parked", "dead", "uncertain")
RELOAD_OUTCOMES = ("ok", "failed")
COMMANDS = (
    *("reschedule", "replace", "cancel", "rebook", "no-show", "undo-no-show", "note", "add-guest"),
    "remove-guest",
)
COMMAND_OUTCOMES = ("done", "accepted", "refused", "unknown")
PROVENANCES = ("webhook", "poll", "backfill", "command")
PROJECTIONS = ("bookings", "attendees", "contacts", "timeline")
FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0)
SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0)


class Metrics:
    """Every metric of the hub, on a registry of its own so that two hubs in one process do not meet."""

    def __init__(self, *, version: str, sources: Iterable[str] = (), sinks: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self.sources, self.sinks = tuple(sources), tuple(sinks)
        self._define()
        self._preset()
        Info(f"{PREFIX}_build", "Version of the hub", registry=self.registry).info({"version": version})

    def _define(self) -> None:
        self.webhooks = self._counter("webhooks_received", "Webhooks by outcome", ["source", "outcome"])
        self.webhook_duration = self._histogram(
            "webhook_duration_seconds", "Webhook to answer", ["source"], FAST
        )
        self.quarantined = self._gauge("inbox_quarantined", "Receipts in quarantine")
        self.dirty = self._gauge("inbox_dirty", "Bookings waiting to be worked on")
        self.facts = self._counter("facts", "Facts appended", ["source", "type", "provenance"])
        self.source_calls = self._counter(
            "source_calls", "Calls of a source's API by outcome", ["source", "outcome"]
        )
        self.lookups = self._counter(
            "source_lookups", "Bookings looked at in the provider's API", ["source", "outcome"]
        )
        self.polls = self._counter("polls", "Polls by outcome", ["source", "outcome"])
        self.poll_duration = self._histogram("poll_duration_seconds", "One poll", ["source"], SLOW)
        self.log_position = self._gauge("log_last_position", "Last position of the event log")
        self.append_duration = self._histogram("log_append_duration_seconds", "Append to answer", [], FAST)
        self.append_conflicts = self._counter("log_append_conflicts", "Appends that somebody outran", [])
        self.projection_position = self._gauge("projection_position", "Checkpoint", ["projection"])
        self.projection_lag_events = self._gauge("projection_lag_events", "Events unread", ["projection"])
        self.projection_lag = self._gauge(
            "projection_lag_seconds", "Age of the oldest unread", ["projection"]
        )
        self.rebuild_progress = self._gauge(
            "rebuild_progress_ratio", "Share of a running rebuild that is done"
        )
        self.sink_state = self._gauge("sink_state", "1 for the state the sink is in", ["sink", "state"])
        self.sink_rate_tokens = self._gauge(
            "sink_rate_tokens",
            "Calls a sink with a rate may begin now; negative while it is in debt",
            ["sink"],
        )
        self.sink_wait = self._gauge(
            "sink_wait_seconds", "How long the target still wants to be left alone", ["sink"]
        )
        self.sink_lag_events = self._gauge(
            "sink_lag_events", "Rows not delivered and events unread", ["sink"]
        )
        self.sink_lag = self._gauge("sink_lag_seconds", "Age of the oldest row not delivered", ["sink"])
        self.deliveries = self._gauge("deliveries", "Delivery rows by state", ["sink", "state"])
        self.attempts = self._counter("delivery_attempts", "Attempts by outcome", ["sink", "outcome"])
        self.attempt_duration = self._histogram("delivery_attempt_duration_seconds", "Call", ["sink"], SLOW)
        self.covered = self._counter("deliveries_covered", "Rows covered by a newer one", ["sink"])
        self.in_flight = self._gauge("deliveries_in_flight", "Keys worked on now", ["sink"])
        self.delivery_latency = self._histogram("delivery_latency_seconds", "Fact to target", ["sink"], SLOW)
        self.config_reloads = self._counter("config_reloads", "Reloads by outcome", ["outcome"])
        self.config_reload_at = self._gauge(
            "config_last_reload_timestamp_seconds", "When files were last taken over"
        )

        self.commands = self._counter("commands", "Commands on bookings", ["command", "outcome"])

    def know(self, *, sources: Iterable[str], sinks: Iterable[str]) -> None:
        """Begin the series of sources and sinks that came while the hub runs."""
        self.sources = tuple(dict.fromkeys((*self.sources, *sources)))
        self.sinks = tuple(dict.fromkeys((*self.sinks, *sinks)))
        self._preset()

    def config_reloaded(self, *, ok: bool, at: datetime) -> None:
        """Changed files were taken over, or could not be."""
        self.config_reloads.labels("ok" if ok else "failed").inc()
        if ok:
            self.config_reload_at.set(at.timestamp())

    def _preset(self) -> None:
        for outcome in RELOAD_OUTCOMES:
            self.config_reloads.labels(outcome)
        self._preset_commands()
        for source in self.sources:
            self._preset_source(source)
        for projection in PROJECTIONS:
            self.projection_position.labels(projection)
            self.projection_lag_events.labels(projection)
            self.projection_lag.labels(projection)
        for sink in self.sinks:
            self._preset_sink(sink)

    def _preset_commands(self) -> None:
        for command, outcome in product(COMMANDS, COMMAND_OUTCOMES):
            self.commands.labels(command, outcome)

    def _preset_source(self, source: str) -> None:
        self.webhook_duration.labels(source)
        for outcome in RECEIPT_OUTCOMES:
            self.webhooks.labels(source, outcome)
        self.poll_duration.labels(source)
        for outcome in POLL_OUTCOMES:
            self.polls.labels(source, outcome)
        for outcome in CALL_OUTCOMES:
            self.source_calls.labels(source, outcome)
        for outcome in LOOKUP_OUTCOMES:
            self.lookups.labels(source, outcome)
        for event_type in CATALOGUE:
            for provenance in PROVENANCES:
                self.facts.labels(source, event_type, provenance)

    def _preset_sink(self, sink: str) -> None:
        self.sink_lag_events.labels(sink)
        self.sink_lag.labels(sink)
        self.sink_wait.labels(sink)
        self.attempt_duration.labels(sink)
        self.delivery_latency.labels(sink)
        self.in_flight.labels(sink)
        self.covered.labels(sink)
        for state in SINK_STATES:
            self.sink_state.labels(sink, state)
        for state in DELIVERY_STATES:
            self.deliveries.labels(sink, state)
        for outcome in DELIVERY_OUTCOMES:
            self.attempts.labels(sink, outcome)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)

    def names(self) -> frozenset[str]:
        """Every metric family, as a dashboard names it."""
        return frozenset(sample.name for family in self.registry.collect() for sample in family.samples)

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, list(labels), registry=self.registry)

    def _histogram(self, name: str, text: str, labels: Iterable[str], buckets: Iterable[float]) -> Histogram:
        return Histogram(
            f"{PREFIX}_{name}", text, list(labels), buckets=tuple(buckets), registry=self.registry
        )


class Repeats:
    """Lets the first of equal records through at once, then one a minute with the number left out."""

    def __init__(self, *, every_seconds: float = 60.0) -> None:
        self._every = every_seconds
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def __call__(self, _: object, method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if method not in ("warning", "error", "critical"):
            return record
        key = (method, record.get("event"), record.get("sink"), record.get("source"), record.get("error"))
        now = time.monotonic()
        shown, left_out = self._seen.get(key, (0.0, 0))
        if key in self._seen and now - shown < self._every:
            self._seen[key] = (shown, left_out + 1)
            raise structlog.DropEvent
        if len(self._seen) > 1_000:
            self._seen.clear()
        self._seen[key] = (now, 0)
        if left_out:
            record["repeated"] = left_out
        return record


def configure_logging(
    *,
    log_format: str = "json",
    level: str = "info",
    timezone: str = "UTC",
    stream: TextIO | None = None,
) -> None:
    """Send all records to stderr: activity lines for people (`text`) or one JSON object per line (`json`)."""
    out = stream or sys.stderr
    number = logging.getLevelName(level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        Repeats(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    last: list[Any] = [structlog.processors.format_exc_info]
    foreign: list[Any] = [structlog.processors.format_exc_info]
    if log_format == "json":
        rendered = (structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer())
        last += [without_envelopes, *rendered]
        foreign += rendered
    else:
        activity = Activity(out, timezone=timezone)
        last.append(activity)
        foreign.append(activity.foreign)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[1:2], *shared[3:]],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *foreign],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
