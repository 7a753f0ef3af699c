"""A new adapter works as it is written: it is certified, checked and tested without a change."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.scaffolding import SCAFFOLD, ScaffoldError, renamed, write_adapter

ROOT = Path(__file__).resolve().parents[3]
TUTORIAL = ROOT / "docs" / "write-an-adapter.md"

CERTIFY = """
import json, sys
from adapters.{name} import adapter
from adapters.{name}.simulator import simulator
from adapters.testing_certify import Subject, certify
done = certify(Subject(adapter, simulator), kills=6, seed=3)
failed = [case.detail for case in done.cases if case.outcome == "failed"]
print(json.dumps([done.passed, done.storm.killed, done.storm.problems, failed]))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("adapters", "events", "tests/contract/scaffold"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_new_adapter_is_certified_unchanged(checkout: Path) -> None:
    written = write_adapter("team_board2", root=checkout)
    assert "adapters/team_board2/sink.py" in written
    assert "class TeamBoard2Sink" in (checkout / "adapters/team_board2/sink.py").read_text()
    done = run(checkout, sys.executable, "-c", CERTIFY.format(name="team_board2"))
    assert done.returncode == 0, done.stderr
    passed, killed, problems, failed = json.loads(done.stdout)
    assert passed, (problems, failed)
    assert killed >= 6


def test_a_new_adapter_passes_the_checks_and_its_own_test(checkout: Path) -> None:
    write_adapter("relay", root=checkout)
    new = [f"{folder}/relay" for folder in ("adapters", "tests/contract")]
    tools = Path(sys.executable).parent
    for command in (("ruff", "check", *new), ("ruff", "format", "--check", *new)):
        done = run(checkout, str(tools / command[0]), *command[1:])
        assert done.returncode == 0, done.stdout
    done = run(
        checkout, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "lost_reply", new[1]
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_its_entry_points_are_registered(checkout: Path) -> None:
    write_adapter("relay", root=checkout)
    text = (checkout / "pyproject.toml").read_text()
    assert 'relay = "adapters.relay:adapter"' in text
    assert 'relay = "adapters.relay.simulator:simulator"' in text
    assert text.count('"adapters.relay"') == 2


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Relay", "cannot be"),
        ("re-lay", "cannot be"),
        ("class", "cannot be"),
        ("../x", "cannot be"),
        ("webhook", "exists already"),
        ("registry", "exists already"),
    ],
)
def test_a_name_that_cannot_be_one_changes_nothing(checkout: Path, name: str, complaint: str) -> None:
    before = sorted(checkout.rglob("*"))
    with pytest.raises(ScaffoldError, match=complaint):
        write_adapter(name, root=checkout)
    assert sorted(checkout.rglob("*")) == before


def test_the_tutorial_shows_the_code_that_is_written() -> None:
    shown = set()
    before, *blocks = TUTORIAL.read_text().split("```python\n")
    for block in blocks:
        code, _, after = block.partition("```")
        name = re.findall(r"`((?:adapters|tests/contract)/board/\w+\.py)`", before)[-1]
        folder = SCAFFOLD if name.startswith("adapters") else ROOT / "tests/contract/scaffold"
        text = renamed((folder / Path(name).name).read_text(), "board")
        assert code in text, f"{name}: the tutorial shows what is not there"
        shown.add(Path(name).name)
        before += after
    assert shown == {"config.py", "mapping.py", "client.py", "sink.py", "simulator.py", "test_contract.py"}
