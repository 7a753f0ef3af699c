"""Objects at targets that nothing wants and no receipt names, kept until a delivery has removed them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import delete
from sqlmodel import Session, col, select

from hub.store.statements import upsert, values_of
from hub.store.tables import StrayRow


def put(session: Session, rows: Sequence[StrayRow]) -> None:
    """Remember them; one that is known already is described anew."""
    upsert(session, StrayRow, [values_of(row) for row in rows])


def of_keys(session: Session, *, sink: str, keys: Sequence[str]) -> Mapping[str, list[StrayRow]]:
    """What is to be removed with each of these keys."""
    found: dict[str, list[StrayRow]] = defaultdict(list)
    for row in session.exec(
        select(StrayRow)
        .where(StrayRow.sink == sink, col(StrayRow.key).in_(keys))
        .order_by(col(StrayRow.external_id))
    ):
        found[row.key].append(row)
    return found


def forget(session: Session, *, sink: str, key: str, external_ids: Sequence[str]) -> None:
    """These are gone from the target."""
    session.exec(
        delete(StrayRow).where(
            col(StrayRow.sink) == sink,
            col(StrayRow.key) == key,
            col(StrayRow.external_id).in_(external_ids),
        )
    )
