"""Lists on the wire: `{items, next}` or NDJSON, cut at a limit and continued by an opaque cursor."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from hub.store.paging import BadCursorError, Page, RowT, newest_first
from hub.web.problems import ProblemError, invalid
from hub.web.selectors import Selection
from hub.web.wire import encode

NDJSON = "application/x-ndjson"


def read_page(
    session: Session,
    model: type[RowT],
    *,
    order: Sequence[str],
    where: Sequence[ColumnElement[bool]],
    selection: Selection,
) -> Page[RowT]:
    """One page of a list; the cursor fits this list with these selectors only."""
    try:
        page = newest_first(
            session,
            model,
            order=order,
            where=where,
            limit=selection.limit,
            cursor=_unseal(model.__name__, selection),
        )
    except BadCursorError as error:
        raise _foreign() from error
    return Page(page.items, page.next and _seal(model.__name__, selection, page.next))


def page_of(
    items: Sequence[Mapping[str, Any]], *, kind: str, selection: Selection, name: Callable[[Any], str]
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """A page of a list that is made anew each time; `name` tells its items apart, in whatever order.

    A cursor whose item is gone by now leads nowhere: the list has to be begun again.
    """
    after = _unseal(kind, selection)
    names = [name(item) for item in items]
    if after is not None and after not in names:
        raise ProblemError("preview-outdated", "the list has changed; begin again without the cursor")
    first = 0 if after is None else names.index(after) + 1
    page = items[first : first + selection.limit]
    more = first + len(page) < len(items)
    return page, _seal(kind, selection, names[first + len(page) - 1]) if more else None


def respond(
    request: Request, items: Sequence[Mapping[str, Any]], *, next: str | None, selection: Selection
) -> Response:
    """The page as the caller wants it; times that had to be completed are named in a header."""
    headers = {}
    if selection.read_as:
        headers["Selectors-Read-As"] = ", ".join(f"{name}={at}" for name, at in selection.read_as.items())
    if NDJSON in request.headers.get("accept", ""):
        lines = [encode(item) for item in items]
        if next:
            lines.append(encode({"next": next}))
        return Response(b"".join(line + b"\n" for line in lines), media_type=NDJSON, headers=headers)
    body = encode({"items": list(items), "next": next})
    return Response(body, media_type="application/json", headers=headers)


def _seal(kind: str, selection: Selection, cursor: str) -> str:
    return f"{_check(kind, selection, cursor)}.{cursor}"


def _unseal(kind: str, selection: Selection) -> str | None:
    if selection.cursor is None:
        return None
    check, _, cursor = selection.cursor.partition(".")
    if check != _check(kind, selection, cursor):
        raise _foreign()
    return cursor


def _check(kind: str, selection: Selection, cursor: str) -> str:
    text = json.dumps([kind, selection.named, cursor])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _foreign() -> ProblemError:
    return invalid(
        "/cursor", "this cursor belongs to another list or other selectors; begin again without it"
    )
