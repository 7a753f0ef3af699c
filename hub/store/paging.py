"""Lists, newest change first, that can be read on from where they were cut."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, literal, tuple_
from sqlmodel import Session, select

from hub.store.statements import table_of
from hub.store.tables import Row

RowT = TypeVar("RowT", bound=Row)


class BadCursorError(ValueError):
    """The cursor was not made by this list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """Some rows and, if there are more, the cursor that leads to them."""

    items: tuple[RowT, ...]
    next: str | None


def newest_first(
    session: Session,
    model: type[RowT],
    *,
    order: Sequence[str],
    where: Sequence[ColumnElement[bool]] = (),
    limit: int | None = 50,
    cursor: str | None = None,
) -> Page[RowT]:
    """Rows by descending `order`, which has to be unique, from where the cursor points; no limit = all."""
    columns = [table_of(model).c[name] for name in order]
    statement = select(model).where(*where).order_by(*(column.desc() for column in columns))
    if cursor is not None:
        statement = statement.where(tuple_(*columns) < tuple_(*_decode(cursor, columns)))
    if limit is not None:
        statement = statement.limit(limit + 1)
    rows = tuple(session.exec(statement))
    if limit is None or len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], _encode([getattr(last, name) for name in order]))


def _encode(values: Sequence[Any]) -> str:
    plain = [{"t": value.isoformat()} if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _decode(cursor: str, columns: Sequence[Column[Any]]) -> list[ColumnElement[Any]]:
    try:
        plain = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = [datetime.fromisoformat(v["t"]) if isinstance(v, dict) else v for v in plain]
        # Strict, so that a cursor of another list does not pass by being shorter.
        return [literal(value, column.type) for value, column in zip(values, columns, strict=True)]
    except (ValueError, KeyError, TypeError) as error:
        raise BadCursorError("not a cursor of this list") from error
