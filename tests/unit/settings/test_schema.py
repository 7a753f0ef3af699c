import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from hub.settings.generate import reference_text, schema_text
from hub.settings.reference import all_keys, fields
from hub.settings.schema import schema
from tests.unit.settings.example_adapters import SOUND, WORKING_ADAPTERS, complaints, loaded


def refused(text: str) -> list[str]:
    """Where the schema finds fault with this file."""
    validator = Draft202012Validator(schema(WORKING_ADAPTERS))
    content = YAML(typ="safe", pure=True).load(text)
    return sorted({leaf(error) for error in validator.iter_errors(content)})


def leaf(error: Any) -> str:
    """The deepest place an error is about; alternatives are followed to the one that fits best."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return ".".join(map(str, error.absolute_path))


def test_the_schema_is_a_valid_one() -> None:
    Draft202012Validator.check_schema(schema(WORKING_ADAPTERS))


def test_a_sound_file_is_accepted() -> None:
    assert refused(SOUND) == []


@pytest.mark.parametrize(
    "text",
    [
        "sinks: {wall: {config: {lines: '${LINES:-3}', lit: '${LIT:-no}'}}}",
        "sinks: {wall: {grace: '${GRACE:-5m}', config: {per: '${PER:-host}'}}}",
        "sinks: {wall: {grace: ~, retry: ~}, gong: ~}",
        "hub: ~",
        "sources: {front: {poll: false, backfill: false}}",
        "sources: {front: {config: {key: k}, poll: {every: 1m}, key_expires: '2026-12-31'}}",
        "sinks: {wall: {config: {board: 12, labels: {a: 010, b: no}}}}",
    ],
)
def test_what_the_hub_accepts_the_schema_accepts(tmp_path: Path, text: str) -> None:
    loaded(tmp_path, SOUND, text)
    assert refused(text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("hubb: {}", ""),
        ("sinks: {wall: {grac: 5m}}", "sinks.wall"),
        ("sinks: {wall: {grace: 5}}", "sinks.wall.grace"),
        ("sinks: {wall: {type: bord}}", "sinks.wall.type"),
        ("sinks: {wall: {type: board, config: {lines: many}}}", "sinks.wall.config.lines"),
        ("sinks: {wall: {type: board, config: {bord: x}}}", "sinks.wall.config"),
        ("sources: {front: {poll: {every: 5}}}", "sources.front.poll.every"),
        ("sources: {front: {poll: [5m]}}", "sources.front.poll"),
        ("sources: {front: {verify: maybe}}", "sources.front.verify"),
    ],
)
def test_what_the_schema_refuses_the_hub_refuses(tmp_path: Path, text: str, place: str) -> None:
    assert refused(text) == [place]
    assert complaints(tmp_path, SOUND, text)


def test_every_key_has_a_meaning() -> None:
    general = all_keys(WORKING_ADAPTERS)["", ""]
    assert [key.path for key in general if not key.meaning] == []


def test_generated_texts_do_not_change_from_run_to_run() -> None:
    assert schema_text(WORKING_ADAPTERS) == schema_text(WORKING_ADAPTERS)
    assert json.loads(schema_text(WORKING_ADAPTERS)) == schema(WORKING_ADAPTERS)
    assert reference_text(WORKING_ADAPTERS) == reference_text(WORKING_ADAPTERS)


def test_the_reference_names_every_key_and_field() -> None:
    text = reference_text(WORKING_ADAPTERS)
    for keys in all_keys(WORKING_ADAPTERS).values():
        for key in keys:
            if not key.section:
                assert f"| `{'.'.join('<name>' if s == '*' else str(s) for s in key.path)}` |" in text
    for field in fields():
        assert f"| `{field}` |" in text
    assert "`sinks.<name>.config.shown_for` | duration | `5m` | how long a text stays" in text
    assert "- `sources.<name>.renamed_from`: a source keeps its name" in text
