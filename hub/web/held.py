"""What the guard keeps for a person, shown before it is let go; what was shown is what is let go."""

import hashlib
import json
from collections.abc import Sequence

from sqlmodel import Session

from hub.projections.current import current_booking, current_contact
from hub.projections.matching import wants
from hub.settings.models import SinkSettings
from hub.store import guard
from hub.store.tables import DeliveryRow
from hub.web.hub_objects import HeldObject
from hub.web.present import delivery_object
from hub.web.problems import ProblemError
from hub.web.services import SinkKind

SHOWN = 20


def held_object(session: Session, settings: SinkSettings, kind: SinkKind | None) -> HeldObject:
    """What waits at one sink, counted by what would happen to the objects."""
    rows = guard.held_rows(session, settings.name)
    removed = sum(_is_unwanted(session, settings, kind, row) for row in rows)
    return HeldObject(
        count=len(rows),
        remove=removed,
        change=len(rows) - removed,
        since=min((row.changed_at for row in rows), default=None),
        preview=_preview(rows),
        items=[delivery_object(row) for row in rows[:SHOWN]],
    )


def rows_to_let_go(session: Session, sink: str, preview: str | None) -> Sequence[DeliveryRow]:
    """The rows that are held now; raises ProblemError if others were shown."""
    rows = guard.held_rows(session, sink)
    if preview is not None and preview != _preview(rows):
        raise ProblemError(
            "preview-outdated",
            "other deliveries are held by now; look again",
            next=f"bookinghub sinks resume {sink} --dry-run",
        )
    return rows


def _is_unwanted(session: Session, settings: SinkSettings, kind: SinkKind | None, row: DeliveryRow) -> bool:
    load = current_contact if kind == "contact" else current_booking
    state = load(session, row.key)
    return state is not None and not wants(settings.match)(session, state, True)


def _preview(rows: Sequence[DeliveryRow]) -> str:
    """The same as long as the same rows are held."""
    listed = sorted((row.event_id, row.key) for row in rows)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
