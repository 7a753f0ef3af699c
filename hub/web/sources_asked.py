"""What came of asking a source's provider, for `sources list` and `sources show`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from adapters.registry import load_adapter
from hub.settings.models import SourceSettings
from hub.store import first_seen, polls
from hub.store.tables import PollRow, SourceListRow
from hub.web.services import HubServices
from hub.web.situation import Situation
from hub.web.source_objects import HistoryObject, MissingObject, PollObject, WebhookObject

COUNTED = timedelta(days=30)
"""As long as receipts are remembered: without them nobody could say which webhook was only late."""
MOST_MISSING = 20


async def asked_of(services: HubServices, seen: Situation, name: str) -> dict[str, Any]:
    """The members of a source that come from asking its provider."""
    settings, known = services.settings.sources[name], seen.door.polls.get(name)

    def read(session: Session) -> tuple[Sequence[SourceListRow], WebhookObject | None]:
        lists = polls.lists_of(session, name)
        return lists, _webhooks(session, settings, seen) if known is not None else None

    lists, webhooks = await services.database.read(read)
    asked = known is not None or name in services.providers
    gone = [one for one in seen.door.missing if one.source == name][:MOST_MISSING]
    return {
        "poll": _poll(settings, known or PollRow(source=name), lists) if asked else None,
        "backfill": _history(lists),
        "webhooks": webhooks,
        "missing": [
            MissingObject(booking_id=one.booking_id, start=one.start, since=one.since) for one in gone
        ],
    }


def _poll(settings: SourceSettings, known: PollRow, lists: Sequence[SourceListRow]) -> PollObject:
    return PollObject(
        every_seconds=settings.poll.every.total_seconds() or None,
        lists=len(lists),
        last_at=known.polled_at,
        succeeded_at=known.succeeded_at,
        failing_since=known.failing_since,
        error=known.error,
        bookings=known.bookings,
        facts=known.facts,
        duration_seconds=known.duration_seconds,
    )


def _history(lists: Sequence[SourceListRow]) -> HistoryObject | None:
    """All lists together; they are read one after the other."""
    planned = [row for row in lists if row.history_from and row.history_until and row.history_next]
    if not planned:
        return None
    is_done = all(row.history_done_at is not None for row in planned)
    return HistoryObject(
        state="done" if is_done else "open",
        begin=min(row.history_from for row in planned if row.history_from),
        end=max(row.history_until for row in planned if row.history_until),
        read_until=min(row.history_next for row in planned if row.history_next),
        bookings=sum(row.history_bookings for row in planned),
        facts=sum(row.history_facts for row in planned),
        incomplete=sum(row.history_incomplete for row in planned),
    )


def _webhooks(session: Session, settings: SourceSettings, seen: Situation) -> WebhookObject | None:
    """None without a door; what happened before the hub knew the source was nobody's to tell."""
    row = seen.door.sources.get(settings.name)
    source = load_adapter(settings.type).source
    if settings.webhook is None or row is None or source is None:
        return None
    since = max(row.first_seen_at, seen.now - COUNTED)
    types = [fact.event_type() for fact in source.tells]
    told = first_seen.told(session, settings.name, types, since=since)
    return WebhookObject(since=since, expected=told.expected, lost=told.lost)
