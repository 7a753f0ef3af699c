"""What every sink has to stand: failures of the other side, cancellation, and silence about secrets."""
# ruff: noqa: S101

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Protocol

from adapters.api import AdapterContext, Receipt
from adapters.errors import AdapterError, AuthError, PermanentError, TransientError
from adapters.http import HttpClient
from adapters.publishing import MemoryPublication, Publication
from adapters.testing_samples import GUEST_DATA, NOW

RETRY_AFTER = timedelta(seconds=7)
PATIENCE = 10.0

TRANSIENT = ("408", "429", "500", "502", "503", "disconnect", "truncated")
PERMANENT = ("400", "422")


class OtherSide(Protocol):
    """A stand-in for the outside system, keeping the promises that one documents.

    `fail_next` takes a status, `disconnect` (no effect, connection dropped) or `truncated` (effect, cut
    answer); "429" names a wait of 7 s. `cut_off_after(n)` lets n more calls take effect, loses the
    reply of the last of them and lets nothing through until `restore`: what a killed process sees.
    What only serves cases declared in `cannot` may be missing. One that stands in for the hub's own
    memory of documents has a `publication`, which every process gets.
    """

    def fail_next(self, reason: str) -> None: ...

    def lose_next_reply(self) -> None: ...

    def stall_next(self) -> None:
        """The next call is answered late, after a second or so."""

    def cut_off_after(self, calls: int) -> None: ...

    def restore(self) -> None: ...

    def calls(self) -> int:
        """How many calls arrived so far."""

    def objects(self) -> Mapping[str, Any]:
        """What a user of the outside system sees, by id; comparable."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Scene:
    """One stand-in, one sink on it, what was said to the log, and the receipts as the hub keeps them."""

    other: OtherSide
    make_sink: Callable[[AdapterContext], Any]
    context: AdapterContext
    said: list[str]
    receipts: dict[str, Receipt] = field(default_factory=dict)
    sink: Any = None
    clients: list[HttpClient] = field(default_factory=list)

    def restart(self, *, epoch: int = 1) -> None:
        """Another process takes over: nothing is left but the receipts."""
        said = self.said

        def log(message: str, **fields: object) -> None:
            said.append(f"{message} {fields}")

        publication: Publication | None = getattr(self.other, "publication", None)
        self.context = AdapterContext(
            instance="contract",
            installation_id="installation-contract",
            clock=lambda: NOW,
            epoch=epoch,
            timezone="Europe/Berlin",
            timeout=timedelta(seconds=5),
            log=log,
            http=HttpClient(timeout=timedelta(seconds=5), clock=lambda: NOW),
            publication=publication or MemoryPublication(),
        )
        self.clients.append(self.context.http)
        self.sink = self.make_sink(self.context)

    async def other_is_idle(self) -> None:
        """Wait until a call that was given up has had its effect."""
        idle = getattr(self.other, "idle", None)
        if idle is not None:
            await _until(idle)


class SinkContract:
    """What mirrors and reactors have in common; a subclass says what one act is."""

    secrets: ClassVar[Sequence[str]] = ()
    """Values from the config that may appear nowhere."""
    forbidden: ClassVar[Mapping[str, type[AdapterError]]] = {}
    """What each documented kind of 403 means, by the reason `fail_next` takes."""
    cannot: ClassVar[Mapping[str, str]] = {}
    """Case, or one reason of a failure -> why this adapter cannot be tried in it."""

    def other_side(self) -> OtherSide:
        raise NotImplementedError

    def sink(self, context: AdapterContext) -> Any:
        raise NotImplementedError

    async def _act(self, scene: Scene) -> None:
        """One effect on an untouched stand-in."""
        raise NotImplementedError

    def _declared(self, case: str) -> bool:
        if case in self.cannot:
            print(f"{type(self).__name__}: {case} does not apply: {self.cannot[case]}")  # noqa: T201
        return case in self.cannot

    @asynccontextmanager
    async def _scene(self, *, epoch: int = 1) -> AsyncIterator[Scene]:
        other = self.other_side()
        scene = Scene(other, self.sink, AdapterContext("", "", lambda: NOW), [])
        scene.restart(epoch=epoch)
        try:
            yield scene
        finally:
            await scene.sink.close()
            for client in scene.clients:
                await client.aclose()
            other.close()

    async def _effect(self) -> Mapping[str, Any]:
        async with self._scene() as scene:
            await self._act(scene)
            return scene.other.objects()

    async def test_open_accepts_working_credentials(self) -> None:
        async with self._scene() as scene:
            await scene.sink.open()
            assert scene.other.objects() == {}, "open() may not change anything outside"

    async def test_close_twice_is_fine(self) -> None:
        async with self._scene() as scene:
            await self._act(scene)
            await scene.sink.close()
            await scene.sink.close()

    async def test_failures_that_pass_are_transient(self) -> None:
        if self._declared("failures"):
            return
        expected = await self._effect()
        for reason in TRANSIENT:
            if not self._declared(reason):
                await self._expect(reason, TransientError, expected)

    async def test_a_429_keeps_its_delay(self) -> None:
        if self._declared("failures") or self._declared("delay"):
            return
        error = await self._expect("429", TransientError, await self._effect())
        assert isinstance(error, TransientError)
        assert error.retry_after == RETRY_AFTER, f"the wait of 7 s became {error.retry_after}"

    async def test_refusals_are_permanent(self) -> None:
        if self._declared("failures"):
            return
        expected = await self._effect()
        for reason in PERMANENT:
            if not self._declared(reason):
                await self._expect(reason, PermanentError, expected)

    async def test_refused_credentials_pause_the_sink(self) -> None:
        if self._declared("failures") or self._declared("401"):
            return
        await self._expect("401", AuthError, await self._effect())

    async def test_a_403_is_sorted_as_documented(self) -> None:
        if self._declared("failures") or self._declared("403"):
            return
        assert self.forbidden, "declare in `forbidden` what a 403 of this system means"
        expected = await self._effect()
        for reason, kind in self.forbidden.items():
            await self._expect(reason, kind, expected)

    async def test_cancelled_mid_call_it_stays_usable(self) -> None:
        if self._declared("cancellation"):
            return
        expected = await self._effect()
        async with self._scene() as scene:
            before = scene.other.calls()
            scene.other.stall_next()
            task = asyncio.create_task(self._act(scene))
            await _until(lambda: scene.other.calls() > before)
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            assert isinstance(outcome, asyncio.CancelledError), f"cancellation became {outcome!r}"
            await self._act(scene)
            assert scene.other.objects() == expected

    async def test_nothing_secret_is_said(self) -> None:
        if self._declared("failures"):
            return
        for reason in (*TRANSIENT, *PERMANENT, "401", *self.forbidden):
            async with self._scene() as scene:
                scene.other.fail_next(reason)
                with _CapturedLogs() as records:
                    error = await failure_of(self._act(scene))
                told = "".join(traceback.format_exception(error)) if error else ""
                everything = "\n".join((told, *scene.said, *records))
                for value in (*self.secrets, *GUEST_DATA):
                    assert value not in everything, f"{reason}: {value!r} is told to errors or logs"

    async def _expect(
        self, reason: str, kind: type[AdapterError], expected: Mapping[str, Any]
    ) -> AdapterError:
        async with self._scene() as scene:
            scene.other.fail_next(reason)
            error = await failure_of(self._act(scene))
            assert isinstance(error, kind), f"{reason} became {error!r}, not {kind.__name__}"
            await self._act(scene)
            assert scene.other.objects() == expected, f"after {reason}, tried again"
            return error


async def failure_of(act: Awaitable[Any]) -> AdapterError | None:
    """The failure an adapter may raise; any other is a bug and comes through."""
    try:
        await act
    except AdapterError as error:
        return error
    return None


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    for _ in iter(condition, True):
        assert time.monotonic() < deadline, "the call never reached the other side"
        await asyncio.sleep(0.01)


class _CapturedLogs(logging.Handler):
    """Everything the process logs meanwhile, other people's loggers included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(self.format(record))

    def __enter__(self) -> list[str]:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)
        return self._records

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)
