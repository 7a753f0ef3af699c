"""The paths of the stand-in: dated ones and, for HubSpot's own clients, the older ones."""

import re

from adapters.simulation import RefusedError

Route = tuple[str, str, tuple[str, ...]]
"""Area, kind of object, and what stands behind them in the path."""

_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}(-beta)?")


def route_of(path: tuple[str, ...]) -> Route:
    """The same route for the dated and the older paths."""
    match path:
        case ("account-info", version, "details") if version == "v3" or _VERSION.fullmatch(version):
            return "account", "", ()
        case ("crm", "v3" | "v4", ("objects" | "properties") as area, kind, *rest):
            return area, kind, tuple(rest)
        case ("crm", ("objects" | "properties") as area, version, kind, *rest) if _VERSION.fullmatch(version):
            return area, kind, tuple(rest)
    raise RefusedError(404, "", "Not Found")


def properties_call(method: str, rest: tuple[str, ...]) -> str | None:
    return {("GET", 0): "definitions", ("POST", 0): "define", ("GET", 1): "definition"}.get(
        (method, len(rest))
    )


def objects_call(method: str, rest: tuple[str, ...]) -> str | None:
    match (method, *rest):
        case ("POST", "batch", "upsert"):
            return "upsert"
        case ("POST", ("search" | "merge") as named):
            return named
        case ("GET", _, "associations", "contacts"):
            return "associations"
        case ("PUT", _, "associations", "default", "contacts", _):
            return "associate"
        case ("POST",):
            return "create"
        case ("GET",):
            return "list"
        case (("GET" | "PATCH" | "DELETE") as verb, _):
            return {"GET": "read", "PATCH": "update", "DELETE": "archive"}[verb]
    return None
