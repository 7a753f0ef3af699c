"""Forgetting a sink that left the configuration, or what it left behind at a target it turned away from."""

from functools import partial

from sqlmodel import Session

from hub.store import deliveries, former, receipts, renaming, sinks
from hub.web.hub_objects import Forgotten, FormerObject
from hub.web.problems import ProblemError, not_found
from hub.web.services import HubServices


def what_is_forgotten(services: HubServices, name: str, session: Session, *, dry_run: bool) -> Forgotten:
    """What is known of the sink and not wanted any more; raises ProblemError if there is nothing."""
    left = former.counts(session).get(name, ())
    configured = name in services.settings.sinks
    if sinks.get(session, name) is None and not configured:
        raise not_found("sink", name, next="bookinghub issues list")
    if configured and not left:
        raise ProblemError(
            "invalid",
            f"the sink {name} is in the configuration; take it out first, or switch it off by enabled: false",
            next="bookinghub config diff",
        )
    return Forgotten(
        sink=name,
        dry_run=dry_run,
        deliveries=0 if configured else sum(deliveries.counts(session).get(name, {}).values()),
        receipts=0 if configured else receipts.counts(session).get(name, 0),
        former=[FormerObject(target=one.target, count=one.count, since=one.since) for one in left],
    )


async def forget(services: HubServices, name: str) -> None:
    """Forget it: a configured sink only what is elsewhere, in parts that delay nobody."""
    if name in services.settings.sinks:
        await services.database.write(lambda session: former.forget(session, name))
        return
    await services.database.write(lambda session: sinks.register(session, name, None))
    while await services.database.write(partial(_forget_some, name)):
        pass


def _forget_some(name: str, session: Session) -> int:
    return renaming.forget_some(session, name)
