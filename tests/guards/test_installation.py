"""What is installed and composed: pinned by hashes, from no named place, and made to last."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hub.log.server_binary import MINIMUM_VERSION
from hub.settings import load_settings
from tests.guards.reading import ROOT

LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-test.lock"]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==[^\s;]+(?: ; [^\\]+)?(?: \\)?$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")
FORBIDDEN = re.compile(r"://|--index-url|--extra-index-url|--find-links|--trusted-host| @ ")
VARIABLES = {"BOOKINGHUB_NATS_PASSWORD": "invented", "BOOKINGHUB_DB_PASSWORD": "invented"}
LABEL = re.compile(r"(?<!\$)\$\{(\w+)")


def packages_of(lock: Path) -> dict[str, int]:
    """Each package of a lock with the number of its hashes; an odd line is an error."""
    found: dict[str, int] = {}
    name = ""
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), 1):
        pinned = PINNED.match(line)
        if pinned:
            name = pinned[1].lower()
            assert name not in found, f"{lock.name}:{number} pins {name} twice"
            found[name] = 0
        else:
            assert HASH.match(line), f"{lock.name}:{number} is neither a package nor a hash: {line}"
            found[name] += 1
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_with_hashes(lock: Path) -> None:
    packages = packages_of(lock)
    assert len(packages) > 20
    assert [name for name, hashes in packages.items() if not hashes] == []


@pytest.mark.parametrize("path", [*LOCKS, ROOT / "requirements.in"], ids=lambda path: path.name)
def test_no_address_of_an_index_is_kept(path: Path) -> None:
    assert FORBIDDEN.findall(path.read_text(encoding="utf-8")) == []


def test_tests_run_on_the_packages_that_run_the_hub() -> None:
    run, test = (lock.read_text(encoding="utf-8") for lock in LOCKS)
    versions = set(re.findall(r"^\S+==\S+", run, re.MULTILINE))
    assert versions - set(re.findall(r"^\S+==\S+", test, re.MULTILINE)) == set()


def test_no_lock_of_another_tool_is_kept() -> None:
    names = ("uv.lock", "poetry.lock", "package-lock.json", "Pipfile.lock", "pdm.lock")
    assert [name for name in names if (ROOT / name).exists()] == []


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return content


def test_compose_runs_nats_postgres_and_the_hub(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"nats", "postgres", "hub"}
    version = re.fullmatch(r"nats:(\d+)\.(\d+)\S*", services["nats"]["image"])
    assert version is not None
    assert (int(version[1]), int(version[2])) >= MINIMUM_VERSION
    assert services["postgres"]["image"].startswith("postgres:")
    assert {name: on["condition"] for name, on in services["hub"]["depends_on"].items()} == {
        "nats": "service_healthy",
        "postgres": "service_healthy",
    }


def test_compose_keeps_what_must_last_in_volumes(compose: dict[str, Any]) -> None:
    mounted = {name: service["volumes"] for name, service in compose["services"].items()}
    assert mounted == {
        "nats": ["nats:/data"],
        "postgres": ["postgres:/var/lib/postgresql/data"],
        "hub": ["hub:/app/data"],
    }
    assert set(compose["volumes"]) == {"nats", "postgres", "hub"}


def test_composed_nats_acknowledges_only_what_is_on_disk(compose: dict[str, Any]) -> None:
    content = compose["configs"]["nats"]["content"]
    block = re.search(r"jetstream \{(.*?)\}", content, re.DOTALL)
    assert block is not None
    assert re.search(r"^\s*sync_interval: always$", block[1], re.MULTILINE)
    assert re.search(r"^\s*store_dir: /data$", block[1], re.MULTILINE)
    (mounted,) = compose["services"]["nats"]["configs"]
    assert mounted == {"source": "nats", "target": "/etc/nats/nats.conf"}
    assert compose["services"]["nats"]["command"] == ["-c", "/etc/nats/nats.conf"]


def test_composed_hub_runs_with_files_that_load(compose: dict[str, Any]) -> None:
    hub = compose["services"]["hub"]
    command = hub["command"]
    assert command[0] == "run"
    files = [ROOT / value for flag, value in pairwise(command) if flag == "--config"]
    assert files == [ROOT / "config" / "hub.yaml", ROOT / "config" / "docker.yaml"]
    settings = load_settings(files, VARIABLES)
    assert settings.nats.url is not None
    assert "@nats:4222" in settings.nats.url
    assert "@postgres:5432/" in settings.store.url
    assert str(settings.http.listen) == "0.0.0.0:8080"
    assert hub["ports"] == ["127.0.0.1:8080:8080"]


def test_every_variable_of_the_composition_has_to_be_set(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert set(LABEL.findall(text)) == set(VARIABLES)
    assert all(f"${{{name}:?" in text for name in VARIABLES)
    assert set(compose["services"]["hub"]["environment"]) == set(VARIABLES)


def test_the_image_copies_everything_the_hub_needs(compose: dict[str, Any]) -> None:
    lines = compose["services"]["hub"]["build"]["dockerfile_inline"].splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert {"events", "adapters", "hub", "config", "requirements.lock", "pyproject.toml"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert any("--require-hashes" in line for line in lines)
    assert "USER hub" in [line.strip() for line in lines]
