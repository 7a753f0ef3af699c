"""The append-only log of facts: HUB_EVENTS, one subject per event id.

A subject takes one message for ever, so a second copy of a fact is refused however much later it
comes. See docs/adr/0001-the-log-in-jetstream.md.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NoReturn

from pydantic_core import from_json, to_json

from events.envelope import Envelope
from hub.errors import (
    ConcurrencyError,
    FactConflictError,
    GapError,
    LogError,
    LogMissingError,
    LogUnavailableError,
)
from hub.log.broker import JetStreamRefusedError, LogConnection
from hub.log.direct_get import DirectGet, Stored, TooManyResultsError
from hub.log.news import Doorbell
from hub.log.privacy import Privacy
from hub.log.publish import Message, expected_version, store
from hub.log.streams import accept_losses, stream_state
from hub.log.subjects import event_subject, history_filter, parse_event_subject, stream_filter, stream_name

NewEvent = Envelope
"""An event that is about to be appended: an envelope at position 0."""

History = tuple[str, str]
"""Source and provider id: the events of one booking id of the provider."""

_WRONG_LAST_SEQUENCE = 10071
_LAST_SEQUENCE_IN_PROCESS = 10164
_SUBJECT_TAKEN = 10077
_NO_MESSAGE = 10037

# The server allows 50 open batches per stream, for all hubs together.
_APPENDS_AT_ONCE = 12
_OPENED_AT_ONCE = 50
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class AppendedBatch:
    """Where the events of one append stand, in their order."""

    first_position: int
    last_position: int


@dataclass(frozen=True, slots=True)
class LogState:
    """The log as a whole; `created_at` differs from before if the stream was made anew.

    `missing` counts positions that are gone and not accepted as lost: anything but 0 is a divergence.
    """

    first: int
    last: int
    events: int
    bytes: int
    created_at: str
    missing: int = 0


class EventLog:
    """Appends with an expected version, reads one history, and follows all from a position."""

    def __init__(self, connection: LogConnection, privacy: Privacy, prefix: str) -> None:
        self._connection = connection
        self._privacy = privacy
        self._prefix = prefix
        self._stream = stream_name(prefix, "events")
        self._direct = DirectGet(connection, self._stream)
        self._appending = asyncio.Semaphore(_APPENDS_AT_ONCE)
        self._bells: set[Doorbell] = set()
        self._own_bell: Doorbell | None = None

    async def append(self, batch: Sequence[NewEvent], *, expected: Mapping[History, int]) -> AppendedBatch:
        """Store all events or none, if every history named in `expected` still ends at that position.

        `expected` names each history the batch writes to, 0 for one that is empty. ConcurrencyError:
        a history moved on, fetch and derive again. FactConflictError: a fact of the batch is already
        stored although the versions were right. LogUnavailableError: the outcome is unknown, read
        `head` before trying again; a derivation from the new head then finds nothing left to append.
        """
        messages = [event.to_message() for event in batch]
        await self._privacy.seal_all(messages)
        prepared = self._prepared(batch, messages, expected)
        async with self._appending:
            try:
                last = await store(self._connection, self._stream, prepared)
            except JetStreamRefusedError as error:
                _raise_refusal(error)
        for bell in self._bells:
            bell.ring()
        return AppendedBatch(last - len(batch) + 1, last)

    async def head(self, source: str, provider_id: str) -> tuple[Envelope | None, int]:
        """The newest event of one history and its position, which is the version to expect."""
        stored = await self._direct.last(history_filter(self._prefix, source, provider_id))
        if stored is None:
            return None, 0
        return (await self._opened([stored]))[0], stored.position

    async def history(self, source: str, provider_id: str) -> list[Envelope]:
        """All events of one history, oldest first."""
        pattern = history_filter(self._prefix, source, provider_id)
        try:
            return await self._opened(await self._direct.last_of_each([pattern]))
        except TooManyResultsError:
            return await self._opened(await self._every(pattern))

    async def read(self, after: int, limit: int) -> list[Envelope]:
        """The next events after a position, at most `limit` and 1,000; empty at the end of the log.

        GapError if one is missing and not yet accepted as lost. Whether `after` itself is still the
        event the caller saw is for the caller to check, with `event_id_at` and `state`.
        """
        return await self._opened(await self.read_raw(after, limit))

    async def read_raw(self, after: int, limit: int) -> list[Stored]:
        """The same as stored: sealed, not parsed."""
        stored = await self._direct.from_position(after + 1, limit)
        if stored and stored[-1].position != after + len(stored):
            await self._refuse_gaps(after, [one.position for one in stored])
        return stored

    async def at(self, position: int) -> Envelope | None:
        """The event at this position; asks the stream's leader, so None means that there is none."""
        stored = await self._from_leader(position)
        return (await self._opened([stored]))[0] if stored else None

    async def event_id_at(self, position: int) -> str | None:
        """The id of the event at this position, by its subject alone: proves a checkpoint."""
        stored = await self._from_leader(position)
        return parse_event_subject(stored.subject).event_id if stored else None

    async def state(self) -> LogState:
        """How far the log reaches; LogMissingError if there is no such stream."""
        state = await stream_state(self._connection, self._stream)
        if state is None:
            raise LogMissingError(f"NATS has no stream {self._stream}")
        return LogState(
            state.first, state.last, state.messages, state.bytes, state.created_at, max(0, state.missing)
        )

    @property
    def write_problem(self) -> str | None:
        """Why nothing is stored although the log can be read; None if nothing speaks for that."""
        return self._connection.writes.problem

    async def accept_losses(self) -> tuple[range, ...]:
        """Let readers pass what the server says is gone for good; part of handling a divergence."""
        return await accept_losses(self._connection, prefix=self._prefix)

    async def doorbell(self) -> Doorbell:
        """A bell of one's own; two readers sharing one would take each other's rings."""
        bell = Doorbell(self._connection, stream_filter(self._prefix, "events"), self._bells)
        await bell.open()
        return bell

    async def wait_for_news(self, timeout: float) -> None:
        """Return when something may have been appended since the last call, or after the timeout."""
        if self._own_bell is None:
            self._own_bell = await self.doorbell()
        await self._own_bell.wait(timeout)

    def _prepared(
        self, batch: Sequence[NewEvent], messages: Sequence[dict[str, Any]], expected: Mapping[History, int]
    ) -> list[Message]:
        waiting = dict(expected)
        prepared = []
        for event, message in zip(batch, messages, strict=True):
            history = (event.source, event.provider_id)
            if history not in expected:
                raise ValueError(f"no expected version for the history of {event.provider_id}")
            version = waiting.pop(history, None)
            headers = (
                {} if version is None else expected_version(version, history_filter(self._prefix, *history))
            )
            subject = event_subject(self._prefix, *history, event.type, event.event_id)
            prepared.append(Message(subject, to_json(message), headers))
        if waiting:
            raise ValueError(f"an expected version without an event: {sorted(waiting)}")
        return prepared

    async def _opened(self, stored: Sequence[Stored]) -> list[Envelope]:
        messages = [_parsed(one) for one in stored]
        await self._privacy.open_all(messages)
        envelopes = []
        for number, (one, message) in enumerate(zip(stored, messages, strict=True), 1):
            envelopes.append(
                Envelope.from_message(message, position=one.position, recorded_at=one.recorded_at)
            )
            if number % _OPENED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return envelopes

    async def _every(self, pattern: str) -> list[Stored]:
        found: list[Stored] = []
        position = 1
        while page := await self._direct.matching(pattern, position=position, limit=_PAGE):
            found += page
            position = page[-1].position + 1
        return found

    async def _refuse_gaps(self, after: int, positions: Sequence[int]) -> None:
        state = await stream_state(self._connection, self._stream)
        lost = state.lost if state else ()
        for previous, position in pairwise((after, *positions)):
            missing = range(previous + 1, position)
            if missing and not any(missing[0] in known and missing[-1] in known for known in lost):
                raise GapError(
                    f"{self._stream} has no events {missing[0]} to {missing[-1]} before {position}"
                )

    async def _from_leader(self, position: int) -> Stored | None:
        """A follower that lags would say there is no such message."""
        if position < 1:
            return None
        try:
            answer = await self._connection.api(f"STREAM.MSG.GET.{self._stream}", {"seq": position})
        except JetStreamRefusedError as error:
            if error.code == _NO_MESSAGE:
                return None
            raise
        message = answer["message"]
        return Stored(
            subject=message["subject"],
            position=message["seq"],
            recorded_at=datetime.fromisoformat(message["time"]),
            headers={},
            body=base64.b64decode(message.get("data", "")),
        )


def _parsed(stored: Stored) -> dict[str, Any]:
    try:
        message = from_json(stored.body)
        message["data"]["occurred_at"]
    except (ValueError, TypeError, KeyError) as error:
        raise LogError(f"position {stored.position} ({stored.subject}) does not hold an event") from error
    return dict(message)


def _raise_refusal(error: JetStreamRefusedError) -> NoReturn:
    """By the error code alone; the server's classes and texts say less."""
    if error.code in (_WRONG_LAST_SEQUENCE, _LAST_SEQUENCE_IN_PROCESS):
        raise ConcurrencyError(str(error)) from error
    if error.code == _SUBJECT_TAKEN:
        raise FactConflictError(str(error)) from error
    raise LogUnavailableError(str(error)) from error
