"""Whether a source's API is called: not while a person has paused it, nor after it refused the credentials.

What else the source does goes on: webhooks are taken, and with `verify: trust` worked. Refused credentials
are tried again from time to time; the first call that is answered ends the pause, whoever made it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from adapters.errors import AdapterError, AuthError, TransientError
from adapters.provider import Provider
from hub.errors import StoreError
from hub.store import sources
from hub.store.database import Database
from hub.telemetry import Metrics

RUNNING, PAUSED, AUTH_FAILED = "running", "paused", "auth_failed"
PROBED_EVERY = timedelta(minutes=5)

_log = structlog.get_logger(__name__)


class SourceStates:
    """The states of all sources; the store holds them, for all its hubs and beyond this process."""

    def __init__(
        self, database: Database, *, metrics: Metrics, probed_every: timedelta = PROBED_EVERY
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._probed_every = probed_every
        self._refused: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    async def halted(self) -> frozenset[str]:
        """The sources whose API is not called now."""
        states = await self._database.read(sources.halted)
        self._refused = frozenset(name for name, state in states.items() if state == AUTH_FAILED)
        return frozenset(states)

    async def heard(self, source: str, error: AdapterError | None) -> None:
        """A call of this source's API ended like this."""
        self._metrics.source_calls.labels(source, _outcome(error)).inc()
        try:
            if isinstance(error, AuthError):
                await self._refuse(source, str(error))
            elif source in self._refused and not isinstance(error, TransientError):
                await self._accept(source)
        except StoreError as failure:
            # The next call is heard as well; what this one brought counts all the same.
            _log.error("source_state_not_kept", source=source, error=str(failure))

    def probe_soon(self) -> None:
        """Credentials may have changed."""
        self._changed.set()

    async def probe_for_ever(self, providers: Mapping[str, Provider]) -> None:
        """Try refused credentials again, now and from time to time, until cancelled."""
        while True:
            self._changed.clear()
            with suppress(StoreError):
                await self.halted()
            for name in self._refused & providers.keys():
                await _probe(name, providers[name])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._probed_every.total_seconds()):
                    await self._changed.wait()

    async def _refuse(self, source: str, reason: str) -> None:
        self._refused |= {source}
        if await self._database.write(
            lambda session: sources.set_state(
                session, source, state=AUTH_FAILED, reason=reason, was=[RUNNING]
            )
        ):
            _log.error("source_auth_failed", source=source, error=reason)

    async def _accept(self, source: str) -> None:
        self._refused -= {source}
        if await self._database.write(
            lambda session: sources.set_state(session, source, state=RUNNING, reason=None, was=[AUTH_FAILED])
        ):
            _log.info("source_answers_again", source=source)


async def _probe(source: str, provider: Provider) -> None:
    try:
        await provider.account()
    except AdapterError:
        return  # It was heard like any other call.
    except Exception as error:  # noqa: BLE001 - a mistake of one adapter must not end the probes of the others
        _log.error("source_probe_failed", source=source, error=type(error).__name__)


def _outcome(error: AdapterError | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, AuthError):
        return "auth"
    return "transient" if isinstance(error, TransientError) else "refused"
