"""Calling an adapter: which calls one task needs, what they are given, and what they led to so far."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from adapters.api import BookingMirror, ContactMirror, Reactor, Receipt
from adapters.errors import PermanentError
from events import Booking, Contact, Envelope
from events.ids import idempotency_key
from hub.delivery.dispatch import Task
from hub.delivery.previews import digest_of, parts_of
from hub.delivery.record import Attempt, PartResult, StrayGone
from hub.delivery.retry import Sleep, call_with_short_retries
from hub.delivery.steps import is_approved, operation_of
from hub.store.tables import StrayRow, TargetReceiptRow

T = TypeVar("T")

Mirror = BookingMirror[Any] | ContactMirror[Any]
Result = PartResult | StrayGone
SavePart = Callable[[tuple[Result, ...]], Awaitable[None]]


class Progress:
    """What one attempt has led to so far: results that are not stored yet, and its story."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._unsaved: list[Result] = []
        self._details: list[str] = []
        self._external_id: str | None = None
        self._url: str | None = None

    @property
    def elapsed(self) -> timedelta:
        """How long the attempt took up to now."""
        return timedelta(seconds=self._loop.time() - self._started)

    def start(self) -> None:
        """The first call goes out now."""
        self._started = self._loop.time()

    def add(self, result: Result) -> None:
        """A part is done, but not stored yet."""
        self._unsaved.append(result)

    def take_unsaved(self) -> tuple[Result, ...]:
        """The results nobody has stored; whoever takes them does."""
        unsaved, self._unsaved = tuple(self._unsaved), []
        return unsaved

    def tell(self, detail: str, receipt: Receipt | None) -> None:
        """Remember what was done; of several parts the first names the object."""
        if receipt is not None:
            self._external_id = self._external_id or receipt.external_id
            self._url = self._url or receipt.url
        if detail not in self._details:
            self._details.append(detail)

    def told(self) -> Attempt:
        """The successful attempt as it is recorded."""
        return Attempt(
            outcome=", ".join(self._details) or "nothing wanted",
            duration=self.elapsed,
            message=self._external_id,
            url=self._url,
            parts=self.take_unsaved(),
        )


class Calls:
    """Makes the calls of one sink, each bounded in time and shortly retried."""

    def __init__(
        self, sink: str, *, epoch: int, timeout: timedelta, sleep: Sleep, begun: Callable[[], None]
    ) -> None:
        """`begun` hears of every single try."""
        self._begun = begun
        self._sink = sink
        self._epoch = epoch
        self._timeout = timeout
        self._sleep = sleep

    async def react(
        self, reactor: Reactor[Any], task: Task, envelope: Envelope, progress: Progress, *, repeatable: bool
    ) -> Receipt | None:
        """Hand one event over, under the key it has at every redelivery."""
        key = idempotency_key(envelope.event_id, self._sink, operation_of(task.lead))
        act = reactor.react_approved if is_approved(task.lead) else reactor.react
        progress.start()
        receipt = await self._call(lambda: act(envelope, idempotency_key=key), repeatable=repeatable)
        progress.tell((receipt.detail if receipt else "") or "sent", receipt)
        return receipt

    async def sync(
        self,
        mirror: Mirror,
        task: Task,
        progress: Progress,
        *,
        save: SavePart,
    ) -> None:
        """Bring all parts to the desired state, wanted ones first, and store each before the next is begun.

        A part that is refused for good does not keep the others from theirs; its error comes last.
        """
        progress.start()
        target = mirror.target()
        held = {
            part: _given(row, epoch=self._epoch, look=task.is_repair)
            for part, row in task.held.items()
            if row.target == target
        }
        refused = await self._remove_strays(mirror, task.strays, progress, save=save)
        if task.unknown is not None:
            # Nobody knows what an attempt left there: what can be found is made ours, to be removed.
            held |= await self._sync_parts(mirror, task.unknown, {}, progress, save=save)
        await self._sync_parts(mirror, task.desired, held, progress, save=save)
        if refused is not None:
            raise refused

    async def _remove_strays(
        self, mirror: Mirror, strays: Sequence[StrayRow], progress: Progress, *, save: SavePart
    ) -> PermanentError | None:
        """Objects that nothing wants, each by what it showed itself to be; the first refusal."""
        refused: PermanentError | None = None
        for stray in strays:
            await save(progress.take_unsaved())
            receipt = Receipt.model_validate(stray.receipt)
            try:
                await self._sync_part(mirror, None, stray.part, receipt)
            except PermanentError as error:
                refused = refused or error
                continue
            progress.add(StrayGone(stray.external_id))
            progress.tell("removed", None)
        return refused

    async def _sync_parts(
        self,
        mirror: Mirror,
        state: Booking | Contact | None,
        held: Mapping[str, Receipt],
        progress: Progress,
        *,
        save: SavePart,
    ) -> dict[str, Receipt]:
        """Bring the parts of one state and those held to it; returns what the target holds of them then."""
        wanted = parts_of(mirror, state)
        reached: dict[str, Receipt] = {}
        refused: PermanentError | None = None
        for part in (*wanted, *(part for part in held if part not in wanted)):
            await save(progress.take_unsaved())
            of_part = state if part in wanted else None
            given = held.get(part)
            if given is None and of_part is not None:
                given = await self._announced(mirror, of_part, part, save)
            try:
                receipt = await self._sync_part(mirror, of_part, part, given)
            except PermanentError as error:
                refused = refused or error
                continue
            if receipt is not None:
                reached[part] = receipt
            position, shown = (state.position if state else 0), digest_of(mirror, of_part, part)
            progress.add(PartResult(part, receipt, position, self._epoch, mirror.target(), shown))
            progress.tell(_detail(receipt, had=part in held), receipt)
        if refused is not None:
            raise refused
        return reached

    async def _announced(
        self,
        mirror: Mirror,
        state: Booking | Contact,
        part: str,
        save: SavePart,
    ) -> Receipt | None:
        """Where the object of a new part will be, stored before anything is there; see `intended`."""
        if not (isinstance(mirror, BookingMirror) and isinstance(state, Booking)):
            return None
        receipt = mirror.intended(state, part)
        if receipt is not None:
            await save((PartResult(part, receipt, 0, self._epoch, mirror.target()),))
        return receipt

    async def _sync_part(
        self, mirror: Mirror, state: Any, part: str, given: Receipt | None
    ) -> Receipt | None:
        return await self._call(lambda: mirror.sync(state, part, given))

    async def _call(
        self, call: Callable[[], Awaitable[object]], *, repeatable: bool = True
    ) -> Receipt | None:
        def counted() -> Awaitable[object]:
            self._begun()
            return call()

        receipt = await call_with_short_retries(
            counted, timeout=self._timeout, repeatable=repeatable, sleep=self._sleep
        )
        if receipt is None or isinstance(receipt, Receipt):
            return receipt
        raise TypeError("an adapter returned something that is no receipt")


def _given(row: TargetReceiptRow, *, epoch: int, look: bool) -> Receipt:
    """The stored receipt as the adapter gets it back; its position counts only within its own epoch.

    Told to look, the adapter gets the address alone: the target does not hold what the receipt says.
    """
    return Receipt(
        external_id=row.external_id,
        etag=None if look else row.etag,
        fingerprint=None if look else row.fingerprint,
        position=row.position if row.epoch == epoch else 0,
        url=row.url,
        target=row.target,
        detail=row.detail,
        data=row.data,
    )


def _detail(receipt: Receipt | None, *, had: bool) -> str:
    if receipt is not None:
        return receipt.detail or "done"
    return "removed" if had else "nothing to remove"
