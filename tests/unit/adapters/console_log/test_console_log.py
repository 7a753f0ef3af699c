"""One line per fact, and no word about people."""

import re
from datetime import UTC, datetime

import pytest

from adapters.api import AdapterContext
from adapters.console_log import adapter
from adapters.console_log.sink import ConsoleLogConfig, ConsoleLogSink, line_of
from adapters.registry import load_adapter
from adapters.testing import envelope_of, sample_booking, sample_events
from events import NOT_DELIVERED, BookingCreated, BookingEvent

CONTEXT = AdapterContext(instance="console", installation_id="i", clock=lambda: datetime.now(UTC))


@pytest.mark.parametrize("event", sample_events().values(), ids=lambda event: event.event_type())
async def test_an_event_is_one_line_of_ids_types_and_times(
    event: BookingEvent, capsys: pytest.CaptureFixture[str]
) -> None:
    envelope = envelope_of(event, position=1041)
    sink = ConsoleLogSink(ConsoleLogConfig(), CONTEXT)
    receipt = await sink.react(envelope, idempotency_key="key-1")
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.fullmatch(
        r"2026-10-12T07:31:09Z #1041 \w+ booking=b-1001 source=meetergo event=[0-9a-f-]{36} "
        r"start=2026-10-2\dT08:00:00Z\n",
        printed.out,
    )
    assert event.event_type() in printed.out
    assert (receipt.external_id, receipt.position, receipt.detail) == ("key-1", 1041, "printed")


def test_an_id_from_outside_cannot_pretend_to_be_another_line() -> None:
    booking = sample_booking(booking_id="x\n2026-10-12 \x1b[2J" + "y" * 500)
    event = BookingCreated(occurred_at=booking.start, provider_id="x", booking=booking)
    line = line_of(envelope_of(event))
    assert re.fullmatch("[ -~]+", line)
    assert len(line) < 500


def test_it_is_found_by_its_name() -> None:
    assert load_adapter("console_log") is adapter


def test_it_handles_every_event_of_a_booking() -> None:
    assert set(ConsoleLogSink.handles) == set(sample_events())
    assert {*ConsoleLogSink.handles, *NOT_DELIVERED} == set(BookingEvent.__subclasses__())
