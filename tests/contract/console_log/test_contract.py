"""The reactor contract on a terminal."""

import io
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from adapters.api import AdapterContext
from adapters.console_log.sink import ConsoleLogConfig, ConsoleLogSink
from adapters.testing import ReactorContract


class Terminal:
    """Standard output as a person reads it: numbered lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._screen = io.StringIO()
        monkeypatch.setattr(sys, "stdout", self._screen)

    def objects(self) -> Mapping[str, Any]:
        return dict(enumerate(self._screen.getvalue().splitlines()))

    def calls(self) -> int:
        return len(self.objects())

    def close(self) -> None:
        self._screen.close()


class TestConsoleLog(ReactorContract):
    cannot: ClassVar[Mapping[str, str]] = {
        "failures": "a terminal answers nothing",
        "cancellation": "a line is written in one go",
        "redelivery": "a terminal cannot be asked what it shows; the same fact prints the same line",
    }

    @pytest.fixture(autouse=True)
    def _terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def other_side(self) -> Terminal:
        return Terminal(self.monkeypatch)

    def sink(self, context: AdapterContext) -> ConsoleLogSink:
        return ConsoleLogSink(ConsoleLogConfig(), context)
