"""The gauges, brought up to date when they are asked for; counters are counted where things happen."""

from datetime import timedelta

from hub.delivery.pace import Pace
from hub.telemetry import DELIVERY_STATES, PROJECTIONS, SINK_STATES, Metrics
from hub.web.services import HubServices
from hub.web.situation import Situation
from hub.web.status import projection_status, sink_status


def render(services: HubServices, metrics: Metrics, seen: Situation) -> bytes:
    """All metrics as the exposition text, the gauges as the hub stands now."""
    metrics.quarantined.set(seen.door.quarantined.count)
    metrics.dirty.set(seen.door.dirty)
    if seen.log is not None:
        metrics.log_position.set(seen.log.last)
    projection = projection_status(seen)
    for name in PROJECTIONS:
        metrics.projection_position.labels(name).set(projection.position)
        metrics.projection_lag_events.labels(name).set(projection.lag_events or 0)
        metrics.projection_lag.labels(name).set(projection.lag_seconds or 0)
    for name in services.sink_kinds:
        _set_sink(services, metrics, seen, name)
    return metrics.render()


def _set_sink(services: HubServices, metrics: Metrics, seen: Situation, name: str) -> None:
    sink = sink_status(services, seen, name)
    metrics.sink_lag_events.labels(name).set(sink.lag_events or 0)
    metrics.sink_lag.labels(name).set(sink.lag_seconds or 0)
    wait = sink.wait_until - seen.now if sink.wait_until else timedelta(0)
    metrics.sink_wait.labels(name).set(wait.total_seconds())
    rate, row = services.settings.sinks[name].rate, seen.house.sinks.get(name)
    if rate is not None:
        pace = Pace.of(rate)
        metrics.sink_rate_tokens.labels(name).set(pace.level(row, seen.now) if row else pace.capacity)
    for state in SINK_STATES:
        metrics.sink_state.labels(name, state).set(state == sink.state)
    for state in DELIVERY_STATES:
        metrics.deliveries.labels(name, state).set(seen.house.rows.get(name, {}).get(state, 0))
