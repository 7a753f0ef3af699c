"""Prints what happened, one line per fact: the smallest complete adapter, to be copied for a new one."""

import re
import sys
from datetime import UTC, datetime

from adapters.api import Reactor, Receipt, SinkConfig
from events import DELIVERED_BOOKING_EVENTS, Envelope


class ConsoleLogConfig(SinkConfig):
    """Nothing to set."""


class ConsoleLogSink(Reactor[ConsoleLogConfig]):
    """Ids, types and times only: what a terminal shows ends up in files nobody guards."""

    name = "console_log"
    config_class = ConsoleLogConfig
    handles = DELIVERED_BOOKING_EVENTS
    repeat = "safe"

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        sys.stdout.write(f"{line_of(envelope)}\n")
        sys.stdout.flush()
        return Receipt(external_id=idempotency_key, position=envelope.position, detail="printed")


def line_of(envelope: Envelope) -> str:
    """The line for one fact; the same fact gives the same line."""
    members = [
        _time(envelope.occurred_at),
        f"#{envelope.position}",
        envelope.type,
        f"booking={_id(envelope.booking_id)}",
        f"source={_id(envelope.source)}",
        f"event={_id(envelope.event_id)}",
    ]
    if envelope.booking is not None:
        members.append(f"start={_time(envelope.booking.start)}")
    return " ".join(members)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _id(text: str) -> str:
    """Ids come from outside: nothing in them may look like another line or move the cursor."""
    return re.sub(r"[^!-~]", "?", text)[:200]
