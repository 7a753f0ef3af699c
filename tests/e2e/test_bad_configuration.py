"""A bad YAML file: every problem at once with its place, exit 2, and nothing was started."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import COMMAND, free_port

BAD = """\
hub:
  timezone: Europe/Berlin
  data_dir: data
http: {{listen: "127.0.0.1:{port}"}}
sources:
  meetergo:
    type: meetergo
    verify: trust
    webhok: {{token: "a-token-of-the-tests"}}
    webhook: {{token: "${{NO_SUCH_TOKEN}}"}}
sinks:
  console:
    type: console_log
    grace: 5
    timeout: 5s
    timeout: 6s
  team:
    type: google_calendar
    config:
      credentials: {{access_token: "an-access-token-of-the-tests"}}
      calendar: team@group.calendar.google.com
      event:
        title: {{title}}
"""

EXPECTED = [
    (9, 5, "sources.meetergo.webhok", "did you mean webhook?"),
    (10, 22, "sources.meetergo.webhook.token", "NO_SUCH_TOKEN"),
    (14, 12, "sinks.console.grace", '"5" is not a duration'),
    (16, 5, "sinks.console.timeout", "duplicate key; it stands in line 15"),
    (23, 16, "sinks.team.config.event.title", "quote"),
]


@pytest.fixture
def bad(tmp_path: Path) -> tuple[Path, int]:
    port = free_port()
    config = tmp_path / "hub.yaml"
    config.write_text(BAD.format(port=port))
    return config, port


def run(*arguments: str, config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments, "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=config.parent,
        env={name: value for name, value in os.environ.items() if not name.startswith("BOOKINGHUB_")},
    )


@pytest.mark.parametrize("command", [("run",), ("config", "check"), ("rebuild", "--offline", "--yes")])
def test_all_problems_are_reported_at_once_and_nothing_starts(
    bad: tuple[Path, int], command: tuple[str, ...]
) -> None:
    config, port = bad
    done = run(*command, config=config)
    assert done.returncode == 2, done.stderr
    for line, column, path, message in EXPECTED:
        (said,) = [text for text in done.stderr.splitlines() if path in text.split()]
        assert said.split()[0] == f"{line}:{column}", said
        assert message in said
    assert f"{len(EXPECTED)} problems" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in config.parent.iterdir()) == ["hub.yaml"]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_same_problems_are_an_object_for_programs(bad: tuple[Path, int]) -> None:
    done = run("config", "check", "--json", config=bad[0])
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert [(p["line"], p["column"], p["path"]) for p in told["problems"]] == [case[:3] for case in EXPECTED]
