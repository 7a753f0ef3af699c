"""What sinks without an outside system publish: the documents behind the feeds of this hub.

Like a target's receipts they are no part of any projection: a rebuild leaves them alone, and a newer
state is never overwritten by an older one of the same log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from adapters.errors import TransientError
from adapters.publishing import Document
from hub.errors import StoreError
from hub.store.database import Database, T, Work
from hub.store.statements import insert_for, table_of, upsert, values_of
from hub.store.tables import PublishedRow


@dataclass(frozen=True, slots=True)
class Page:
    """What a feed shows at one moment, in the order of time, and when it began to show just that."""

    contents: tuple[str, ...]
    changed_at: datetime | None


class StorePublication:
    """The documents of one sink, as its adapter sees them."""

    def __init__(self, database: Database, sink: str) -> None:
        self._database = database
        self._sink = sink

    async def publish(self, document: Document) -> Document:
        return await self._write(partial(put, sink=self._sink, document=document))

    async def find(self, key: str, part: str) -> Document | None:
        return await self._read(partial(get, sink=self._sink, key=key, part=part))

    async def every(self) -> Sequence[Document]:
        return await self._read(partial(every, sink=self._sink))

    async def _write(self, work: Work[T]) -> T:
        try:
            return await self._database.write(work)
        except StoreError as error:
            raise TransientError(f"the hub's own store: {error}") from error

    async def _read(self, work: Work[T]) -> T:
        try:
            return await self._database.read(work)
        except StoreError as error:
            raise TransientError(f"the hub's own store: {error}") from error


def put(session: Session, *, sink: str, document: Document) -> Document:
    """Keep a document, unless a later one of the same epoch is there; what stands there now."""
    columns = table_of(PublishedRow).c
    offered = insert_for(session, PublishedRow).excluded
    may_replace = or_(columns.epoch != offered["epoch"], columns.position <= offered["position"])
    upsert(session, PublishedRow, [values_of(_row(sink, document))], where=may_replace)
    return get(session, sink=sink, key=document.key, part=document.part) or document


def get(session: Session, *, sink: str, key: str, part: str) -> Document | None:
    """What stands there, withdrawn or not."""
    wanted = select(PublishedRow).where(
        PublishedRow.sink == sink, PublishedRow.key == key, PublishedRow.part == part
    )
    row = session.exec(wanted).one_or_none()
    return None if row is None else _document(row)


def every(session: Session, *, sink: str) -> list[Document]:
    """All documents of a sink that are not withdrawn, by key and part."""
    wanted = select(PublishedRow).where(PublishedRow.sink == sink, col(PublishedRow.content).is_not(None))
    rows = session.exec(wanted.order_by(col(PublishedRow.key), col(PublishedRow.part)))
    return [_document(row) for row in rows]


def page(session: Session, *, sink: str, audience: str | None, now: datetime, past: timedelta) -> Page:
    """What is shown now: all that ended after `past` before, for one audience or for everybody."""
    since = now - past
    shown = session.exec(
        select(PublishedRow.content, PublishedRow.audiences)
        .where(
            PublishedRow.sink == sink,
            col(PublishedRow.content).is_not(None),
            col(PublishedRow.ends_at) >= since,
        )
        .order_by(col(PublishedRow.ends_at), col(PublishedRow.key), col(PublishedRow.part))
    )
    contents = tuple(
        content for content, audiences in shown if content and (audience is None or audience in audiences)
    )
    return Page(contents, _changed_at(session, sink, since=since, past=past))


def audiences(session: Session, *, sink: str, since: datetime) -> list[str]:
    """Who has a feed of their own with something in it."""
    rows = session.exec(
        select(PublishedRow.audiences).where(
            PublishedRow.sink == sink,
            col(PublishedRow.content).is_not(None),
            col(PublishedRow.ends_at) >= since,
        )
    )
    return sorted({str(audience) for row in rows for audience in row})


def _changed_at(session: Session, sink: str, *, since: datetime, past: timedelta) -> datetime | None:
    """When something was written, withdrawn, or became too old to be shown, whichever was last."""
    mine = PublishedRow.sink == sink
    written = session.exec(select(func.max(PublishedRow.changed_at)).where(mine)).one()
    ended = session.exec(
        select(func.max(PublishedRow.ends_at)).where(mine, col(PublishedRow.ends_at) < since)
    ).one()
    return max(filter(None, (written, ended + past if ended else None)), default=None)


def _row(sink: str, document: Document) -> PublishedRow:
    return PublishedRow(
        sink=sink,
        key=document.key,
        part=document.part,
        content=document.content,
        audiences=list(document.audiences),
        fingerprint=document.fingerprint,
        ends_at=document.ends_at,
        sequence=document.sequence,
        epoch=document.epoch,
        position=document.position,
        changed_at=document.changed_at,
    )


def _document(row: PublishedRow) -> Document:
    return Document(
        key=row.key,
        part=row.part,
        content=row.content,
        audiences=tuple(row.audiences),
        fingerprint=row.fingerprint,
        ends_at=row.ends_at,
        sequence=row.sequence,
        epoch=row.epoch,
        position=row.position,
        changed_at=row.changed_at,
    )
