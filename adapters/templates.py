"""Texts with fields in them: `{start:%H:%M} {meeting_type.name|'Meeting'}`.

A parser of its own: `str.format` and Jinja2 reach attributes of the objects they are given, and these
texts meet what strangers typed. Everything is checked when the YAML is read; rendering cannot fail.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from adapters.template_fields import (
    FIELDS,
    Group,
    TemplateField,
    booking_fields,
    contact_fields,
    event_fields,
    find_field,
    reschedule_link,
)

__all__ = [
    "Allowing",
    "Piece",
    "Template",
    "TemplateError",
    "TemplateText",
    "booking_fields",
    "clean",
    "contact_fields",
    "cut",
    "event_fields",
    "reschedule_link",
]

_NAMED_FORMATS = {"date": "%Y-%m-%d", "time": "%H:%M", "datetime": "%Y-%m-%d %H:%M"}
_DIRECTIVE = re.compile(r"%(-?[a-zA-Z]|.|$)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBcdDeFGHIjmMpRSTuUVwWxXyYzZ%")
_QUOTED = re.compile(r"'((?:[^']|'')*)'\s*")
_LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029\x0b\x0c]")
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_JOINER = "\u200d"
_ANGLES = str.maketrans({"<": "\u2039", ">": "\u203a"})


class TemplateError(ValueError):
    """A text that cannot be a template; `position` counts characters from 0."""

    def __init__(self, position: int, message: str, *, nearest: str | None = None) -> None:
        hint = f"; did you mean {nearest}?" if nearest else ""
        super().__init__(f"{message} at character {position + 1}{hint}")
        self.position = position
        self.message = message
        self.nearest = nearest


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One field in a template, with the strftime format of a time."""

    field: TemplateField
    name: str
    format: str


