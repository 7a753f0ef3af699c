"""What an entry in somebody's calendar says about a booking: pure, the same for every kind of calendar."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.template_fields import booking_fields
from adapters.templates import Piece, Template, TemplateText, clean, cut
from events.state import Booking

TITLE_LIMIT = 1024
LOCATION_LIMIT = 1024
DESCRIPTION_LIMIT = 8192
UNNAMED = "Booking"

Mark = Literal["none", "cancelled", "some_absent", "all_absent"]
OnCancel = Literal["delete", "mark"]
OnNoShow = Literal["mark", "keep"]


class EntryTexts(BaseModel):
    """What an entry says; a line of the description whose fields are all empty is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: TemplateText = Template.parse("{meeting_type.name}: {attendees.names}")
    description: TemplateText = Template.parse("{notes}\nMove or cancel: {reschedule_link}")
    location: TemplateText = Template.parse("{link|location}")
    show_as: Literal["free", "busy"] = Field(
        "free", description="free: the time stays bookable; the provider writes its own, busy entry"
    )


@dataclass(frozen=True, slots=True)
class EntryWords:
    """The texts of one entry; the description is escaped but not cut, since only who escapes knows where."""

    title: str
    description: str
    location: str
    free: bool
    mark: Mark


def entry_words(
    booking: Booking,
    texts: EntryTexts,
    *,
    on_no_show: OnNoShow,
    timezone: str,
    escape: Callable[[str], str],
) -> EntryWords:
    """What the entry of this booking says, cancelled or not; `escape` makes guests' words harmless there."""
    fields = booking_fields(booking, timezone)
    mark, prefix = _mark(booking, on_no_show)
    title = texts.title.render(fields, limit=TITLE_LIMIT, single_line=True).strip(" :,-") or UNNAMED
    location = texts.location.render(fields, limit=LOCATION_LIMIT, single_line=True)
    line = _absent(booking, escape) if mark in ("some_absent", "all_absent") else ""
    return EntryWords(
        title=cut(_flat(f"{prefix}{title}"), TITLE_LIMIT),
        description="\n".join(filter(None, (line, _lines(texts.description, fields, escape)))),
        location=cut(_flat(location), LOCATION_LIMIT),
        free=texts.show_as == "free" or mark == "cancelled",
        mark=mark,
    )


def _mark(booking: Booking, on_no_show: OnNoShow) -> tuple[Mark, str]:
    """What has become of the meeting, and what the title begins with."""
    if booking.status == "cancelled":
        return "cancelled", "Cancelled: "
    if booking.no_show == "none" or on_no_show == "keep":
        return "none", ""
    if booking.no_show == "all":
        return "all_absent", "No-show: "
    missing = sum(attendee.no_show for attendee in booking.present)
    return "some_absent", f"No-show {missing} of {len(booking.present)}: "


def _absent(booking: Booking, escape: Callable[[str], str]) -> str:
    missing = (attendee.name for attendee in booking.present if attendee.no_show and attendee.name)
    names = ", ".join(escape(clean(name, single_line=True)) for name in missing)
    return f"Did not show up: {names}" if names else ""


def _lines(template: Template, fields: Mapping[str, object], escape: Callable[[str], str]) -> str:
    """The text without the lines whose fields are all empty."""
    lines = [line for line in _split(template.pieces) if not _only_empty_fields(line, fields)]
    texts = (Template("", line).render(fields, escape=escape, limit=DESCRIPTION_LIMIT) for line in lines)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(texts)).strip()


def _only_empty_fields(line: tuple[Piece, ...], fields: Mapping[str, object]) -> bool:
    values = tuple(piece for piece in line if not isinstance(piece, str))
    return bool(values) and not Template("", values).render(fields).strip()


def _split(pieces: Iterable[Piece]) -> Iterable[tuple[Piece, ...]]:
    line: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, str):
            line.append(piece)
            continue
        first, *rest = piece.split("\n")
        line.append(first)
        for following in rest:
            yield tuple(line)
            line = [following]
    yield tuple(line)


def _flat(text: str) -> str:
    return " ".join(text.split())
