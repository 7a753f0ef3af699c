"""From a booking to the calendar entry that shows it: pure."""

import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapters.entry_texts import DESCRIPTION_LIMIT, Mark, entry_words
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.templates import cut
from events.state import Booking

COLOURS: Mapping[Mark, str | None] = {"none": None, "cancelled": "8", "some_absent": "6", "all_absent": "11"}
"""Of Google's fixed palette: graphite, tangerine, tomato."""

_CUT_ENTITY = re.compile(r"&[a-z0-9#]{0,6}(?=…?$)")


def entry_body(booking: Booking, config: GoogleCalendarConfig, timezone: str) -> dict[str, Any]:
    """The owned members of the entry that shows this booking, cancelled or not."""
    words = entry_words(
        booking, config.event, on_no_show=config.on_no_show, timezone=timezone, escape=_escape
    )
    body: dict[str, Any] = {
        "status": "confirmed",
        "summary": words.title,
        "start": _when(booking.start, timezone),
        "end": _when(booking.end, timezone),
        "transparency": "transparent" if words.free else "opaque",
    }
    optional = {
        "description": _cut_escaped(words.description),
        "location": words.location,
        "colorId": COLOURS[words.mark],
    }
    return body | {name: value for name, value in optional.items() if value}


def _escape(value: str) -> str:
    """Text for Google's limited HTML."""
    return html.escape(value, quote=False)


def _cut_escaped(text: str) -> str:
    """Cut to the limit, never inside an entity such as `&amp;`."""
    if len(text) <= DESCRIPTION_LIMIT:
        return text
    return _CUT_ENTITY.sub("", cut(text, DESCRIPTION_LIMIT))


def _when(moment: datetime, timezone: str) -> dict[str, str]:
    local = moment.astimezone(ZoneInfo(timezone))
    return {"dateTime": local.isoformat(timespec="seconds"), "timeZone": timezone}
