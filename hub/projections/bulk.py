"""Many rows at once, with as little between the values and the driver as possible.

A rebuild is bound by what Python does per row. So the statement of a table is composed once, and only
the values that need it are turned into what the driver takes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from pydantic_core import to_json
from sqlmodel import Session

from hub.store.columns import JsonDocument, UtcDateTime
from hub.store.statements import Insert, insert_for, table_of
from hub.store.tables import Row

Values = dict[str, Any]
Change = Callable[[Insert], Mapping[str, Any]]


def as_offered(_: Insert) -> Mapping[str, Any]:
    """Every column takes the new value."""
    return {}


class _Statement:
    """The upsert of one table in the words of one database."""

    def __init__(self, session: Session, model: type[Row], change: Change) -> None:
        table, dialect = table_of(model), session.get_bind().dialect
        insert = insert_for(session, model)
        keys = [column.key for column in table.primary_key]
        replaced = {c.key: insert.excluded[c.key] for c in table.columns if c.key not in keys}
        upsert = insert.on_conflict_do_update(index_elements=keys, set_={**replaced, **change(insert)})
        compiled = upsert.compile(dialect=dialect)
        self.text = str(compiled)
        self._order = itemgetter(*compiled.positiontup) if compiled.positiontup else None
        self._converters = [(c.key, to_json_text) for c in table.columns if isinstance(c.type, JsonDocument)]
        if dialect.name == "sqlite":
            self._converters += [(c.key, _moment) for c in table.columns if isinstance(c.type, UtcDateTime)]

    def parameters(self, rows: Sequence[Values]) -> list[Any]:
        for name, convert in self._converters:
            for row in rows:
                value = row[name]
                if value is not None:
                    row[name] = convert(value)
        return list(rows) if self._order is None else list(map(self._order, rows))


_statements: dict[tuple[str, type[Row], Change], _Statement] = {}


def write_rows(
    session: Session, model: type[Row], rows: Sequence[Values], *, change: Change = as_offered
) -> None:
    """Insert rows, or replace those with the same key; `change` names columns that are set otherwise.

    Every row names every column and is used up. A JSON column takes a document or its text.
    """
    if not rows:
        return
    key = (session.get_bind().dialect.name, model, change)
    statement = _statements.get(key) or _statements.setdefault(key, _Statement(session, model, change))
    session.connection().exec_driver_sql(statement.text, statement.parameters(rows))


def to_json_text(value: Any) -> str:
    """A document as text; text is one already."""
    return value if isinstance(value, str) else to_json(value).decode()


def _moment(value: datetime) -> str:
    """As `UtcDateTime` keeps it in SQLite: UTC, of fixed width."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
