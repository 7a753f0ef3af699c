"""`match`: which bookings a sink takes. Part of the desired state, so it is asked wherever that is decided.

Pure: a booking is turned into the texts that patterns are compared with, and each key is asked in turn.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from events.state import Booking
from hub.settings.patterns import Condition, Patterns

SHOWN = 3
_NOTHING = "empty"

Objects = tuple[tuple[str, ...], ...]


class Match(BaseModel):
    """Every key that is given has to hold; absent is everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Patterns | None = Field(None, description="name of the source")
    meeting_type: Patterns | None = Field(None, description="id, slug or name of the meeting type")
    host: Patterns | None = Field(None, description="id, mail address or name of any host")
    attendee: Patterns | None = Field(
        None, description="id, mail address, telephone number or name of any attendee who has not left"
    )
    channel: Patterns | None = Field(None, description="how people meet, as the provider names it")
    metadata: dict[str, Patterns] | None = Field(
        None, description="keys of the booking's metadata, each with a pattern"
    )
    group: bool | None = Field(None, description="whether it is a group booking; unknown counts as false")

    def mismatch(self, booking: "Booking | Facets") -> "Mismatch | None":
        """The first key that does not hold; None if the sink takes the booking."""
        facets = facets_of(booking) if isinstance(booking, Booking) else booking
        for key, condition, objects in self._asked(facets):
            if not condition.holds(name for names in objects for name in names):
                return Mismatch(key, _shown(objects), str(condition))
        if self.group is not None and self.group != facets.group:
            return Mismatch("group", _yes(facets.group), _yes(self.group))
        return None

    def takes(self, booking: "Booking | Facets") -> bool:
        """Whether the sink takes the booking."""
        return self.mismatch(booking) is None

    @property
    def written(self) -> dict[str, Any]:
        """The keys that are given, as they stand in a file; equal for equal meanings."""
        given: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Condition):
                given[name] = value.written
            elif isinstance(value, dict):
                given[name] = {key: condition.written for key, condition in value.items()}
            elif value is not None:
                given[name] = value
        return {name: value for name, value in given.items() if value != {}}

    def _asked(self, facets: "Facets") -> Iterable[tuple[str, Condition, "Objects"]]:
        for name in ("source", "meeting_type", "host", "attendee", "channel"):
            condition = getattr(self, name)
            if condition is not None:
                yield name, condition, getattr(facets, name)
        for key, condition in (self.metadata or {}).items():
            yield f"metadata.{key}", condition, facets.metadata.get(key, ())


EVERYTHING = Match()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a sink does not take a booking. `shown` may name a guest: it is told, never stored."""

    key: str
    shown: str
    wanted: str

    def told(self, sink: str) -> str:
        """The reason as a sentence."""
        return f"{self.key} is {self.shown}, {sink} wants {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """A booking as `match` sees it: for each key what is there, each thing by all its names."""

    source: Objects = ()
    meeting_type: Objects = ()
    host: Objects = ()
    attendee: Objects = ()
    channel: Objects = ()
    metadata: Mapping[str, Objects] = field(default_factory=dict)
    group: bool = False


def facets_of(booking: Booking) -> Facets:
    """The facets of a booking; where everybody has left, those who were there still count."""
    kind = booking.meeting_type
    people = booking.present or booking.attendees
    return Facets(
        source=named([booking.source]),
        meeting_type=named([kind.slug, kind.id, kind.name] if kind else []),
        host=named(*([host.email, host.id, host.name] for host in booking.hosts)),
        attendee=named(*([one.email, one.phone, one.name, one.attendee_id] for one in people)),
        channel=named([booking.channel]),
        metadata={key: metadata_texts(value) for key, value in booking.metadata.items()},
        group=bool(booking.group),
    )


def named(*things: Iterable[str | None]) -> Objects:
    """Things by their names, the one that is shown first; what has no name is not there."""
    found = (tuple(name.strip() for name in names if name and name.strip()) for names in things)
    return tuple(names for names in found if names)


def metadata_texts(value: object) -> Objects:
    """A value of any kind: of a list each member, of a map nothing."""
    if isinstance(value, (list, tuple)):
        return tuple(names for item in value for names in metadata_texts(item))
    if isinstance(value, bool):
        return named([_yes(value)])
    return named([str(value)]) if isinstance(value, (str, int, float)) else ()


def _shown(objects: Objects) -> str:
    names = [names[0] for names in objects]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more or _NOTHING


def _yes(value: bool) -> str:
    return "true" if value else "false"
