"""What of the sources needs a person: lost webhooks, polls that fail, keys that end, missing bookings."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.settings.models import SourceSettings
from hub.store.absent import Missing
from hub.store.tables import PollRow, SourceRow
from hub.web.services import HubServices
from hub.web.situation import Situation

KEY_EXPIRES_SOON = timedelta(days=14)
FAILING_FOR = timedelta(minutes=15)
"""Shorter outages of a provider pass by themselves; more than two polls have to have failed too."""

_UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


@dataclass(frozen=True, slots=True)
class SourceIssue:
    """One thing that is wrong with a source now."""

    code: str
    source: str
    since: datetime | None
    detail: str
    first: str = ""


def find_source_issues(services: HubServices, seen: Situation) -> Iterator[SourceIssue]:
    """The issues of every source that is switched on."""
    for name, settings in services.settings.sources.items():
        if not settings.enabled:
            continue
        row, poll = seen.door.sources.get(name), seen.door.polls.get(name)
        if settings.key_expires is not None and settings.key_expires - seen.now <= KEY_EXPIRES_SOON:
            yield _key(name, settings.key_expires, seen.now)
        if poll is not None:
            yield from _of_poll(settings, row, poll, seen.now)
            yield from _of_webhooks(settings, row, poll, seen.now)
        gone = [one for one in seen.door.missing if one.source == name and _is_to_come(one, seen.now)]
        if gone:
            count = f"{len(gone)} {'booking' if len(gone) == 1 else 'bookings'}"
            yield SourceIssue("booking_missing", name, gone[0].since, count, gone[0].booking_id)


def lasting(duration: timedelta) -> str:
    """About how long, in the largest unit that fits: `3 h`."""
    for unit, name in _UNITS:
        if duration >= unit:
            return f"{duration // unit} {name}"
    return "less than a minute"


def _key(name: str, expires: datetime, now: datetime) -> SourceIssue:
    when = f"it ended on {expires:%d %b %Y}" if expires <= now else f"in {lasting(expires - now)}"
    return SourceIssue("key_expires", name, expires - KEY_EXPIRES_SOON, when)


def _of_poll(
    settings: SourceSettings, row: SourceRow | None, poll: PollRow, now: datetime
) -> Iterator[SourceIssue]:
    """A source that is not asked at all says so by an issue of its own."""
    since, every = poll.failing_since, settings.poll.every
    if row is not None and row.state != "running":
        return
    if since is not None and every and now - since > max(FAILING_FOR, 2 * every):
        yield SourceIssue("poll_failing", settings.name, since, poll.error or "no reason given")


def _of_webhooks(
    settings: SourceSettings, row: SourceRow | None, poll: PollRow, now: datetime
) -> Iterator[SourceIssue]:
    if settings.webhook is None:
        return
    if poll.registered is False:
        yield SourceIssue("webhook_not_registered", settings.name, poll.checked_at, "")
    since, last = poll.silent_since, row.last_webhook_at if row else None
    if since is not None and settings.silence and (last is None or last <= since):
        changes = f"{poll.silent_changes} {'change' if poll.silent_changes == 1 else 'changes'}"
        detail = f"no webhook for {lasting(now - since)} though polls found {changes}"
        yield SourceIssue("webhook_silence", settings.name, since, detail)


def _is_to_come(one: Missing, now: datetime) -> bool:
    """What took place may be gone because the provider keeps nothing for long."""
    return one.start is not None and one.start > now
