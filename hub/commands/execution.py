"""Doing what was planned: the requests in their order, then a look, so that the hub sees its change at once.

A request without an answer is never made again here: an operation looks until the provider shows what
became of it.
"""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog

from adapters.errors import AdapterError, OutcomeUnknownError, RefusalError
from adapters.provider import Priority, Provider
from events.base import BookingEvent
from events.own_acts import missed, showed_up
from events.state import Booking
from hub.clock import Clock
from hub.commands.calls import Call, Cancellation, NoShowMark
from hub.commands.errors import RefusedCommandError
from hub.commands.failures import gone, told, unknown
from hub.commands.plans import Plan, is_group, require_active
from hub.commands.seams import Done, Look, Record, Result, Seen
from hub.commands.settling import Settlements
from hub.errors import HubError

LOOKS_AGAIN = (0.0, 0.3, 1.0)
"""Seconds before each look after a request that was accepted: a read may come from a copy that lags."""

_log = structlog.get_logger(__name__)


def new_command_id() -> str:
    """What the facts of a command name as their cause."""
    return f"c_{uuid.uuid4().hex[:16]}"


def host_of(booking: Booking) -> str | None:
    """On whose behalf a key that acts for somebody is used."""
    return next((host.id for host in booking.hosts if host.id), None)


