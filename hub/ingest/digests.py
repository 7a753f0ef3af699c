"""Recognises a body that came before. Only informative: what happens to a duplicate is the same."""

from collections import OrderedDict
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, select

from hub.errors import StoreError
from hub.store import inbox
from hub.store.database import Database
from hub.store.tables import InboxRow

_log = structlog.get_logger(__name__)


class KnownDigests:
    """The digests of the last 30 days, in memory as far as they fit, else in the store.

    A store that other hubs write to (PostgreSQL) is always asked, since their receipts never pass here.
    """

    def __init__(self, database: Database, *, most: int = 100_000) -> None:
        self._database = database
        self._most = most
        self._received: OrderedDict[bytes, float] = OrderedDict()
        self._complete = False

    async def load(self, *, now: datetime) -> None:
        """Read what the store knows; called once before the first webhook."""

        def newest(session: Session) -> list[tuple[str, datetime]]:
            wanted = select(InboxRow.digest, InboxRow.received_at).where(
                col(InboxRow.received_at) >= now - inbox.KEPT
            )
            return list(session.exec(wanted.order_by(col(InboxRow.received_at).desc()).limit(self._most + 1)))

        rows = await self._database.read(newest)
        for digest, received_at in reversed(rows):
            self.add(digest, received_at=received_at)
        self._complete = len(rows) <= self._most and self._database.dialect == "sqlite"

    async def know(self, digest: str, *, now: datetime) -> bool:
        """Whether this digest was received before; an unreachable store counts as no."""
        received = self._received.get(bytes.fromhex(digest))
        if received is not None:
            return now.timestamp() - received <= inbox.KEPT / timedelta(seconds=1)
        if self._complete:
            return False
        try:
            return digest in await self._database.read(
                lambda session: inbox.known_digests(session, [digest], now=now)
            )
        except StoreError as error:
            _log.warning("digest_unknown", error=type(error).__name__)
            return False

    def add(self, digest: str, *, received_at: datetime) -> None:
        """Remember a receipt that is stored."""
        key = bytes.fromhex(digest)
        self._received[key] = received_at.timestamp()
        self._received.move_to_end(key)
        if len(self._received) > self._most:
            self._received.popitem(last=False)
            self._complete = False
