"""Receipts of the last 30 days, so that they can be listed and repeated bodies be recognised."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, delete
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from hub.store.paging import Page, newest_first
from hub.store.statements import insert_new, table_of
from hub.store.tables import InboxRow, QuarantineRow

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """Which receipts are wanted; absent is all. `since` and `until` bound the time of receipt."""

    source: str | None = None
    status: str | None = None
    kind: str | None = None
    provider_ids: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        equal = {"source": self.source, "status": self.status, "kind": self.kind}
        found = [col(getattr(InboxRow, name)) == value for name, value in equal.items() if value is not None]
        if self.provider_ids is not None:
            found.append(col(InboxRow.provider_id).in_(self.provider_ids))
        if self.since is not None:
            found.append(col(InboxRow.received_at) >= self.since)
        if self.until is not None:
            found.append(col(InboxRow.received_at) < self.until)
        return found


def insert(session: Session, rows: Sequence[InboxRow]) -> int:
    """Add receipts and return how many are new; the inbox stream may hand one out twice."""
    return insert_new(session, rows)


_IDS = table_of(InboxRow).c.receipt_id
_KNOWN_IDS = select_columns(_IDS).where(_IDS.in_(bindparam("ids", expanding=True)))


def known_ids(session: Session, ids: Collection[str]) -> set[str]:
    """Those of these receipts that were seen before."""
    return set(session.connection().execute(_KNOWN_IDS, {"ids": list(ids)}).scalars())


def find(session: Session, prefix: str, *, limit: int = 20) -> list[InboxRow]:
    """Receipts whose id begins so, newest first."""
    starts = col(InboxRow.receipt_id).startswith(prefix, autoescape=True)
    return list(
        session.exec(select(InboxRow).where(starts).order_by(col(InboxRow.received_at).desc()).limit(limit))
    )


def listing(
    session: Session, wanted: InboxFilter, *, limit: int | None = 50, cursor: str | None = None
) -> Page[InboxRow]:
    """Receipts, newest first."""
    return newest_first(
        session,
        InboxRow,
        order=("received_at", "receipt_id"),
        where=wanted.conditions(),
        limit=limit,
        cursor=cursor,
    )


def known_digests(session: Session, digests: Iterable[str], *, now: datetime) -> set[str]:
    """Which of these bodies have been received in the time receipts are kept."""
    known = col(InboxRow.digest).in_(set(digests)), col(InboxRow.received_at) >= now - KEPT
    return set(session.exec(select(InboxRow.digest).where(*known)))


def expire(session: Session, *, now: datetime) -> int:
    """Delete receipts past their age; one in quarantine stays as long as it waits."""
    waiting = select(QuarantineRow.receipt_id).where(QuarantineRow.state == "waiting")
    return session.exec(
        delete(InboxRow).where(
            col(InboxRow.received_at) < now - KEPT,
            col(InboxRow.receipt_id).not_in(waiting),
        )
    ).rowcount
