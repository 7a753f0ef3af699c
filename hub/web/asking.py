"""What the modules of the API share: reading selectors, answering with objects."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from hub.web.objects import ProblemObject
from hub.web.problems import MEDIA_TYPE, invalid
from hub.web.selectors import PAGING, Reader, Selection
from hub.web.services import HubServices
from hub.web.wire import encode

ObjectT = TypeVar("ObjectT", bound=BaseModel)

PROBLEMS: Mapping[int | str, dict[str, Any]] = {
    "4XX": {"model": ProblemObject, "content": {MEDIA_TYPE: {}}, "description": "A problem of the request"},
    "5XX": {"model": ProblemObject, "content": {MEDIA_TYPE: {}}, "description": "A problem of the hub"},
}


class Listed(BaseModel, Generic[ObjectT]):
    """A page of a list."""

    items: list[ObjectT]
    next: str | None


def gives(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The documented answers of a route."""
    return {status: {"model": model}, **PROBLEMS}


def takes(*selectors: str) -> dict[str, Any]:
    """The documented query of a list."""
    names = [*selectors, *sorted(PAGING)]
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in names
        ]
    }


def read_selection(
    request: Request, services: HubServices, allowed: Sequence[str], states: Sequence[str] = ()
) -> Selection:
    """The selectors of a list's query."""
    return reader(services, (*allowed, *PAGING), states).read(request.query_params.multi_items())


def reader(services: HubServices, allowed: Sequence[str], states: Sequence[str]) -> Reader:
    """A reader for these selectors; times without a zone are the hub's."""
    zone = ZoneInfo(services.settings.hub.timezone)
    return Reader(frozenset(allowed), states, services.clock.now(), zone)


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; no body is an empty one."""
    if not (await request.body()).strip():
        return {}
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise invalid("", "the body is not JSON") from error
    if not isinstance(body, dict):
        raise invalid("", "the body has to be a JSON object")
    return body


def take_flag(body: dict[str, Any], name: str) -> bool:
    """Remove a yes or no from the body; absent is no."""
    value = body.pop(name, False)
    if not isinstance(value, bool):
        raise invalid(f"/{name}", f"{name} is true or false")
    return value


def take_text(body: dict[str, Any], name: str, *, longest: int = 200) -> str | None:
    """Remove a text from the body; absent is None."""
    value = body.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest or not value.isprintable():
        raise invalid(f"/{name}", f"{name} is a text of 1 to {longest} characters in one line")
    return value.strip()


def refuse_rest(body: Mapping[str, Any]) -> None:
    """Whatever nobody took is unknown, and never ignored."""
    for name in body:
        raise invalid(f"/{name}", f"unknown member {name[:40]!r}")


def answer(shown: BaseModel | Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """One object as JSON; header names are written with underscores."""
    value = shown.model_dump(mode="json") if isinstance(shown, BaseModel) else dict(shown)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(encode(value), status, media_type="application/json", headers=named)
