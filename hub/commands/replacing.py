"""Commands that make a new booking: on its own, or in the place of another one.

A replacement is two requests, and a process may die between any two steps. What was asked for is written
down before the first one, so that whoever sees the new booking joins it, be it by webhook, poll or look.
The provider is asked for it once; what is left to do is taken up again, by an operation or by the command
given again. See docs/adr/0016-replacing-a-booking.md.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from adapters.errors import AdapterError, OutcomeUnknownError, RefusalError, TransientError
from adapters.provider import Booked, Priority, Window
from events.base import BookingEvent
from events.own_acts import replacement_requested
from events.state import Booking
from hub.clock import Clock
from hub.commands.errors import RefusedCommandError
from hub.commands.execution import LOOKS_AGAIN, Execution, host_of, new_command_id
from hub.commands.failures import told, unknown
from hub.commands.new_bookings import Sought
from hub.commands.plans import Plan
from hub.commands.seams import Done, Record, Result
from hub.commands.settling import Settlements
from hub.errors import HubError
from hub.store import replacements
from hub.store.database import Database
from hub.store.tables import ReplacementRow

REASON = "Rescheduled to a new time"
"""What the provider's mails say of the half that goes, where nobody gave a reason."""

SURELY_ANSWERED = timedelta(minutes=2)
"""A request that was sent longer ago is not worked on any more."""

_AROUND = timedelta(minutes=1)

_log = structlog.get_logger(__name__)


