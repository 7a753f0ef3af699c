"""Two configurations compared."""

from pathlib import Path

import pytest

from hub.settings.changes import applies_after, at_target, changes, digest
from hub.settings.nodes import KeyPath
from tests.unit.settings.example_adapters import SOUND, loaded, written


def told(folder: Path, before: str, after: str, **variables: str) -> dict[str, tuple[object, object, str]]:
    old, new = folder / "old", folder / "new"
    old.mkdir()
    new.mkdir()
    found = changes(loaded(old, SOUND, before, **variables), loaded(new, SOUND, after, **variables))
    return {one.key: (one.before, one.after, one.applies) for one in found if one.key != "hub.data_dir"}


def test_what_differs_is_told_key_by_key(tmp_path: Path) -> None:
    before = "sinks: {wall: {grace: 20s, config: {lines: 3}}}\nhttp: {listen: 127.0.0.1:80}"
    after = """
http: {listen: 127.0.0.1:81}
hub: {timezone: Europe/Berlin}
sinks: {wall: {grace: 30s, match: {host: {not: x}}, config: {lines: 4, slots: [1, 2], labels: {a: b}}}}
"""
    store = "store.url"
    found = told(tmp_path, before, after)
    assert found.pop(store)[2] == "restart"
    assert found == {
        "http.listen": ("127.0.0.1:80", "127.0.0.1:81", "restart"),
        "hub.timezone": ("UTC", "Europe/Berlin", "reload"),
        "sinks.wall.grace": ("20s", "30s", "reload"),
        "sinks.wall.match": (None, {"host": {"not": "x"}}, "reload"),
        "sinks.wall.config.lines": (3, 4, "reload"),
        "sinks.wall.config.slots": ([], [1, 2], "reload"),
        "sinks.wall.config.labels.a": (None, "b", "reload"),
    }


def test_a_sink_that_comes_or_goes_is_one_change(tmp_path: Path) -> None:
    found = told(tmp_path, "sinks: {}", "sinks: {gong: ~, bell: {type: bell, events: [BookingCreated]}}")
    assert {key for key in found if key.startswith("sinks")} == {"sinks.gong", "sinks.bell"}
    assert found["sinks.gong"][1] is None
    assert found["sinks.bell"][0] is None


def test_a_changed_secret_is_a_change_that_shows_nothing(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    written(old, "one", "key")
    written(new, "two", "key")
    layer = "sinks: {wall: {config: {key: '${KEY}', labels: {a: '${file:key}'}}}}"
    before = loaded(old, SOUND, layer, KEY="first-secret")
    after = loaded(new, SOUND, layer, KEY="second-secret")
    found = {one.key: (one.before, one.after) for one in changes(before, after)}
    assert found["sinks.wall.config.key"] == ("***", "***")
    assert found["sinks.wall.config.labels.a"] == ("***", "***")
    assert digest(before) != digest(after)
    assert digest(before) == digest(loaded(old, SOUND, layer, KEY="first-secret"))


@pytest.mark.parametrize(
    ("path", "applies"),
    [
        (("http", "listen"), "restart"),
        (("nats",), "restart"),
        (("store", "url"), "restart"),
        (("logging", "level"), "restart"),
        (("hub", "data_dir"), "restart"),
        (("hub", "timezone"), "reload"),
        (("sinks", "wall", "match"), "reload"),
        (("sources", "front", "webhook", "token"), "reload"),
    ],
)
def test_it_is_said_what_applies_a_key(path: KeyPath, applies: str) -> None:
    assert applies_after(path) == applies


def test_only_what_stands_at_the_target_counts_there(tmp_path: Path) -> None:
    def leaves(layer: str, timezone: str = "UTC", **variables: str) -> dict[str, str]:
        sink = loaded(tmp_path, SOUND, layer, **variables).settings.sinks["wall"]
        return at_target(sink, timezone=timezone)

    plain = leaves("sinks: {wall: {config: {texts: {title: '{title}'}}}}")
    same = "sinks: {wall: {timeout: 5s, guard: 3, match: {host: x}, config: {key: '${KEY}'}}}"
    assert leaves(same, KEY="secret") == plain
    other = leaves("sinks: {wall: {config: {texts: {title: '{notes}'}, slots: [1]}}}")
    assert {key for key in {*plain, *other} if plain.get(key) != other.get(key)} == {
        "config.texts.title",
        "config.slots[0]",
    }
    elsewhere = leaves("sinks: {}", timezone="Europe/Berlin")
    assert {key for key in plain if plain[key] != elsewhere[key]} == {"hub.timezone"}
