"""Which sinks of a configuration take a booking, and why not: asked of files that need not be in effect."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.api import Source
from adapters.registry import load_adapter
from events.derive import derive
from hub.settings.match import EVERYTHING, Facets, facets_of, metadata_texts, named
from hub.settings.models import Settings

LARGEST_PAYLOAD = 256 * 1024


class UnreadablePayloadError(Exception):
    """No booking can be made of this payload; the message says why."""


@dataclass(frozen=True, slots=True)
class Route:
    """Whether one sink takes a booking; if not, `reason` says why and may name a guest."""

    takes: bool
    reason: str | None = None


def route(settings: Settings, facets: Facets) -> dict[str, Route]:
    """What each sink that is switched on does with a booking, in the order of the files."""
    found = {}
    for name, sink in settings.sinks.items():
        if sink.enabled:
            mismatch = (sink.match or EVERYTHING).mismatch(facets)
            found[name] = Route(mismatch is None, mismatch.told(name) if mismatch else None)
    return found


def facets_of_payload(settings: Settings, file: Path, *, source: str | None, now: datetime) -> Facets:
    """The booking that a webhook's body shows, as `match` sees it; raises UnreadablePayloadError."""
    payload = _read(file)
    reader = _reader(settings, payload, source)
    reading = reader.read(payload, received_at=now)
    if reading.snapshot is None:
        raise UnreadablePayloadError(f"{file}: {reading.outcome}: {reading.reason or reading.kind}")
    return facets_of(derive(None, reading.snapshot)[-1].booking)


def facets_of_object(shown: Mapping[str, Any]) -> Facets:
    """A booking as the API shows it, as `match` sees it."""
    kind = shown["meeting_type"] or {}
    present = [one for one in shown["attendees"] if not one["removed"]]
    return Facets(
        source=named([shown["source"]]),
        meeting_type=named([kind.get("slug"), kind.get("id"), kind.get("name")]),
        host=named(*([one["email"], one["id"], one["name"]] for one in shown["hosts"])),
        attendee=named(
            *(
                [one["email"], one["phone"], one["name"], one["attendee_id"]]
                for one in present or shown["attendees"]
            )
        ),
        channel=named([shown["channel"]]),
        metadata={key: metadata_texts(value) for key, value in shown["metadata"].items()},
        group=bool(shown["group"]),
    )


def _read(file: Path) -> Mapping[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_PAYLOAD + 1)
        payload = json.loads(data)
    except OSError as error:
        raise UnreadablePayloadError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadablePayloadError(f"{file}: not JSON") from error
    if len(data) > LARGEST_PAYLOAD or not isinstance(payload, dict):
        raise UnreadablePayloadError(f"{file}: not a JSON object of at most 256 KiB")
    return payload


def _reader(settings: Settings, payload: Mapping[str, Any], source: str | None) -> Source[Any]:
    """The source that reads the payload: the one that is named, else the only one that could."""
    if source is not None and source not in settings.sources:
        raise UnreadablePayloadError(f"there is no source {source}")
    names = settings.sources if source is None else (source,)
    able = [reader for name in names if (reader := _source(settings, name)).unwrap(payload) is not None]
    if len(able) != 1:
        known = ", ".join(settings.sources) or "none"
        what = "no source can read it" if not able else "several sources could read it; name one"
        raise UnreadablePayloadError(f"{what} (there are: {known})")
    return able[0]


def _source(settings: Settings, name: str) -> Source[Any]:
    entry = settings.sources[name]
    source_class = load_adapter(entry.type).source
    if source_class is None:
        raise UnreadablePayloadError(f"{name} is no source")
    return source_class(entry.config, instance=name)
