"""What a mirror would write for a state, without calling its target: shown to people, compared by digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.api import BookingMirror, ContactMirror
from events import Booking, Contact

Mirror = BookingMirror[Any] | ContactMirror[Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """The object wanted for one part; None = none is."""

    part: str
    object: Mapping[str, Any] | None


def parts_of(mirror: Mirror, state: Booking | Contact | None) -> tuple[str, ...]:
    """The objects wanted for this state, by name; none if it is wanted absent."""
    if state is None:
        return ()
    if isinstance(mirror, BookingMirror) and isinstance(state, Booking):
        return tuple(dict.fromkeys(mirror.parts(state)))
    return ("",)


def shows_previews(mirror: Mirror) -> bool:
    """Whether the adapter says what it would write."""
    return type(mirror).preview not in (BookingMirror.preview, ContactMirror.preview)


def previews(mirror: Mirror, state: Booking | Contact) -> tuple[Preview, ...]:
    """What would be written for this state now."""
    return tuple(Preview(part, _shown(mirror, state, part) or None) for part in parts_of(mirror, state))


def digest_of(mirror: Mirror, state: Booking | Contact | None, part: str) -> str | None:
    """A digest of the wanted object, the same at every position of the log; None if it is not shown."""
    if state is None or not shows_previews(mirror):
        return None
    try:
        wanted = _shown(mirror, state.model_copy(update={"position": 0}), part)
    except Exception:  # noqa: BLE001 - foreign code, asked for a convenience: what it does not say is unknown
        return None
    return object_digest(wanted) if wanted else None


def object_digest(wanted: Mapping[str, Any]) -> str:
    """Equal for equal objects, whatever the order of their members."""
    text = json.dumps(wanted, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digests_of(mirror: Mirror, state: Booking | Contact) -> dict[str, str] | None:
    """The digests of all objects wanted for a state, by part; None if the adapter does not show them."""
    if not shows_previews(mirror):
        return None
    found = {part: digest_of(mirror, state, part) for part in parts_of(mirror, state)}
    return {part: digest for part, digest in found.items() if digest is not None}


def _shown(mirror: Mirror, state: Any, part: str) -> dict[str, Any]:
    return mirror.preview(state, part)
