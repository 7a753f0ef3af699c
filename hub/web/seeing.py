"""Requests about how the hub stands: one look answers them."""

from collections.abc import Sequence

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from hub.web.acting import services_of
from hub.web.fact_counts import FactCounts
from hub.web.paging import respond
from hub.web.problems import invalid
from hub.web.selectors import Selection
from hub.web.situation import Situation, read_situation


async def look(request: Request) -> Situation:
    """How the hub stands now."""
    counts = request.app.state.fact_counts
    assert isinstance(counts, FactCounts)  # noqa: S101 - a mistake of the program, never of a caller
    return await read_situation(services_of(request), counts)


def respond_whole(request: Request, items: Sequence[BaseModel]) -> Response:
    """A list that is never cut and takes no selectors."""
    for name in request.query_params:
        if name != "limit":
            raise invalid(f"/{name}", f"unknown selector {name[:40]!r}; this list takes none")
    shown = [item.model_dump(mode="json") for item in items]
    return respond(request, shown, next=None, selection=Selection())
