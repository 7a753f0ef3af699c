"""Settings of a resources sink: what there is, and which meeting needs what of it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from adapters.api import SinkConfig
from adapters.config_types import TARGET, Duration
from adapters.patterns import fits

LONGEST_NAME = 60
LONGEST_MARGIN = timedelta(hours=24)

Place = tuple[str | int, ...]


def _name(value: str) -> str:
    """A name as people read it, in one line."""
    name = value.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"is not a name; write 1 to {LONGEST_NAME} characters in one line")
    return name


def _pattern(value: str) -> str:
    pattern = value.strip()
    if not pattern:
        raise ValueError("an empty pattern fits nothing; write * for anything")
    return pattern


def _margin(value: timedelta) -> timedelta:
    if value > LONGEST_MARGIN:
        raise ValueError("is longer than 24h")
    return value


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _not_empty(value: object) -> object:
    """Asked before the members are, for pydantic calls a list of wrong members too short as well."""
    if isinstance(value, (list, tuple)) and not value:
        raise PydanticCustomError("too_short", "the list is empty")
    return value


NOT_EMPTY = (BeforeValidator(_not_empty), Field(json_schema_extra={"minItems": 1}))

Name = Annotated[str, AfterValidator(_name)]
Margin = Annotated[Duration, AfterValidator(_margin)]
Patterns = Annotated[
    tuple[Annotated[str, AfterValidator(_pattern)], ...],
    BeforeValidator(_not_empty),
    BeforeValidator(_listed),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]
Count = Annotated[int, Field(ge=1)]


class Assignment(BaseModel):
    """What meetings of some types need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meeting_type: Patterns = Field(
        description="id, slug or name of the meeting type, * stands for anything; a list is any of them"
    )
    needs: dict[str, Count] = Field(min_length=1, description="how many units of each pool")
    setup: Margin = Field(timedelta(0), description="time before the meeting in which the units are taken")
    teardown: Margin = Field(timedelta(0), description="time after the meeting in which the units are taken")

    def fits(self, names: Iterable[str]) -> bool:
        """Whether a meeting type with these names is meant."""
        return any(fits(pattern, name) for name in names for pattern in self.meeting_type)


class ResourcesConfig(SinkConfig):
    """Reserves rooms and equipment for bookings, moves and releases them with the booking."""

    pools: dict[Name, Annotated[tuple[Name, ...], *NOT_EMPTY]] = Field(
        min_length=1,
        description="the units of each pool, in the order in which they are given out",
        json_schema_extra=TARGET,
    )
    assign: Annotated[tuple[Assignment, ...], *NOT_EMPTY] = Field(
        description="what meetings need; the first entry that fits a meeting type counts"
    )
    release_on: tuple[Literal["cancelled", "no_show"], ...] = Field(
        ("cancelled",),
        description="what sets the units free before the time; no_show: nobody came. "
        "A cancelled booking never keeps them",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Every place that does not fit the others, all at once."""
        found = {
            place: message
            for check in (self._units, self._needs, self._order, self._releases)
            for place, message in check()
        }
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, list(map(_problem, found.items())))
        return self

    def assignment(self, names: Iterable[str]) -> Assignment | None:
        """What a meeting type with these names needs."""
        known = tuple(names)
        return next((entry for entry in self.assign if entry.fits(known)), None)

    def _units(self) -> Iterator[tuple[Place, str]]:
        """A unit that stood in two places could be given out twice at one time."""
        seen: dict[str, str] = {}
        for pool, units in self.pools.items():
            for index, unit in enumerate(units):
                first = seen.setdefault(unit.casefold(), pool)
                if first != pool or unit.casefold() in map(str.casefold, units[:index]):
                    where = "above in this pool" if first == pool else f"in the pool {first}"
                    yield ("pools", pool, index), f"{unit} is named already {where}"

    def _needs(self) -> Iterator[tuple[Place, str]]:
        for index, entry in enumerate(self.assign):
            for pool, count in entry.needs.items():
                place = ("assign", index, "needs", pool)
                if pool not in self.pools:
                    yield (*place, "[key]"), f"there is no pool {pool}{_did_you_mean(pool, self.pools)}"
                elif count > len(self.pools[pool]):
                    yield place, f"{count} are needed, the pool {pool} has {len(self.pools[pool])}"

    def _order(self) -> Iterator[tuple[Place, str]]:
        """Patterns nothing can get to, since an earlier entry takes all they fit."""
        taken: list[tuple[str, int]] = []
        for index, entry in enumerate(self.assign):
            for number, pattern in enumerate(entry.meeting_type):
                # A star of the later pattern is fitted by a star only, so the earlier one takes all of it.
                first = next(((known, at) for known, at in taken if fits(known, pattern)), None)
                if first is not None:
                    message = f"never reached: {first[0]} in entry {first[1] + 1} takes it all; put it first"
                    yield ("assign", index, "meeting_type", number), message
                taken.append((pattern, index))

    def _releases(self) -> Iterator[tuple[Place, str]]:
        if "cancelled" not in self.release_on:
            yield ("release_on",), "cancelled cannot be left out: what does not take place needs no room"


def _did_you_mean(word: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def _problem(found: tuple[Place, str]) -> InitErrorDetails:
    place, message = found
    problem = PydanticCustomError("value_error", "{message}", {"message": message})
    return InitErrorDetails(type=problem, loc=place, input=None)
