"""Registered webhooks of a company: six at most, whose ids are text for some and numbers for others."""

from typing import Any

from adapters.meetergo.simulated.asked import SubscriptionDto, SubscriptionPatch
from adapters.meetergo.simulated.records import Records
from adapters.meetergo.simulated.refusals import not_found, refused
from adapters.meetergo.simulated.shapes import webhook_time
from adapters.meetergo.simulated.state import State, Subscription

MOST_WEBHOOKS = 6
_FIRST_NUMBER = 1873


class Subscriptions:
    """What is to be posted where."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._state = records.state

    def listed(self) -> list[dict[str, Any]]:
        return [_shown(one, self._state) for one in self._state.subscriptions]

    def add(self, asked: SubscriptionDto) -> dict[str, Any]:
        if len(self._state.subscriptions) >= MOST_WEBHOOKS:
            raise refused(406, "Webhook limit reached")
        is_numbered = len(self._state.subscriptions) % 2
        made = Subscription(
            id=_FIRST_NUMBER + self._state.number() if is_numbered else self._state.new_id("webhook"),
            endpoint=asked.endpoint,
            description=asked.description,
            event_types=tuple(asked.event_types),
            created_at=self._records.now,
        )
        self._state.subscriptions.append(made)
        return _shown(made, self._state)

    def change(self, subject: str, asked: SubscriptionPatch) -> dict[str, Any]:
        """Replace the members that are given; a list of event types as a whole."""
        before = self._named(subject)
        given = asked.model_dump(exclude_none=True)
        changed = Subscription.model_validate(before.model_dump() | given)
        self._state.subscriptions[self._state.subscriptions.index(before)] = changed
        return _shown(changed, self._state)

    def remove(self, subject: str) -> None:
        self._state.subscriptions.remove(self._named(subject))

    def _named(self, subject: str) -> Subscription:
        found = (one for one in self._state.subscriptions if str(one.id) == subject)
        subscription = next(found, None)
        if subscription is None:
            raise not_found("Webhook")
        return subscription


def _shown(subscription: Subscription, state: State) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "endpoint": subscription.endpoint,
        "description": subscription.description,
        "eventTypes": list(subscription.event_types),
        "companyId": state.company_id,
        "createdAt": webhook_time(subscription.created_at),
    }
