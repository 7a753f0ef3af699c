"""Which calls meetergo has; everything else is no route there, `GET /v4/appointment` included."""

from collections.abc import Mapping

from adapters.meetergo.simulated.refusals import refused
from adapters.simulation import Request

_ID = "{id}"
_ROUTES: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("v4", "user", "me"): {"GET": "user"},
    ("v4", "appointment", "paginated"): {"GET": "appointments"},
    ("v4", "appointment", _ID): {"GET": "appointment"},
    ("v4", "appointment", _ID, "reschedule"): {"POST": "reschedule"},
    ("v4", "appointment", _ID, "cancel"): {"POST": "cancel"},
    ("v4", "appointment", _ID, "notes"): {"PATCH": "note"},
    ("v4", "appointment", _ID, "guest"): {"PATCH": "guest.add", "DELETE": "guest.remove"},
    ("v4", "attendee", _ID, "no-show"): {"POST": "no_show"},
    ("v4", "booking"): {"POST": "booking"},
    ("v4", "booking-availability"): {"GET": "availability"},
    ("v4", "provisional-booking", "paginated"): {"GET": "provisional"},
    ("webhooks",): {"GET": "webhooks", "POST": "webhook.create"},
    ("webhooks", _ID): {"PATCH": "webhook.change", "DELETE": "webhook.remove"},
}


def route_of(request: Request) -> tuple[str, str]:
    """The name of the call and the id it is about; RefusedError for what is no route."""
    path = request.path
    found = [(path, "")]
    found += [
        ((*path[:place], _ID, *path[place + 1 :]), path[place]) for place in range(1, min(len(path), 3))
    ]
    for pattern, subject in found:
        call = _ROUTES.get(pattern, {}).get(request.method)
        if call:
            return call, subject
    raise refused(404, f"Cannot {request.method} this path")
