"""The provider's sample payloads, and small ones made here."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "payloads" / "meetergo"
WEBHOOKS = tuple(sorted(path.name for path in FOLDER.glob("webhook_booking_*.json")))


def document(name: str) -> Any:
    """One sample by file name."""
    return json.loads((FOLDER / name).read_bytes())


def payload(name: str) -> dict[str, Any]:
    """One sample that is an object."""
    return dict(document(name))


def created(**members: Any) -> dict[str, Any]:
    """The sample of a new booking with other members; `...` takes one away."""
    body = payload("webhook_booking_created.flat.json")
    for name, value in members.items():
        if value is ...:
            body.pop(name, None)
        else:
            body[name] = deepcopy(value)
    return body
