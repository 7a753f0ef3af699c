"""The root holds what was agreed, and the packages are those of this repository."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards.reading import ROOT, name_of, own_files

THE_SEVEN = {"pyproject.toml", "docker-compose.yml", "config", "events", "adapters", "hub", "tests"}
EXPECTED_BY_TOOLS_AND_READERS = {
    ".ci",
    ".git",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "Makefile",
    "README.md",
    "docs",
    "requirements-test.lock",
    "requirements.in",
    "requirements.lock",
}
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
LICENCE = re.compile(r"\b(?:LICEN[CS]E|COPYING)(?:\.\w+)?\b|license-files|license = \{ *file")
NO_LICENCE = "No LICENSE until the owner decides."


def ignored() -> set[str]:
    """Names that git does not keep, as .gitignore says."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    return {line.strip("/") for line in lines if line.count("/") <= 1 or line.startswith("/")}


def test_the_root_holds_seven_names_and_what_tools_and_readers_expect() -> None:
    there = {path.name for path in ROOT.iterdir()}
    assert there >= THE_SEVEN
    patterns = ignored()
    unexpected = {
        name
        for name in there - THE_SEVEN - EXPECTED_BY_TOOLS_AND_READERS
        if not any(Path(name).match(pattern) for pattern in patterns)
    }
    assert unexpected == set()


@pytest.mark.parametrize("package", ["events", "adapters", "hub"])
def test_each_package_is_the_one_of_this_repository(package: str, tmp_path: Path) -> None:
    """The names are generic: another distribution on the index installs an `events` too."""
    asked = [sys.executable, "-c", f"import {package}; print({package}.__file__)"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).resolve() == ROOT / package / "__init__.py"


def test_every_module_says_what_it_is_for() -> None:
    stems = {path.stem: name_of(path) for path in own_files(".py")}
    assert {stem: stems[stem] for stem in stems.keys() & SAYS_NOTHING} == {}


def test_no_file_speaks_of_a_licence_that_is_not_there() -> None:
    here = Path(__file__).name
    found = []
    for path in own_files(".md", ".py", ".toml", ".yml", ".yaml", ".in"):
        text = path.read_text(encoding="utf-8").replace(NO_LICENCE, "")
        if path.name != here and LICENCE.search(text) and not list(ROOT.glob("LICEN[CS]E*")):
            found.append(name_of(path))
    assert found == []
    assert list(ROOT.glob("LICEN[CS]E*")) or NO_LICENCE in (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_runs_the_checks_and_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines[-1] == "make check test", "pytest's closing line has to be the last one"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n    make test\n" in readme
    assert "`.ci/run` runs `make check test`" in readme


def test_git_keeps_ci_executable() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--stage", ".ci/run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    assert listed.stdout.startswith("100755 ")
