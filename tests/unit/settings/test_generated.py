import json
import multiprocessing
import stat
from pathlib import Path

import pytest

from hub.errors import ConfigError
from hub.settings import load_settings
from tests.unit.settings.example_adapters import ADAPTERS, SOUND, written

GENERATED = SOUND.replace("${FRONT_TOKEN}", "${generated:front_token}")


def token(file: Path, *, generate: bool) -> str:
    webhook = load_settings([file], {}, generate=generate, adapters=ADAPTERS).sources["front"].webhook
    assert webhook is not None
    return webhook.token.get_secret_value()


def test_a_check_makes_no_file(tmp_path: Path) -> None:
    file = written(tmp_path, GENERATED)
    assert token(file, generate=False)
    assert list(tmp_path.iterdir()) == [file]


def test_a_start_makes_each_secret_once_and_keeps_it_private(tmp_path: Path) -> None:
    file = written(tmp_path, GENERATED)
    first = token(file, generate=True)
    kept = tmp_path / "data" / "secrets.json"
    assert len(first) >= 32
    assert json.loads(kept.read_text()) == {"front_token": first}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [entry.name for entry in kept.parent.iterdir()] == ["secrets.json"]
    assert token(file, generate=True) == token(file, generate=False) == first


def test_a_new_secret_leaves_the_others_alone(tmp_path: Path) -> None:
    first = token(written(tmp_path, GENERATED), generate=True)
    more = GENERATED + "  board2: {type: board, config: {board: '${generated:other}'}}\n"
    assert token(written(tmp_path, more), generate=True) == first
    assert set(json.loads((tmp_path / "data" / "secrets.json").read_text())) == {"front_token", "other"}


def test_nothing_is_kept_of_a_configuration_with_problems(tmp_path: Path) -> None:
    file = written(tmp_path, GENERATED + "    grace: 5\n")
    with pytest.raises(ConfigError):
        load_settings([file], {}, generate=True, adapters=ADAPTERS)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", ["", "[]", '{"front_token": 1}', "{", "[" * 100_000])
def test_a_damaged_file_is_a_problem_and_stays_as_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / "data").mkdir()
    kept = written(tmp_path, content, "data/secrets.json")
    with pytest.raises(ConfigError, match=r"secrets\.json"):
        token(written(tmp_path, GENERATED), generate=True)
    assert kept.read_text() == content


def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    written(tmp_path, "in the way", "data")
    with pytest.raises(ConfigError, match=r"secrets"):
        token(written(tmp_path, GENERATED), generate=True)


def _start(
    file: Path, barrier: "multiprocessing.synchronize.Barrier", found: "multiprocessing.Queue[str]"
) -> None:
    barrier.wait(30)
    found.put(token(file, generate=True))


def test_two_first_starts_agree_on_one_secret(tmp_path: Path) -> None:
    file = written(tmp_path, GENERATED)
    spawning = multiprocessing.get_context("fork")
    barrier, found = spawning.Barrier(4), spawning.Queue()
    starts = [spawning.Process(target=_start, args=(file, barrier, found)) for _ in range(4)]
    for start in starts:
        start.start()
    tokens = {found.get(timeout=30) for _ in starts}
    for start in starts:
        start.join(30)
    assert len(tokens) == 1
    assert json.loads((tmp_path / "data" / "secrets.json").read_text()) == {"front_token": tokens.pop()}
