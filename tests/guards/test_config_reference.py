"""The generated files say what the settings models say, and the shipped files fit the schema."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from hub.settings.generate import REFERENCE_FILE, SCHEMA_FILE, reference_text, schema_text

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "text"),
    [(SCHEMA_FILE, schema_text), (REFERENCE_FILE, reference_text)],
    ids=["schema", "reference"],
)
def test_generated_files_are_current(file: Path, text: object) -> None:
    assert callable(text)
    assert (ROOT / file).read_text(encoding="utf-8") == text(), f"run make generate: {file} is out of date"


@pytest.mark.parametrize("name", ["hub.yaml", "live.example.yaml"])
def test_shipped_files_fit_the_schema(name: str) -> None:
    validator = Draft202012Validator(json.loads((ROOT / SCHEMA_FILE).read_text(encoding="utf-8")))
    content = YAML(typ="safe", pure=True).load((ROOT / "config" / name).read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(content)] == []


@pytest.mark.parametrize("name", ["hub.yaml", "live.example.yaml"])
def test_shipped_files_name_their_schema(name: str) -> None:
    first = (ROOT / "config" / name).read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./hub.schema.json"
