"""Prints events to standard output."""

from adapters.console_log.sink import ConsoleLogSink
from adapters.registry import AdapterType

__all__ = ["adapter"]

adapter = AdapterType(
    name="console_log",
    summary="prints each event as one line: ids, types and times",
    sink=ConsoleLogSink,
)
