from pathlib import Path

from tests.unit.settings.example_adapters import ENVIRONMENT, SOUND, TOKEN, loaded, written

QUIET = ENVIRONMENT


def warnings(folder: Path, *texts: str, **variables: str) -> dict[str, str]:
    return {w.path: w.message for w in loaded(folder, *texts, **variables).settings.warnings}


def test_a_sound_configuration_has_no_warning(tmp_path: Path) -> None:
    assert warnings(tmp_path, SOUND) == {}


def test_a_secret_written_in_the_file_is_warned_about(tmp_path: Path) -> None:
    upper = f"sources: {{front: {{webhook: {{token: {TOKEN}}}}}}}\nsinks: {{wall: {{config: {{key: k}}}}}}"
    found = warnings(tmp_path, SOUND, upper)
    assert set(found) == {"sources.front.webhook.token", "sinks.wall.config.key"}
    assert all("a secret is written in the file" in message for message in found.values())


def test_a_password_in_an_address_is_one_too(tmp_path: Path) -> None:
    found = warnings(
        tmp_path, SOUND, "store: {url: 'postgresql://joe:hush@h/d'}\nnats: {url: 'nats://hush@h'}"
    )
    assert set(found) == {"store.url", "nats.url"}
    assert warnings(tmp_path, SOUND, "store: {url: '${URL}'}", URL="postgresql://joe:hush@h/d") == {}


def test_two_sinks_on_one_target_are_warned_about(tmp_path: Path) -> None:
    second = "sinks: {wall2: {type: board, config: {board: main, lines: 9}}}"
    assert warnings(tmp_path, SOUND, second) == {
        "sinks.wall2.config.board": "the sink wall writes to the same board"
    }
    assert warnings(tmp_path, SOUND, second.replace("main", "other")) == {}
    assert warnings(tmp_path, SOUND, second.replace("type:", "enabled: false, type:")) == {}


def test_a_reactor_without_events_is_warned_about(tmp_path: Path) -> None:
    found = warnings(tmp_path, SOUND, "sinks: {gong: {events: ~}}")
    assert "without `events`" in found["sinks.gong"]


def test_a_short_token_is_warned_about(tmp_path: Path) -> None:
    found = warnings(tmp_path, SOUND, FRONT_TOKEN="short")
    assert found == {"sources.front.webhook.token": "shorter than 16 characters, so it can be guessed"}


def test_a_file_that_is_not_there_is_warned_about(tmp_path: Path) -> None:
    upper = "sinks: {wall: {config: {logo: logo.png}}}"
    assert "there is no file" in warnings(tmp_path, SOUND, upper)["sinks.wall.config.logo"]
    written(tmp_path, "", "logo.png")
    assert warnings(tmp_path, SOUND, upper) == {}


def test_a_hub_that_does_nothing_is_warned_about(tmp_path: Path) -> None:
    assert set(warnings(tmp_path, "hub: {}")) == {"sources", "sinks"}


def test_a_warning_knows_its_place(tmp_path: Path) -> None:
    found = loaded(tmp_path, SOUND, "sinks:\n  wall:\n    config:\n      key: k\n").settings.warnings
    assert [(Path(w.file).name, w.line, w.column) for w in found] == [("1.yaml", 4, 12)]
