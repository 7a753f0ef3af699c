"""What reading needs of the event log; `hub.log.event_log.EventLog` is one, the tests have another."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from events import Envelope


class StoredEvent(Protocol):
    """An event as it lies in the log, not opened."""

    @property
    def position(self) -> int: ...

    @property
    def recorded_at(self) -> datetime: ...


class FeedState(Protocol):
    """How far the log reaches, and when its stream was made."""

    @property
    def last(self) -> int: ...

    @property
    def created_at(self) -> str: ...


class Bell(Protocol):
    """Rings when something may have been appended."""

    async def wait(self, timeout: float) -> bool: ...

    async def close(self) -> None: ...


class Feed(Protocol):
    """The log, read forwards."""

    async def read(self, after: int, limit: int) -> list[Envelope]:
        """The next events after a position; empty at the end, GapError if one is missing."""
        ...

    async def read_raw(self, after: int, limit: int) -> Sequence[StoredEvent]:
        """The same, unopened."""
        ...

    async def event_id_at(self, position: int) -> str | None:
        """The id of the event there, from the log's leader."""
        ...

    async def state(self) -> FeedState: ...

    async def doorbell(self) -> Bell: ...
