"""Refunds that a command asks for, by the sink that can give money back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from adapters.api import Reactor
from adapters.errors import AdapterError
from adapters.refunds import Asked, Refunds
from events.state import Booking
from hub.commands.desk import Desk
from hub.commands.errors import RefusedCommandError
from hub.commands.plans import Plan
from hub.commands.refunding import Refunding, key_of
from hub.commands.seams import Done
from hub.web.command_objects import RefundObject
from hub.web.commanding import Run
from hub.web.problems import ProblemError, invalid
from hub.web.services import HubServices

MOST_DIGITS = 13

_Found = tuple[str, Reactor[Any], Refunds]
"""A sink that can give back, by its two faces."""


def read_refund(text: str | None) -> Asked | Literal["none"] | None:
    """`none`, `full` or an amount in whole units of the currency; None if nothing was said."""
    if text is None:
        return None
    if text == "none":
        return "none"
    if text == "full":
        return "full"
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if len(text) > MOST_DIGITS or not amount.is_finite() or amount <= 0:
        raise invalid("/refund", "refund is none, full or an amount such as 49.90")
    return amount


@asynccontextmanager
async def refunding(services: HubServices, desk: Desk, asked: Asked) -> AsyncIterator[tuple[str, Refunding]]:
    """The sink that gives back, and the way to have it do so; refuses where there is none."""
    async with _refunder(services) as found:
        if found is None:
            raise ProblemError(
                "not-supported",
                "no sink can give money back; a stripe_refund sink can",
                next="bookinghub sinks list",
            )
        name, adapter, refunds = found
        yield name, Refunding(desk.execution, desk.record, refunds, adapter.facts, asked)


def waiving(services: HubServices, run: Run) -> Run:
    """Do it so that nothing goes back, whatever the policy of any sink would say.

    Said before the cancellation, for the policy sees it at once; taken back if nothing was cancelled.
    """

    async def run_waiving(plan: Plan) -> Done:
        told = [name for name in _names(services) if await _say(services, name, plan.booking, waived=True)]
        try:
            return await run(plan)
        except RefusedCommandError as error:
            if error.code != "outcome-unknown":
                for name in told:
                    await _say(services, name, plan.booking, waived=False)
            raise

    return run_waiving


async def _say(services: HubServices, name: str, booking: Booking, *, waived: bool) -> bool:
    """Whether this sink can give back and did not know."""
    async with _opened(services, name) as found:
        if found is None:
            return False
        try:
            if waived:
                return await found[2].waive(booking, key=key_of(booking))
            await found[2].unwaive(booking, key=key_of(booking))
        except AdapterError as error:
            raise ProblemError("target-unreachable", str(error), next="bookinghub sinks list") from error
    return True


async def quoted(
    name: str, refunding: Refunding, booking: Booking, *, confirmed: object, dry_run: bool
) -> RefundObject:
    """What would go back; an amount over the sink's limit has to be named."""
    quote = await refunding.quote(booking)
    amount = quote.text.partition(" ")[0]
    if quote.over_limit and quote.done is None and not dry_run and confirmed != amount:
        raise invalid("/confirm", f"{quote.text} is over the limit; say so: --confirm {amount}")
    return RefundObject(
        sink=name, amount=amount, text=quote.text, over_limit=quote.over_limit, done=quote.done is not None
    )


@asynccontextmanager
async def _refunder(services: HubServices) -> AsyncIterator[_Found | None]:
    """The first sink that can give back."""
    for name in _names(services):
        async with _opened(services, name) as found:
            if found is not None:
                yield found
                return
    yield None


@asynccontextmanager
async def _opened(services: HubServices, name: str) -> AsyncIterator[_Found | None]:
    """This sink if it can give back; an adapter of its own, for this command only."""
    if services.adapter is None:
        yield None
        return
    adapter, found = await services.adapter(services.settings.sinks[name]), None
    if isinstance(adapter, Reactor) and isinstance(adapter, Refunds):
        found = name, adapter, adapter
    try:
        yield found
    finally:
        await adapter.close()
        await adapter.context.http.aclose()


def _names(services: HubServices) -> list[str]:
    return [entry.name for entry in services.settings.sinks.values() if entry.enabled]
