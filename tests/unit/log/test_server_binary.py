"""nats-server comes from beside the interpreter or from the operator, never from PATH."""

import sysconfig
from pathlib import Path

import pytest

from hub.errors import ConfigError
from hub.log import server_binary
from hub.log.server_binary import check_server_binary, check_version, find_server_binary


def executable(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_the_packages_binary_is_found_and_fit() -> None:
    found = find_server_binary()
    assert found.parent == Path(sysconfig.get_path("scripts"))
    assert int(check_server_binary(found).split(".")[0]) >= 2


def test_a_binary_on_the_path_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "nats-server", "nats-server: v2.15.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server_binary().parent != tmp_path
    monkeypatch.setattr(server_binary, "_candidates", list)
    with pytest.raises(ConfigError, match="make setup"):
        find_server_binary()


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_named_binary_has_to_be_executable(tmp_path: Path, mode: int | None) -> None:
    binary = tmp_path / "nats-server"
    if mode is not None:
        binary.write_text("")
        binary.chmod(mode)
    with pytest.raises(ConfigError, match="not an executable file"):
        find_server_binary(binary)


def test_a_binary_that_does_not_run_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "nats-server"
    binary.write_text("not a program")
    binary.chmod(0o755)
    with pytest.raises(ConfigError, match="does not run on this machine"):
        check_server_binary(binary)


@pytest.mark.parametrize(
    ("text", "version"), [("nats-server: v2.12.0", "2.12.0"), ("2.15.1", "2.15.1"), ("v3.0.0-beta", "3.0.0")]
)
def test_versions_from_2_12_on_are_fit(text: str, version: str) -> None:
    assert check_version(text, what="it") == version


@pytest.mark.parametrize("text", ["v2.11.12", "1.4.1", "v0.99.99", ""])
def test_older_or_unknown_versions_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        check_version(text, what="it")