class NewBookings:
    """Carries out what makes bookings."""

    def __init__(
        self,
        execution: Execution,
        record: Record,
        settlements: Settlements,
        *,
        database: Database,
        clock: Clock,
    ) -> None:
        self._execution = execution
        self._record = record
        self._settlements = settlements
        self._database = database
        self._clock = clock

    async def rebook(self, plan: Plan) -> Done:
        """Make a booking of its own; raises RefusedCommandError if none was made, or nobody knows."""
        command_id, asked_at = new_command_id(), self._clock.now()
        try:
            booked = await self._booked(plan)
        except OutcomeUnknownError as error:
            person = plan.booking.attendee(plan.attendee_id or "")
            assert person is not None and plan.start is not None  # noqa: S101, PT018 - planned so
            sought = Sought(plan.start, person, asked_at)
            find = partial(self._find, plan.booking, sought, command_id)
            operation_id = await self._settlements.begin(find, detail=_named(plan.booking, command_id))
            raise unknown(error, operation_id) from error
        except AdapterError as error:
            raise told(error, plan.booking) from error
        if booked.provider_id is None:
            waits = Result(booked.provisional_id or "", "waits", f"waits for {booked.waits_for}")
            return Done(command_id, None, confirmed=False, results=(waits,))
        return await self._look_at_new(plan.booking, booked.provider_id, command_id)

    async def replace(self, plan: Plan) -> Done:
        """Make a booking in the place of another one, join the two, and cancel the old one."""
        if plan.new is None:
            return Done(new_command_id(), plan.booking)
        row = await self._begin(plan)
        try:
            booked = await self._booked(plan)
        except OutcomeUnknownError as error:
            raise await self._left_open(row, plan.booking, error) from error
        except AdapterError as error:
            await self._end(row)
            raise told(error, plan.booking) from error
        if booked.provider_id is None:
            await self._end(row)
            raise RefusedCommandError(
                "provider-refused",
                f"the new booking waits for {booked.waits_for}, so the old one stays as it is",
                extra={"provisional_id": booked.provisional_id},
            )
        new_id = booked.provider_id
        await self._database.write(
            lambda session: replacements.made(session, row.source, row.former_id, new_id=new_id)
        )
        row.new_id = new_id
        return await self._finished(row, plan.booking)

    async def resume(self, row: ReplacementRow, booking: Booking) -> Done | None:
        """Go on with a replacement that was cut off, without asking for a new booking.

        None if it is certain that none was made: then it may be begun anew.
        """
        try:
            done = await self._finish(row, booking)
        except (AdapterError, HubError) as error:
            raise await self._left_open(row, booking, error) from error
        if done is not None:
            return done
        if row.new_id is not None or self._clock.now() < row.asked_at + SURELY_ANSWERED:
            raise RefusedCommandError(
                "in-progress",
                "a new booking was asked for moments ago, and the provider does not show it yet",
                next="bookinghub operations list --type settle",
            )
        await self._end(row)
        return None

    async def take_up(self) -> None:
        """Go on with everything that a dead process has left, as operations."""
        for row in await self._database.read(replacements.every):
            state = await self._counting(row)
            if state is not None:
                await self._settle(row, state)

    async def _begin(self, plan: Plan) -> ReplacementRow:
        """Write down what is about to be asked for: where whoever sees it first looks, and in the history."""
        booking, start, command_id = plan.booking, plan.start, new_command_id()
        assert start is not None  # noqa: S101 - planned so
        row = ReplacementRow(
            source=booking.source,
            former_id=booking.provider_id,
            booking_id=booking.booking_id,
            command_id=command_id,
            contact_id=booking.present[0].contact_id,
            start=start,
            host=host_of(booking),
            reason=plan.reason,
            asked_at=self._clock.now(),
        )
        self._execution.provider_of(booking)
        if not await self._database.write(lambda session: replacements.begin(session, row)):
            raise RefusedCommandError("in-progress", "this booking is being replaced already")
        try:
            await self._record(
                row.source,
                row.former_id,
                partial(_requested, start=start, command_id=command_id, at=row.asked_at),
                causation_id=command_id,
            )
        except BaseException:
            await self._end(row)
            raise
        return row

    async def _booked(self, plan: Plan) -> Booked:
        assert plan.new is not None  # noqa: S101 - planned so
        provider = self._execution.provider_of(plan.booking)
        return await provider.book(plan.new, host=host_of(plan.booking))

    async def _finished(self, row: ReplacementRow, booking: Booking) -> Done:
        """The rest, a few times if the new booking does not show at once; then it is left to an operation."""
        problem: Exception = TransientError("the provider does not show the new booking yet")
        for wait in LOOKS_AGAIN:
            await asyncio.sleep(wait)
            try:
                done = await self._finish(row, booking)
            except (AdapterError, HubError) as error:
                problem = error
                break
            if done is not None:
                return done
        raise await self._left_open(row, booking, problem)

    async def _finish(self, row: ReplacementRow, booking: Booking) -> Done | None:
        """Join the new booking if nobody has, then cancel the old one; None if the new one is not there."""
        state, facts = await self._counting(row), list[str]()
        if state is None or state.provider_id == row.former_id:
            for new_id in (
                [row.new_id] if row.new_id else await self._candidates(booking, _sought(row, booking))
            ):
                seen = await self._execution.look_at(booking, new_id, command_id=row.command_id)
                facts += seen.facts
            state = await self._counting(row)
            if state is None or state.provider_id == row.former_id:
                return None
        await self._cancel_former(row, booking)
        await self._end(row)
        return Done(row.command_id, state, facts)

    async def _counting(self, row: ReplacementRow) -> Booking | None:
        """The half that counts now."""
        return (await self._record(row.source, row.former_id, lambda _: None)).state

    async def _cancel_former(self, row: ReplacementRow, booking: Booking) -> None:
        """Cancel the old half; one that is cancelled or gone is as it should be."""
        provider = self._execution.provider_of(booking)
        try:
            await provider.cancel(row.former_id, host=row.host, reason=row.reason or REASON)
        except (RefusalError, OutcomeUnknownError):
            reading = await provider.fetch(row.former_id, host=row.host, priority=Priority.COMMAND)
            if reading is not None and not (reading.snapshot and reading.snapshot.cancelled):
                raise

    async def _find(self, booking: Booking, sought: Sought, command_id: str) -> bool:
        """Look at everything that can be the new booking, so that it is known; whether there is any."""
        found = await self._candidates(booking, sought)
        for provider_id in found:
            await self._execution.look_at(booking, provider_id, command_id=command_id)
        return bool(found)

    async def _candidates(self, booking: Booking, sought: Sought) -> Sequence[str]:
        """What the provider lists at that time for that person."""
        provider, host = self._execution.provider_of(booking), host_of(booking)
        found: list[str] = []
        for user in provider.lists_of([host] if host else []):
            window = Window(sought.start - _AROUND, sought.start + _AROUND, host=user)
            listed = provider.listed(window, priority=Priority.COMMAND)
            async for readings in listed:
                shown = [reading.snapshot for reading in readings if reading.snapshot]
                found += [one.provider_id for one in shown if sought.may_be(one)]
            if not listed.complete:
                raise TransientError("the list of bookings at that time was cut short")
        return list(dict.fromkeys(found))

    async def _look_at_new(self, booking: Booking, new_id: str, command_id: str) -> Done:
        for wait in LOOKS_AGAIN:
            await asyncio.sleep(wait)
            try:
                seen = await self._execution.look_at(booking, new_id, command_id=command_id)
            except (AdapterError, HubError) as error:
                _log.warning("not_seen_yet", command="rebook", command_id=command_id, error=str(error))
                continue
            if seen.state is not None:
                return Done(command_id, seen.state, seen.facts)
        find = partial(self._shows_new, booking, new_id, command_id)
        detail = {**_named(booking, command_id), "new_id": new_id}
        operation_id = await self._settlements.begin(find, detail=detail, accepted=True)
        return Done(command_id, None, confirmed=False, operation_id=operation_id)

    async def _shows_new(self, booking: Booking, new_id: str, command_id: str) -> bool:
        seen = await self._execution.look_at(booking, new_id, command_id=command_id)
        return seen.state is not None

    async def _left_open(
        self, row: ReplacementRow, booking: Booking, error: Exception
    ) -> RefusedCommandError:
        return unknown(error, await self._settle(row, booking))

    async def _settle(self, row: ReplacementRow, booking: Booking) -> str:
        return await self._settlements.begin(
            partial(self._is_finished, row, booking),
            detail={**_named(booking, row.command_id), "command": "replace", "new_id": row.new_id},
            accepted=row.new_id is not None,
            absent=partial(self._end, row),
        )

    async def _is_finished(self, row: ReplacementRow, booking: Booking) -> bool:
        return await self._finish(row, booking) is not None

    async def _end(self, row: ReplacementRow) -> None:
        await self._database.write(
            lambda session: replacements.end(session, row.source, row.former_id, command_id=row.command_id)
        )


def _requested(state: Booking, *, start: datetime, command_id: str, at: datetime) -> BookingEvent:
    return replacement_requested(state, start=start, command_id=command_id, at=at)


def _sought(row: ReplacementRow, booking: Booking) -> Sought:
    return Sought(row.start, booking.present[0], row.asked_at, row.former_id)


def _named(booking: Booking, command_id: str) -> dict[str, str | None]:
    return {"command": "rebook", "command_id": command_id, "booking_id": booking.booking_id}
