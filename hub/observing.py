"""What the deliveries tell the metrics."""

from datetime import timedelta

from hub.telemetry import Metrics


class DeliveryMetrics:
    """Counts attempts and their duration; states and lags are read when metrics are asked for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def attempted(self, sink: str, *, outcome: str, duration: timedelta) -> None:
        self._metrics.attempts.labels(sink, outcome).inc()
        self._metrics.attempt_duration.labels(sink).observe(duration.total_seconds())

    def delivered(self, sink: str, *, covered: int, latency: timedelta) -> None:
        self._metrics.delivery_latency.labels(sink).observe(latency.total_seconds())
        self._metrics.covered.labels(sink).inc(covered)

    def in_flight(self, sink: str, *, keys: int) -> None:
        self._metrics.in_flight.labels(sink).set(keys)
