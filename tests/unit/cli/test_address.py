"""Where a command finds the hub, and with which token."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.cli.address import Address, find_address, find_place, hub_process
from hub.cli.running import CommandError
from hub.client import UnreachableError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "hub.yaml"
    file.write_text("hub: {data_dir: data}\nhttp: {listen: '0.0.0.0:8123'}\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin.token").write_text("admin-token\n")
    return file


def running(config: Path, pid: int, url: str = "http://127.0.0.1:9999") -> None:
    (config.parent / "data" / "hub.json").write_text(json.dumps({"pid": pid, "url": url}))


def test_the_address_is_that_of_the_running_hub(config: Path) -> None:
    running(config, os.getpid())
    assert find_address([config], None) == Address("http://127.0.0.1:9999", "admin-token")


def test_without_one_it_is_what_is_configured(config: Path) -> None:
    assert find_address([config], None) == Address("http://127.0.0.1:8123", "admin-token")


def test_a_hub_that_died_is_not_asked(config: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    running(config, child.pid)
    assert hub_process(config.parent / "data") is None
    assert find_address([config], None).url == "http://127.0.0.1:8123"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": null, "url": 1}', '{"pid": "x"}'])
def test_a_damaged_file_is_no_hub(config: Path, content: str) -> None:
    (config.parent / "data" / "hub.json").write_text(content)
    assert hub_process(config.parent / "data") is None


def test_a_port_that_is_chosen_at_the_start_is_known_by_a_running_hub_only(config: Path) -> None:
    config.write_text("hub: {data_dir: data}\nhttp: {listen: '127.0.0.1:0'}\n")
    with pytest.raises(UnreachableError):
        find_address([config], None)


def test_the_token_of_the_environment_wins(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKINGHUB_TOKEN", "given-token")
    assert find_address([config], None).token == "given-token"
    assert find_address([config], "http://hub.example").token == "given-token"


def test_a_url_alone_gets_no_token_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_address([], "http://hub.example:8080") == Address("http://hub.example:8080", None)


@pytest.mark.parametrize("url", ["hub.example", "ftp://hub.example", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(CommandError) as refused:
        find_address([], url)
    assert refused.value.code == 2


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"absent\.yaml is not there") as refused:
        find_place([tmp_path / "absent.yaml"])
    assert refused.value.code == 2


def test_layers_and_references_are_read_as_the_hub_reads_them(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = config.parent / "upper.yaml"
    upper.write_text("hub: {data_dir: other}\n")
    assert find_place([config, upper]).data_dir == config.parent / "other"
    upper.write_text("hub: {data_dir: null}\n")
    assert find_place([config, upper]).data_dir == config.parent / "data"
    monkeypatch.setenv("WHERE", "elsewhere")
    upper.write_text('hub: {data_dir: "${WHERE}"}\n')
    assert find_place([config, upper]).data_dir == config.parent / "elsewhere"
