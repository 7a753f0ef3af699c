"""Finding the hub to ask, stopping it, and what is said where there is none."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.served import announce, bookinghub, serving
from tests.integration.web.world import World


def test_stop_asks_the_hub_and_waits(hub: World, configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = os.environ["BOOKINGHUB_URL"]
    monkeypatch.delenv("BOOKINGHUB_URL")
    sleeper = threading.Thread(target=time.sleep, args=(0,))
    sleeper.start()
    announce(configured / "data", url, os.getpid())
    assert bookinghub("stop", "--dry-run").code == 0
    assert not hub.stopped
    monkeypatch.setattr("hub.cli.running_hub._is_gone", lambda pid: hub.stopped)
    ran = bookinghub("stop")
    assert (ran.code, hub.stopped) == (0, True)
    assert "stopped" in ran.err
    sleeper.join()


def test_hub_json_then_the_configured_address_say_where_to_ask(
    hub: World, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = os.environ["BOOKINGHUB_URL"]
    monkeypatch.delenv("BOOKINGHUB_URL")
    monkeypatch.delenv("BOOKINGHUB_TOKEN")
    (configured / "data" / "admin.token").write_text(hub.token("admin") + "\n")
    announce(configured / "data", url, os.getpid())
    assert bookinghub("status").code == 0
    (configured / "data" / "hub.json").unlink()
    port = url.rpartition(":")[2]
    (configured / "config" / "hub.yaml").write_text(
        f"hub: {{data_dir: ../data}}\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    assert bookinghub("status").code == 0
    (configured / "config" / "hub.yaml").write_text(
        f"hub: {{data_dir: '${{NOWHERE:-../data}}'}}\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    assert bookinghub("status").code == 0


def test_no_hub_is_code_5_and_says_how_to_start_one(configured: Path) -> None:
    (configured / "config" / "hub.yaml").write_text("http: {listen: '127.0.0.1:9'}\n")
    for arguments in (["status"], ["why", "x"], ["events", "tail"], ["stop"], ["inbox", "send", "-"]):
        ran = bookinghub(*arguments) if arguments != ["events", "tail"] else bookinghub("events", "list")
        assert ran.code == 5, arguments
        assert "bookinghub run" in ran.err
        assert len(ran.err.splitlines()) == 1
    assert json.loads(bookinghub("status", "--json").err)["code"] == "unreachable"
    announce(configured / "data", "http://127.0.0.1:9", 2**22 - 3)
    assert bookinghub("stop").code == 5


def test_what_is_no_hub_is_code_5(configured: Path) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    class Other:
        app = other

    with serving(Other()) as url:  # type: ignore[arg-type]
        ran = bookinghub("status", "--url", url)
    assert ran.code == 5
    assert "no booking hub" in ran.err
