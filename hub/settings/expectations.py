"""`config/tests.yaml`: bookings and the sinks that are expected to take them, so that a routing can be tried.

    tests:
      - name: a first meeting reaches the calendar, not the rooms
        booking: {meeting_type: erstgespraech, attendee: ilse@kunde.example}
        sinks: [team-calendar]
      - name: the webhook as it came
        payload: payloads/created.json
        sinks: [team-calendar, crm]

      - name: a meeting among ourselves
        booking: {attendee: jon@studio.example}
        refuses: [team-calendar]

A booking is written with the keys of `match`, each a text or a list of texts. `sinks` names exactly those
that take it; `takes` and `refuses` speak of those they name only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from adapters.config_types import ConfigPath
from hub.errors import ConfigError, Problem
from hub.settings.layers import plain_map
from hub.settings.match import Facets, named
from hub.settings.messages import did_you_mean, model_problems, unknown_nulls
from hub.settings.models import Section, Settings
from hub.settings.nodes import Map, Place, find
from hub.settings.report import format_problems
from hub.settings.routing import Route, UnreadablePayloadError, facets_of_payload, route
from hub.settings.yaml_tree import MAX_BYTES, read_tree

FILE = "tests.yaml"


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Texts = Annotated[
    tuple[str, ...], BeforeValidator(_one_or_more), WithJsonSchema({"type": ["string", "array"]})
]


class Members(Section):
    """A booking by what `match` looks at."""

    source: Texts = ()
    meeting_type: Texts = ()
    host: Texts = ()
    attendee: Texts = ()
    channel: Texts = ()
    metadata: dict[str, Texts] = Field(default_factory=dict)
    group: bool = False

    @property
    def facets(self) -> Facets:
        """The same as `match` sees it."""
        return Facets(
            source=_things(self.source),
            meeting_type=_things(self.meeting_type),
            host=_things(self.host),
            attendee=_things(self.attendee),
            channel=_things(self.channel),
            metadata={key: _things(texts) for key, texts in self.metadata.items()},
            group=self.group,
        )


class Expectation(Section):
    """One test: a booking or a payload, and what is expected of sinks."""

    name: str = Field("", description="what is told of the test")
    booking: Members | None = Field(None, description="the booking by its members")
    payload: ConfigPath | None = Field(None, description="a webhook's body in a file")
    source: str | None = Field(None, description="whose payload it is, where several sources could read it")
    sinks: tuple[str, ...] | None = Field(None, description="the sinks that take it, and no others")
    takes: tuple[str, ...] = Field((), description="sinks that take it")
    refuses: tuple[str, ...] = Field((), description="sinks that do not")

    @model_validator(mode="after")
    def _one_of_both(self) -> "Expectation":
        if (self.booking is None) == (self.payload is None):
            raise ValueError("needs either booking or payload")
        if self.source is not None and self.payload is None:
            raise ValueError("source belongs to a payload; a booking has its own key source")
        if (self.sinks is None) == (not self.takes and not self.refuses):
            raise ValueError("needs either sinks, all that take it, or takes and refuses")
        return self

    @property
    def named(self) -> Iterator[tuple[str, int, str]]:
        """Each sink that is named, with the key and the place it stands at."""
        for key in ("sinks", "takes", "refuses"):
            for index, sink in enumerate(getattr(self, key) or ()):
                yield key, index, sink

    def expects(self, sink: str) -> bool | None:
        """Whether the sink should take it; None = nothing is said of it."""
        if self.sinks is not None:
            return sink in self.sinks
        return True if sink in self.takes else False if sink in self.refuses else None


class Expectations(Section):
    """The whole of one file."""

    tests: tuple[Expectation, ...] = Field(description="the tests, in their order")


@dataclass(frozen=True, slots=True)
class Tried:
    """How one test went; `problem` = its payload could not be read."""

    name: str
    expectation: Expectation
    routes: Mapping[str, Route]
    problem: str | None = None

    @property
    def taken(self) -> tuple[str, ...]:
        """The sinks that take the booking."""
        return tuple(sink for sink, one in self.routes.items() if one.takes)

    @property
    def surprises(self) -> tuple[str, ...]:
        """What is otherwise than expected, a line each."""
        if self.problem is not None:
            return (self.problem,)
        found = [
            f"{sink} takes it" if one.takes else f"{sink} does not: {one.reason}"
            for sink, one in self.routes.items()
            if self.expectation.expects(sink) not in (None, one.takes)
        ]
        named = (*(self.expectation.sinks or ()), *self.expectation.takes)
        return (*found, *(f"{sink} is switched off" for sink in named if sink not in self.routes))


def read_expectations(file: Path, settings: Settings) -> tuple[Expectation, ...]:
    """The tests of a file; raises ConfigError with every problem at its place."""
    problems: list[Problem] = []
    root = _tree(file, problems)
    found = None if root is None else _content(root, problems)
    if root is not None and found is not None:
        problems.extend(_unknown_sinks(found, root, settings))
    if problems or found is None:
        raise ConfigError(format_problems(problems), problems)
    return found.tests


def try_out(expectation: Expectation, settings: Settings, *, number: int, now: datetime) -> Tried:
    """Run one test; the number names it if nothing else does."""
    name = expectation.name or (expectation.payload.name if expectation.payload else f"test {number}")
    try:
        facets = _facets(expectation, settings, now)
    except UnreadablePayloadError as error:
        return Tried(name, expectation, {}, str(error))
    return Tried(name, expectation, route(settings, facets))


def _facets(expectation: Expectation, settings: Settings, now: datetime) -> Facets:
    if expectation.booking is not None:
        return expectation.booking.facets
    if expectation.payload is None:
        raise AssertionError("the model has one of both")
    return facets_of_payload(settings, expectation.payload, source=expectation.source, now=now)


def _tree(file: Path, problems: list[Problem]) -> Map | None:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        problems.append(Place(str(file), 1, 1).problem((), f"cannot be read: {error.strerror}"))
        return None
    return read_tree(str(file), data, problems)


def _content(root: Map, problems: list[Problem]) -> Expectations | None:
    problems.extend(unknown_nulls(root, (), Expectations))
    try:
        return Expectations.model_validate(plain_map(root))
    except ValidationError as error:
        problems.extend(model_problems(error, root, (), Expectations))
        return None


def _unknown_sinks(found: Expectations, root: Map, settings: Settings) -> list[Problem]:
    problems = []
    for number, test in enumerate(found.tests):
        for key, index, sink in test.named:
            if sink not in settings.sinks:
                path = ("tests", number, key, index)
                node = find(root, path)
                place = node.place if node is not None else root.place
                hint = did_you_mean(sink, settings.sinks)
                problems.append(place.problem(path, f"there is no sink {sink}{hint}"))
    return problems


def _things(texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return named(*([text] for text in texts))
