"""The JSON objects of a plan: what would be done at a target, and why."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.delivery.applying import Ask
from hub.delivery.comparison import Comparison
from hub.delivery.plan import Action, Cause, Item, Ticket, counts
from hub.web.objects import Shown
from hub.web.wire import Moment

_LATER = ("create", "change", "remove", "none")


class _Written(Shown):
    """A member whose name is a word of Python has another one there."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)


class FieldObject(_Written):
    """One member that is not as wanted; null stands for absent."""

    name: str
    found: Any = Field(alias="is")
    wanted: Any


class AboutObject(Shown):
    """The object as people call it."""

    title: str | None
    people: list[str]
    start: Moment | None
    cancelled: bool


class ObservedObject(Shown):
    """What the item was decided by; an apply refuses it once any of this has changed."""

    etag: str | None
    fingerprint: str
    position: int


class AskedObject(BaseModel):
    """What an apply needs of an item; whatever else a plan says of it may stay where it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sink: str
    key: str
    part: str
    action: str
    external_id: str | None = None
    observed: ObservedObject

    def ask(self) -> Ask:
        """The item as the hub looks for it."""
        seen = self.observed
        ticket = Ticket(seen.etag, seen.fingerprint, seen.position)
        return Ask(self.sink, self.key, self.part, self.external_id, self.action, ticket)


class PlanItemObject(Shown):
    """One object at a target, and what is to be done about it."""

    sink: str
    booking_id: str | None
    part: str
    action: Action
    cause: Cause
    fields: list[FieldObject]
    key: str
    external_id: str | None
    url: str | None
    edited_by: str | None
    edited_at: Moment | None
    about: AboutObject
    observed: ObservedObject


class PlanCounts(Shown):
    """Items by what is to be done, and how many bookings or contacts were compared."""

    create: int
    change: int
    remove: int
    on_its_way: int
    in_step: int
    compared: int


class PlanObject(Shown):
    """The last line of a plan: how much differs, and what it took to find out."""

    counts: PlanCounts
    sink: str
    kind: Literal["booking", "contact"]
    system: str
    requests: int
    duration_seconds: float


def in_order(items: Sequence[Item]) -> list[Item]:
    """What is to be done first, what is right last."""
    return sorted(items, key=lambda item: (not item.is_due, _LATER.index(item.action), *_place(item)))


def _place(item: Item) -> tuple[str, str, str]:
    return item.key, item.part, item.external_id or ""


def item_object(item: Item) -> PlanItemObject:
    """An item as it is sent; who changed an object is said where it was changed by hand."""
    seen, about = item.observed, item.about
    by_hand = seen if item.cause == "edited_by_hand" else None
    return PlanItemObject(
        sink=item.sink,
        booking_id=item.booking_id,
        part=item.part,
        action=item.action,
        cause=item.cause,
        fields=[FieldObject(name=d.name, found=d.found, wanted=d.wanted) for d in item.differences],
        key=item.key,
        external_id=item.external_id,
        url=seen.url if seen else None,
        edited_by=by_hand.edited_by if by_hand else None,
        edited_at=by_hand.edited_at if by_hand else None,
        about=AboutObject(
            title=about.title or _title_of(item),
            people=list(about.people),
            start=about.start,
            cancelled=about.cancelled,
        ),
        observed=ObservedObject(
            etag=item.ticket.etag, fingerprint=item.ticket.fingerprint, position=item.ticket.position
        ),
    )


def plan_object(comparison: Comparison) -> PlanObject:
    """The end of a plan."""
    return PlanObject(
        counts=PlanCounts(**counts(comparison.items), compared=comparison.compared),
        sink=comparison.sink,
        kind="booking" if comparison.of_bookings else "contact",
        system=comparison.system,
        requests=comparison.requests,
        duration_seconds=round(comparison.seconds, 3),
    )


def _title_of(item: Item) -> str | None:
    """An object of a booking nobody knows is called what it calls itself."""
    fields = item.observed.fields if item.observed else {}
    found = next((fields[name] for name in ("summary", "title", "name") if fields.get(name)), None)
    return str(found) if found is not None else None
