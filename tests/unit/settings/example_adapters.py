"""Adapter types that exist for these tests only, and a short way to load a configuration that uses them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from adapters.api import BookingMirror, Reactor, Reading, Receipt, SinkConfig, Source, SourceConfig
from adapters.config_types import TARGET, ConfigPath, Duration
from adapters.http import HttpClient
from adapters.provider import Provider
from adapters.registry import AdapterType
from adapters.templates import Template, TemplateText
from events import Booking, BookingCancelled, BookingCreated, Envelope
from hub.errors import ConfigError, Problem
from hub.settings import Adapters, Configuration, load
from tests.fake_provider import FakeProvider

TOKEN = "a-token-of-enough-letters"


class BoardTexts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: TemplateText = Template.parse("{title}")
    note: TemplateText = Template.parse("{notes}")


class BoardConfig(SinkConfig):
    """Texts on a board."""

    not_yet: ClassVar[Mapping[str, str]] = {"colour": "a board is black and white"}

    board: str = Field(description="which board", json_schema_extra=TARGET)
    key: SecretStr | None = Field(None, description="opens the board")
    texts: BoardTexts = BoardTexts()
    per: Literal["booking", "host"] = "booking"
    lines: int = 3
    lit: bool = True
    ratio: float = 1.0
    shown_for: Duration = Field(timedelta(minutes=5), description="how long a text stays")
    logo: ConfigPath | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    slots: tuple[int, ...] = ()


class Board(BookingMirror[BoardConfig]):
    name = "board"
    config_class = BoardConfig

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        return receipt


class BellConfig(SinkConfig):
    """Nothing to set."""


class Bell(Reactor[BellConfig]):
    name = "bell"
    config_class = BellConfig
    handles = (BookingCreated, BookingCancelled)

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        return Receipt(external_id=idempotency_key)


class Till(Bell):
    name = "till"
    handles = (BookingCancelled,)
    least_grace = timedelta(hours=1)


class DeskConfig(SourceConfig):
    """Whoever has the key can ask."""

    key: SecretStr | None = None


class Desk(Source[DeskConfig]):
    name = "desk"
    config_class = DeskConfig
    secret_keys = frozenset()

    def provider(self, http: HttpClient) -> Provider | None:
        return FakeProvider() if self.config.key else None

    def unwrap(self, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
        return None

    def read(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        return Reading("unreadable", "")


def _load(name: str) -> AdapterType:
    if name == "broken":
        raise ImportError("No module named 'moon'")
    return {
        "bell": AdapterType("bell", "Rings.", sink=Bell),
        "board": AdapterType("board", "Writes texts on a board.", sink=Board),
        "desk": AdapterType("desk", "Where people book.", source=Desk),
        "till": AdapterType("till", "Gives money back.", sink=Till),
    }[name]


ADAPTERS = Adapters(known=lambda: ("bell", "board", "broken", "desk", "till"), load=_load)
WORKING_ADAPTERS = Adapters(known=lambda: ("bell", "board", "desk", "till"), load=_load)

SOUND = """\
sources:
  front:
    type: desk
    webhook: {token: "${FRONT_TOKEN}"}
sinks:
  wall:
    type: board
    config: {board: main}
  gong:
    type: bell
    events: [BookingCreated]
"""
ENVIRONMENT = {"FRONT_TOKEN": TOKEN}


def written(folder: Path, text: str | bytes, name: str = "hub.yaml") -> Path:
    """The text as a file in this folder."""
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def loaded(folder: Path, *texts: str, **variables: str) -> Configuration:
    """The configuration made of these layers."""
    files = [written(folder, text, f"{index}.yaml") for index, text in enumerate(texts)]
    return load(files, ENVIRONMENT | variables, adapters=ADAPTERS)


def problems(folder: Path, *texts: str, **variables: str) -> list[Problem]:
    """What is wrong with the configuration made of these layers."""
    try:
        loaded(folder, *texts, **variables)
    except ConfigError as error:
        return list(error.problems)
    return []


def complaints(folder: Path, *texts: str, **variables: str) -> dict[str, str]:
    """The messages by YAML path."""
    return {problem.path: problem.message for problem in problems(folder, *texts, **variables)}
