"""What a key of `match` may hold: a pattern, a list of which any has to fit, or `not:` in front of either."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from adapters.patterns import fits

NOT = "not"
LONGEST = 500
_WRONG = "one pattern or a list of patterns is wanted here"

_PATTERN = {"type": ["string", "number", "boolean"]}
_PATTERNS = [_PATTERN, {"type": "array", "items": _PATTERN, "minItems": 1}]


@dataclass(frozen=True, slots=True)
class Condition:
    """Patterns of which any has to fit or, `negated`, none may."""

    patterns: tuple[str, ...]
    negated: bool = False

    def holds(self, values: Iterable[str]) -> bool:
        """Whether these values, all that a booking shows for the key, satisfy it."""
        found = any(fits(pattern, value) for value in values for pattern in self.patterns)
        return found != self.negated

    @property
    def written(self) -> object:
        """The condition as it stands in a file."""
        shown = self.patterns[0] if len(self.patterns) == 1 else list(self.patterns)
        return {NOT: shown} if self.negated else shown

    def __str__(self) -> str:
        return ("not " if self.negated else "") + " or ".join(self.patterns)


def read_condition(value: object) -> Condition:
    """The condition that stands in a file; raises ValidationError naming the place below it."""
    if isinstance(value, Condition):
        return value
    if not isinstance(value, Mapping):
        return Condition(_read_patterns(value, ()))
    for key in value:
        if key != NOT:
            raise _error("unknown key; only `not` can stand here", (str(key),))
    if NOT not in value:
        raise _error("empty; write a pattern, a list of them, or not: PATTERN", ())
    return Condition(_read_patterns(value[NOT], (NOT,)), negated=True)


def _read_patterns(value: object, path: tuple[str | int, ...]) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        raise _error(f"{_WRONG}, not a map", path)
    if not isinstance(value, (list, tuple)):
        return (_read_pattern(value, path),)
    if not value:
        raise _error("the list is empty, so nothing could ever fit; leave it out or name something", path)
    return tuple(_read_pattern(item, (*path, index)) for index, item in enumerate(value))


def _read_pattern(value: object, path: tuple[str | int, ...]) -> str:
    if isinstance(value, Mapping):
        raise _error("a list holds patterns; `not` stands before the whole list: {not: [A, B]}", path)
    if not isinstance(value, str):
        raise _error(f"{_WRONG}", path)
    text = str(value).strip()
    if not text:
        raise _error("an empty pattern fits nothing; write * for anything", path)
    if len(text) > LONGEST:
        raise _error(f"longer than {LONGEST} characters", path)
    return text


def _error(message: str, path: tuple[str | int, ...]) -> ValidationError:
    problem = PydanticCustomError("match", "{message}", {"message": message})
    return ValidationError.from_exception_data(
        "match", [InitErrorDetails(type=problem, loc=path, input=None)]
    )


Patterns = Annotated[
    Condition,
    PlainValidator(read_condition),
    WithJsonSchema(
        {
            "format": "patterns",
            "anyOf": [
                *_PATTERNS,
                {
                    "type": "object",
                    "properties": {NOT: {"anyOf": _PATTERNS}},
                    "required": [NOT],
                    "additionalProperties": False,
                },
            ],
        }
    ),
]
"""A pattern, a list of patterns, or `{not: …}` of either."""
