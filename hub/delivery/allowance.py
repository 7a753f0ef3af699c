"""What the guard still lets pass of what no new fact asks for, while keys are handed out."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session

from hub.store import guard as guards
from hub.store import sinks
from hub.store.guard import HELD, UNTIL_LET_GO
from hub.store.tables import DeliveryRow

UNDECIDED = timedelta(seconds=1)
"""How long a row waits while others are being sent of which nobody knows yet whether they change anything."""


class Allowance:
    """Decides within one transaction; the store is asked when the first row comes that needs it."""

    def __init__(self, session: Session, sink: str, *, guard: int | None, now: datetime) -> None:
        self._session = session
        self._sink = sink
        self._guard = guard
        self._now = now
        self._left: int | None = None
        self._undecided = 0

    def wait_for(self, rows: Sequence[DeliveryRow], *, changes: bool) -> datetime | None:
        """Until when the rows of a key have to wait; None if they may be delivered now.

        Where a fact is among them they may, for they end in one call. So they may where the target holds
        nothing that could be changed or removed. What is over the guard waits for a person, and all
        others of its kind with it.
        """
        if self._guard is None or not changes or any(row.guard is None for row in rows):
            return None
        if any(row.guard == HELD for row in rows):
            return UNTIL_LET_GO
        left = self._ask()
        if left > 0:
            self._left = left - 1
            self._undecided += 1
            return None
        if self._undecided:
            return self._now + UNDECIDED
        guards.hold(self._session, self._sink, now=self._now)
        return UNTIL_LET_GO

    def _ask(self) -> int:
        if self._left is None:
            sinks.lock(self._session, self._sink)  # two processes must not both use what is left
            used = guards.used(self._session, self._sink, now=self._now)
            self._undecided = guards.under_way(self._session, self._sink)
            self._left = (self._guard or 0) - used - self._undecided
        return self._left
