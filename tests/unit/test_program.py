"""Every command that is printed can be pasted as it is."""

import sys
from pathlib import Path

import pytest

from hub.program import pasteable, program


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program below the present folder, called by its path, and not on PATH."""
    path = tmp_path / ".venv" / "bin" / "bookinghub"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(sys, "argv", [str(path)])
    return path


def test_a_program_that_is_not_on_path_is_named_by_its_place(called: Path) -> None:
    assert program() == ".venv/bin/bookinghub"
    assert pasteable("bookinghub status") == ".venv/bin/bookinghub status"
    assert pasteable("a hub works here; stop it: bookinghub stop") == (
        "a hub works here; stop it: .venv/bin/bookinghub stop"
    )


def test_a_program_on_path_is_named_as_it_is(called: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(called.parent))
    assert program() == "bookinghub"
    assert pasteable("bookinghub status") == "bookinghub status"


def test_from_elsewhere_the_whole_path_is_given(
    called: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert program() == str(called)


def test_another_program_that_uses_the_code_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/lib/pytest/__main__.py"])
    assert program() == "bookinghub"


@pytest.mark.parametrize(
    "text",
    [
        "no hub runs on /srv/bookinghub data",
        "bookinghub 0.1.0 is ready",
        "the bookinghub",
        "my-bookinghub stop",
    ],
    ids=["a-path", "a-version", "a-name", "another-name"],
)
def test_what_is_no_command_stays(called: Path, text: str) -> None:
    assert pasteable(text) == text