class Execution:
    """Carries plans out, for all sources that have a provider; `providers` may change while it is used."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        look: Look,
        record: Record,
        settlements: Settlements,
        *,
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._look = look
        self._record = record
        self._settlements = settlements
        self._clock = clock

    def provider_of(self, booking: Booking) -> Provider:
        """Whom to ask about this booking; refuses where its source has no credentials of an API."""
        provider = self._providers.get(booking.source)
        if provider is None:
            raise RefusedCommandError(
                "not-supported",
                f"the source {booking.source} has no credentials of an API that could be told",
                next=f"bookinghub sources show {booking.source}",
            )
        return provider

    async def look(
        self, booking: Booking, *, command_id: str | None = None, reason: str | None = None
    ) -> Seen:
        """The booking as its provider shows it now, what is new in it appended."""
        return await self.look_at(booking, booking.provider_id, command_id=command_id, reason=reason)

    async def look_at(
        self, booking: Booking, provider_id: str, *, command_id: str | None = None, reason: str | None = None
    ) -> Seen:
        """The same of another booking at the provider of this one, on behalf of its host."""
        self.provider_of(booking)
        return await self._look(
            booking.source,
            provider_id,
            host=host_of(booking),
            priority=Priority.COMMAND,
            provenance="command",
            causation_id=command_id,
            reason=reason,
        )

    async def fresh(self, booking: Booking) -> Booking:
        """The newest state of a booking; raises what a command may be refused for."""
        try:
            seen = await self.look(booking)
        except AdapterError as error:
            raise told(error, booking) from error
        if seen.missing or seen.state is None:
            raise gone(booking)
        return seen.state

    async def run(self, plan: Plan) -> Done:
        """Do it. Raises RefusedCommandError if nothing of it happened, or nobody knows."""
        command_id = new_command_id()
        if plan.command == "undo-no-show":
            return await self._take_mark_back(plan, command_id)
        if not plan.calls:
            return Done(command_id, plan.booking)
        provider = self.provider_of(plan.booking)
        results: list[Result] = []
        first: RefusedCommandError | None = None
        made: list[Call] = []
        for call in plan.calls:
            try:
                await call.send(provider, host=host_of(plan.booking))
            except AdapterError as error:
                problem = await self.refused(error, plan, call, command_id)
                first = first or problem
                results.append(Result(call.about, problem.code, problem.detail))
            else:
                made.append(call)
                results.append(Result(call.about, "done"))
        if not made and first is not None:
            raise first
        done = await self._look_after(plan, made, command_id)
        return replace(done, results=results if len(results) > 1 else ())

    async def refused(
        self, error: AdapterError, plan: Plan, call: Call, command_id: str
    ) -> RefusedCommandError:
        """What a failed request means for whoever asked for it."""
        if isinstance(error, OutcomeUnknownError):
            return await self._unknown(error, plan, call, command_id)
        if isinstance(error, RefusalError) and error.code not in ("slot-taken", "invalid"):
            explained = await self._explained(plan, call, command_id)
            if explained is not None:
                return explained
        return told(error, plan.booking)

    async def _unknown(
        self, error: AdapterError, plan: Plan, call: Call, command_id: str
    ) -> RefusedCommandError:
        operation_id = await self._settlements.begin(
            partial(self._shows, plan, [call], command_id),
            detail=_named(plan, command_id),
        )
        return unknown(error, operation_id)

    async def _shows(self, plan: Plan, calls: list[Call], command_id: str) -> bool:
        seen = await self.look(plan.booking, command_id=command_id, reason=plan.reason)
        return seen.state is not None and all(call.has_happened(seen.state) for call in calls)

    async def _explained(self, plan: Plan, call: Call, command_id: str) -> RefusedCommandError | None:
        """A refusal by what the booking turns out to be; None if that explains nothing."""
        with suppress(AdapterError, HubError):
            seen = await self.look(plan.booking, command_id=command_id)
            if seen.missing or seen.state is None:
                return gone(plan.booking)
            try:
                require_active(seen.state)
            except RefusedCommandError as problem:
                return problem
            whole = isinstance(call, Cancellation) and not (call.scope.attendee_id or call.scope.everybody)
            if whole and is_group(seen.state):
                return RefusedCommandError(
                    "group-needs-scope",
                    "the provider says this is a group booking; say whom it concerns: --attendee A, or --all",
                )
        return None

    async def _look_after(self, plan: Plan, made: list[Call], command_id: str) -> Done:
        """Look until the change shows; a mark that the provider never shows is recorded as it was made."""
        state, facts, shown = plan.booking, list[str](), False
        for wait in LOOKS_AGAIN:
            await asyncio.sleep(wait)
            try:
                seen = await self.look(plan.booking, command_id=command_id, reason=plan.reason)
            except (AdapterError, HubError) as error:
                _log.warning("not_seen_yet", command=plan.command, command_id=command_id, error=str(error))
                continue
            state, facts = seen.state or state, [*facts, *seen.facts]
            shown = all(call.has_happened(state) for call in made)
            if shown or all(isinstance(call, NoShowMark) for call in made):
                break
        facts += await self._look_at_others(plan, command_id)
        if shown:
            return Done(command_id, state, facts)
        if all(isinstance(call, NoShowMark) for call in made):
            return await self._note_marks(plan, made, command_id, facts)
        operation_id = await self._settlements.begin(
            partial(self._shows, plan, made, command_id),
            detail=_named(plan, command_id),
            accepted=True,
        )
        return Done(command_id, state, facts, confirmed=False, operation_id=operation_id)

    async def _look_at_others(self, plan: Plan, command_id: str) -> list[str]:
        """What else may have changed; whatever cannot be seen now shows later by itself."""
        facts: list[str] = []
        for other in plan.others:
            with suppress(AdapterError, HubError):
                facts += (await self.look(other, command_id=command_id)).facts
        return facts

    async def _note_marks(self, plan: Plan, made: list[Call], command_id: str, facts: list[str]) -> Done:
        state: Booking | None = plan.booking
        for call in made:
            if isinstance(call, NoShowMark):
                recorded = await self._own_mark(plan.booking, call.attendee_id, command_id, missed_it=True)
                state, facts = recorded.state, [*facts, *recorded.facts]
        return Done(command_id, state, facts)

    async def _take_mark_back(self, plan: Plan, command_id: str) -> Done:
        """A human override: the provider has no call for it and goes on showing its mark."""
        if plan.attendee_id is None:
            return Done(command_id, plan.booking)
        return await self._own_mark(plan.booking, plan.attendee_id, command_id, missed_it=False)

    async def _own_mark(
        self, booking: Booking, attendee_id: str, command_id: str, *, missed_it: bool
    ) -> Done:
        at = self._clock.now()

        def decide(state: Booking) -> BookingEvent | None:
            attendee = state.attendee(attendee_id)
            if attendee is None or attendee.no_show is missed_it:
                return None
            return (missed if missed_it else showed_up)(state, attendee, at=at)

        recorded = await self._record(booking.source, booking.provider_id, decide, causation_id=command_id)
        return Done(command_id, recorded.state, recorded.facts)


def _named(plan: Plan, command_id: str) -> dict[str, str]:
    return {"command": plan.command, "command_id": command_id, "booking_id": plan.booking.booking_id}
