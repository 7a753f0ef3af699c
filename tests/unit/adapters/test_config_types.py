from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from adapters.config_types import ConfigPath, Duration, SourceText, format_duration, parse_duration


class Config(BaseModel):
    every: Duration = timedelta(hours=1)
    file: ConfigPath | None = None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0s", timedelta(0)),
        ("500ms", timedelta(milliseconds=500)),
        ("20s", timedelta(seconds=20)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("007d", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text: str, value: timedelta) -> None:
    assert parse_duration(text) == value
    assert Config.model_validate({"every": text}).every == value


@pytest.mark.parametrize(
    "text", ["5", "", "m", "-5m", "1.5h", "1h30m", " 5m", "5 m", "5M", "\u0665m", "5m\n"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 5m, 2h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36501d", "9" * 5000 + "d"])
def test_a_duration_has_an_end(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 100 years"):
        parse_duration(text)


@given(st.integers(0, 10**12).map(lambda n: timedelta(milliseconds=n)))
def test_a_duration_is_written_as_it_is_read(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


def test_a_duration_is_written_in_the_unit_people_use() -> None:
    written = [format_duration(timedelta(hours=n)) for n in (1, 24, 48, 49)]
    assert written == ["1h", "24h", "2d", "49h"]
    assert Config().model_dump() == {"every": "1h", "file": None}


def test_a_path_counts_from_the_file_it_stands_in() -> None:
    file = Config.model_validate({"file": SourceText("../keys/a.json", Path("/etc/hub/config"))}).file
    assert file == Path("/etc/hub/keys/a.json")
    absolute = Config.model_validate({"file": SourceText("/keys/a.json", Path("/etc"))}).file
    assert absolute == Path("/keys/a.json")


def test_a_path_given_by_code_stays_as_it_is() -> None:
    assert Config(file=Path("a.json")).file == Path("a.json")
    assert Config.model_validate({"file": "a.json"}).file == Path("a.json")


def test_the_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/mara")
    assert Config.model_validate({"file": SourceText("~/a", Path("/etc"))}).file == Path("/home/mara/a")


@pytest.mark.parametrize("text", ["", "a\0b", "~nobody-of-this-name/a"])
def test_what_cannot_be_a_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a path|home directory"):
        Config.model_validate({"file": text})