Choice = FieldValue | str
Piece = str | tuple[Choice, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Template:
    """A checked text; equal if written alike."""

    text: str
    pieces: tuple[Piece, ...]

    @classmethod
    def parse(cls, text: str, *, allowed: Iterable[Group] = ("booking",)) -> "Template":
        """Check the text against the fields of the allowed groups; raises TemplateError."""
        return cls(text, tuple(_Parser(text, frozenset(allowed)).pieces()))

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that occur."""
        return frozenset(
            choice.name
            for piece in self.pieces
            if isinstance(piece, tuple)
            for choice in piece
            if isinstance(choice, FieldValue)
        )

    def render(
        self,
        context: Mapping[str, object],
        *,
        escape: Callable[[str], str] | None = None,
        limit: int | None = None,
        single_line: bool = False,
    ) -> str:
        """Fill in the values; one that is missing is empty.

        What guests may have typed is cut to `limit` characters and then passed through `escape`.
        No value brings control characters or a change of writing direction along; `single_line`
        makes one line of those that have several.
        """

        def value_of(choice: Choice) -> str:
            if isinstance(choice, str):
                return choice
            value = clean(_as_text(context.get(choice.name), choice.format), single_line=single_line)
            if not choice.field.guest:
                return value
            value = value if limit is None else cut(value, limit)
            return escape(value) if escape else value

        return "".join(
            piece if isinstance(piece, str) else next(filter(None, map(value_of, piece)), "")
            for piece in self.pieces
        )

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


class _Parser:
    def __init__(self, text: str, allowed: frozenset[Group]) -> None:
        self.text = text
        self.allowed = allowed
        self.position = 0

    def pieces(self) -> Iterable[Piece]:
        literal = ""
        while self.position < len(self.text):
            here = self.text[self.position]
            if self.text[self.position : self.position + 2] in ("{{", "}}"):
                literal += here
                self.position += 2
            elif here == "{":
                if literal:
                    yield literal
                literal = ""
                yield self._choices()
            elif here == "}":
                raise TemplateError(self.position, 'a single "}"; write }} for a brace')
            else:
                literal += here
                self.position += 1
        if literal:
            yield literal

    def _choices(self) -> tuple[Choice, ...]:
        opened = self.position
        choices: list[Choice] = []
        while True:
            self.position += 1
            choices.append(self._choice(opened))
            if self.text[self.position] == "}":
                self.position += 1
                return tuple(choices)

    def _choice(self, opened: int) -> Choice:
        """One alternative; leaves the position at the `|` or `}` behind it."""
        start = self.position = self._after_spaces()
        if self.text[start : start + 1] == "'":
            return self._literal(opened)
        end = self._end_of_choice(opened)
        self.position = end
        name, _, format_ = self.text[start:end].partition(":")
        return self._field(start, name.strip(), format_)

    def _after_spaces(self) -> int:
        rest = self.text[self.position :]
        return self.position + len(rest) - len(rest.lstrip())

    def _literal(self, opened: int) -> str:
        quoted = _QUOTED.match(self.text, self.position)
        if quoted is None:
            raise TemplateError(self.position, "this quote is never closed")
        self.position = quoted.end()
        if self._end_of_choice(opened) != self.position:
            raise TemplateError(self.position, 'after a quoted text comes "|" or "}"')
        return quoted[1].replace("''", "'")

    def _end_of_choice(self, opened: int) -> int:
        for index in range(self.position, len(self.text)):
            if self.text[index] in "|}":
                return index
            if self.text[index] == "{":
                raise TemplateError(
                    index, 'a "{" inside a field; close the first one or write {{ for a brace'
                )
        raise TemplateError(opened, 'this "{" is never closed; write {{ for a brace')

    def _field(self, start: int, name: str, format_: str) -> FieldValue:
        field = find_field(name)
        if field is None:
            known = [known.name for known in FIELDS.values() if known.group in self.allowed]
            nearest = difflib.get_close_matches(name, known, n=1)
            message = f'unknown field "{name}"' if name else "a field name is missing"
            raise TemplateError(start, message, nearest=nearest[0] if nearest else None)
        if field.group not in self.allowed:
            raise TemplateError(start, f'"{name}" is not available in this text')
        if format_ and not field.time:
            raise TemplateError(start, f'"{name}" is not a time and takes no format')
        return FieldValue(field, name, _checked_format(start, format_))


def _checked_format(start: int, format_: str) -> str:
    if not format_ or format_ in _NAMED_FORMATS:
        return _NAMED_FORMATS[format_ or "datetime"]
    if "%" not in format_:
        raise TemplateError(
            start, f'"{format_}" is not a format; write date, time, datetime or such as %d.%m.%Y'
        )
    for directive in _DIRECTIVE.findall(format_):
        if directive.removeprefix("-") not in _DIRECTIVES:
            raise TemplateError(start, f'"%{directive}" is no part of a date; write %% for a percent sign')
    return format_


def _as_text(value: object, format_: str) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime(format_)
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, (_as_text(item, format_) for item in value)))
    return str(value)


def clean(value: str, *, single_line: bool = False) -> str:
    """The text without control characters, changes of writing direction and half characters."""
    text = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _UNWANTED.sub("", _LINE_ENDS.sub("\n", value)))
    return " ".join(text.split()) if single_line else text


def without_markup(value: str) -> str:
    """The text with other signs for `<` and `>`, which are read alike and mean nothing to a browser."""
    return value.translate(_ANGLES)


def cut(value: str, limit: int) -> str:
    """At most `limit` characters, ending in an ellipsis if cut; never inside a combined character."""
    if len(value) <= limit:
        return value
    end = max(limit - 1, 0)
    while end and _joined(value, end):
        end -= 1
    return (value[:end].rstrip() + "…")[:limit]


def _joined(value: str, index: int) -> bool:
    """Whether the character at `index` belongs to the one before it."""
    following = value[index]
    return (
        value[index - 1] == _JOINER
        or following == _JOINER
        or unicodedata.category(following) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= following <= "\U0001f3ff"
    )


@dataclass(frozen=True, slots=True)
class Allowing:
    """Marks a pydantic field as a template: `Annotated[Template, Allowing("booking", "contact")]`."""

    groups: tuple[Group, ...]

    def __init__(self, *groups: Group) -> None:
        object.__setattr__(self, "groups", groups)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def parse(value: Any, text: core_schema.ValidatorFunctionWrapHandler) -> Template:
            return value if isinstance(value, Template) else Template.parse(text(value), allowed=self.groups)

        return core_schema.no_info_wrap_validator_function(
            parse,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "template"}


TemplateText = Annotated[Template, Allowing("booking")]
"""A pydantic field holding a template over a booking's fields; write its default as `Template.parse("…")`."""
