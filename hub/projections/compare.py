"""Two generations, row by row: what a rebuild must equal, and where it does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table, except_, select
from sqlmodel import Session

from hub.store import checkpoints
from hub.store.statements import table_of

MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not the same in both; None where it is missing. `columns` names what differs."""

    table: str
    key: tuple[Any, ...]
    columns: tuple[str, ...]
    live: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


def differences(session: Session, live: int, rebuilt: int, *, limit: int = MOST_SHOWN) -> list[Difference]:
    """The rows that differ between two generations, at most `limit` per table.

    Compared inside the database, so memory does not grow with the history.
    """
    found: list[Difference] = []
    for model in checkpoints.PROJECTION_TABLES:
        found += _of_table(session, table_of(model), live, rebuilt, limit)
    return found


def _of_table(session: Session, table: Table, live: int, rebuilt: int, limit: int) -> list[Difference]:
    keys = [column for column in table.primary_key if column.key != "generation"]
    ours = _only_in(session, table, keys, live, rebuilt, limit)
    theirs = _only_in(session, table, keys, rebuilt, live, limit)
    return [
        _difference(table.name, key, ours.get(key), theirs.get(key))
        for key in sorted({*ours, *theirs}, key=repr)[:limit]
    ]


def _only_in(
    session: Session, table: Table, keys: list[Column[Any]], here: int, there: int, limit: int
) -> dict[tuple[Any, ...], dict[str, Any]]:
    columns = [column for column in table.columns if column.key != "generation"]
    rows = [select(*columns).where(table.c.generation == number) for number in (here, there)]
    only = except_(*rows).subquery()
    found = session.execute(select(only).order_by(*(only.c[key.key] for key in keys)).limit(limit))
    return {tuple(row[key.key] for key in keys): dict(row) for row in found.mappings()}


def _difference(
    table: str, key: tuple[Any, ...], live: dict[str, Any] | None, rebuilt: dict[str, Any] | None
) -> Difference:
    return Difference(table, key, tuple(_differing(live, rebuilt)), live, rebuilt)


def _differing(live: dict[str, Any] | None, rebuilt: dict[str, Any] | None) -> Iterator[str]:
    if live is not None and rebuilt is not None:
        yield from (name for name in live if live[name] != rebuilt[name])
