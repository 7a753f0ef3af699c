"""Between bookings and the text of a feed; pure."""

from collections.abc import Sequence
from datetime import timedelta

from icalendar import Event, vDuration, vText

from adapters.ical import EntryContent, new_calendar, read_content
from adapters.ics_feed.config import IcsFeedConfig
from adapters.publishing import Feed
from events.state import Booking

_END = "END:VCALENDAR\r\n"


def feed_of(config: IcsFeedConfig) -> Feed:
    """How the entries are shown together, and to whom."""

    def render(entries: Sequence[str], audience: str | None) -> str:
        name = f"{config.name}: {audience}" if audience else config.name
        return calendar_text(entries, name=name, refresh=config.refresh)

    tokens = (token for token in (config.token, config.previous_token) if token is not None)
    return Feed(
        tokens=tuple(token.get_secret_value() for token in tokens),
        media_type="text/calendar; charset=utf-8",
        suffix=".ics",
        past=config.past,
        render=render,
    )


def calendar_text(entries: Sequence[str], *, name: str, refresh: timedelta) -> str:
    """The whole feed around entries that are written already."""
    calendar = new_calendar()
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("name", vText(name))
    calendar.add("x-wr-calname", vText(name))
    calendar.add("refresh-interval", refresh, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(refresh))
    head = calendar.to_ical().decode().removesuffix(_END)
    return "".join((head, *entries, _END))


def entry_text(event: Event) -> str:
    """One entry as it stands in a feed."""
    return str(event.to_ical().decode())


def shown_content(text: str) -> EntryContent:
    """What such an entry shows."""
    event = Event.from_ical(text)
    if not isinstance(event, Event):
        raise TypeError("what was published is no entry")
    return read_content(event)


def audiences_of(booking: Booking) -> tuple[str, ...]:
    """The hosts in whose own feeds it stands, by mail address where they have one, else by id."""
    return tuple(dict.fromkeys((host.email or host.id).strip().lower() for host in booking.hosts))
