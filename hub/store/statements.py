"""The few statements that SQLite and PostgreSQL share and SQLAlchemy spells per database."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Delete, Table, bindparam, delete, inspect
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Session

from hub.store.tables import Row

Insert = SqliteInsert | PostgresInsert


def table_of(model: type[Row]) -> Table:
    """The table behind a class of rows."""
    table = inspect(model).local_table
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is no table")
    return table


@functools.cache
def _columns_of(model: type[Row]) -> tuple[tuple[str, bool], ...]:
    return tuple((column.key, bool(column.nullable)) for column in table_of(model).columns)


def values_of(row: Row) -> dict[str, Any]:
    """A row as the values of an INSERT; what may not be NULL and has no value yet is left to its default."""
    held = vars(row)  # five times as fast as the instrumented attributes, which is seen with many rows
    return {
        name: held.get(name)
        for name, nullable in _columns_of(type(row))
        if nullable or held.get(name) is not None
    }


def insert_for(session: Session, model: type[Row]) -> Insert:
    """An INSERT of this database's own kind, which knows ON CONFLICT and counts the rows it wrote."""
    return _insert(session.get_bind().dialect.name, model)


@functools.cache
def _insert(dialect: str, model: type[Row]) -> Insert:
    table = table_of(model)
    # Without the option an INSERT on PostgreSQL answers -1, which reads like "yes, written".
    counting = {"preserve_rowcount": True}
    if dialect == "postgresql":
        return postgres_insert(table).execution_options(**counting)
    return sqlite_insert(table).execution_options(**counting)


@functools.cache
def _insert_or_ignore(dialect: str, model: type[Row]) -> Insert:
    # Composed once: what SQLAlchemy does per statement costs more than the database with few rows.
    return _insert(dialect, model).on_conflict_do_nothing()


def insert_new(session: Session, rows: Sequence[Row]) -> int:
    """Insert rows of one table and return how many were new; a row with a known key stays as it is."""
    return insert_new_values(session, type(rows[0]), [values_of(row) for row in rows]) if rows else 0


def insert_new_values(session: Session, model: type[Row], values: Sequence[Mapping[str, Any]]) -> int:
    """The same for values; all must have the same names."""
    if not values:
        return 0
    statement = _insert_or_ignore(session.get_bind().dialect.name, model)
    return session.connection().execute(statement, values).rowcount


@functools.cache
def _delete_one(model: type[Row]) -> Delete:
    table = table_of(model)
    return delete(table).where(*(column == bindparam(column.key) for column in table.primary_key))


def delete_keys(session: Session, model: type[Row], keys: Sequence[Sequence[Any]]) -> None:
    """Delete the rows with these primary keys, given in the order of the table's columns."""
    names = [column.key for column in table_of(model).primary_key]
    if keys:
        parameters = [dict(zip(names, key, strict=True)) for key in keys]
        session.connection().execute(_delete_one(model), parameters)


def upsert(
    session: Session,
    model: type[Row],
    rows: Iterable[Mapping[str, Any]],
    *,
    keep: Sequence[str] = (),
    where: ColumnElement[bool] | None = None,
) -> int:
    """Insert rows, or replace those with the same key except for `keep`; return how many were written.

    A row in the way that does not satisfy `where` stays.
    """
    values = list(rows)
    if not values:
        return 0
    statement = insert_for(session, model)
    table = table_of(model)
    key = [column.key for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in values[0] if name not in key and name not in keep}
    conflict = statement.on_conflict_do_update(index_elements=key, set_=replaced, where=where)
    return session.exec(conflict, params=values).rowcount
