import json
from pathlib import Path

import pytest

from hub.settings.display import effective
from hub.settings.explain import Explanation, UnknownKeyError, explain
from tests.unit.settings.example_adapters import SOUND, TOKEN, WORKING_ADAPTERS, loaded, written


def explained(folder: Path, key: str, *texts: str, **variables: str) -> Explanation:
    return explain(loaded(folder, *(texts or (SOUND,)), **variables), key, adapters=WORKING_ADAPTERS)


def test_what_is_shown_is_complete_and_holds_no_secret(tmp_path: Path) -> None:
    written(tmp_path, "from-a-file", "key")
    upper = """
nats: {url: "nats://joe:hush@h:1,nats://hush@h:2"}
store: {url: "postgresql://joe:hush@h/d?sslpassword=hush"}
sinks: {wall: {config: {key: "${KEY}", labels: {a: "${file:key}", b: "${generated:b}", c: "${PLAIN}"}}}}
"""
    configuration = loaded(tmp_path, SOUND, upper, KEY="hush", PLAIN="plain")
    shown = effective(configuration.settings, configuration.root)
    text = json.dumps(shown)
    assert not [secret for secret in ("hush", "from-a-file", TOKEN) if secret in text]
    assert shown["sources"]["front"]["webhook"] == {
        "token": "***",
        "previous_token": None,
        "register": False,
    }
    assert shown["nats"]["url"] == "nats://joe:***@h:1,nats://***@h:2"
    assert shown["store"]["url"] == "postgresql://joe:***@h/d?sslpassword=***"
    wall = shown["sinks"]["wall"]
    assert wall["config"]["labels"] == {"a": "***", "b": "***", "c": "plain"}
    assert wall["config"]["texts"]["title"] == "{title}"
    assert (wall["grace"], wall["max_age"], wall["start"]) == ("20s", "24h", "upcoming")
    assert shown["http"]["listen"] == "127.0.0.1:8080"
    assert "name" not in wall


def test_a_key_is_explained_with_meaning_value_and_origin(tmp_path: Path) -> None:
    found = explained(tmp_path, "http.listen", SOUND + "http:\n  listen: 0.0.0.0:80\n")
    assert "address and port" in found.meaning
    assert (found.value, found.default, found.kind) == ("0.0.0.0:80", "127.0.0.1:8080", "HOST:PORT")
    assert found.origin == f"{tmp_path}/0.yaml:13"
    assert found.applies == "restart"


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        ("http: {}", "default"),
        ("http: {listen: ~}", "default, since {folder}/1.yaml:1 leaves it empty"),
        ("http: {listen: 127.0.0.1:1}", "{folder}/1.yaml:1"),
        ("http: {listen: '${AT}'}", "{folder}/1.yaml:1, environment variable AT"),
        ("http: {listen: '${IN_FILE}'}", "{folder}/1.yaml:1, variable IN_FILE in {folder}/hub.env:1"),
        ("http: {listen: '${NO:-h:1}'}", "{folder}/1.yaml:1, default written there, since NO is not set"),
        ("http: {listen: '${file:at}'}", "{folder}/1.yaml:1, content of {folder}/at"),
    ],
)
def test_the_origin_of_a_value_is_named(tmp_path: Path, value: str, origin: str) -> None:
    written(tmp_path, "IN_FILE=h:1\n", "hub.env")
    written(tmp_path, "h:1\n", "at")
    found = explained(tmp_path, "http.listen", SOUND, value, AT="h:1")
    assert found.origin == origin.format(folder=tmp_path)


def test_a_secret_is_explained_without_its_value(tmp_path: Path) -> None:
    found = explained(tmp_path, "sources.front.webhook.token")
    assert (found.value, found.kind) == ("***", "secret")
    assert found.origin is not None
    assert found.origin.endswith("environment variable FRONT_TOKEN")


def test_an_adapters_own_key_is_explained(tmp_path: Path) -> None:
    found = explained(tmp_path, "sinks.wall.config.shown_for")
    assert (found.meaning, found.kind, found.value) == ("how long a text stays", "duration", "5m")
    assert explained(tmp_path, "sinks.wall.config.texts").keys == (
        "sinks.wall.config.texts.title",
        "sinks.wall.config.texts.note",
    )


def test_a_key_of_every_sink_is_explained_without_a_value(tmp_path: Path) -> None:
    for key in ("sinks.*.retry.first", "sinks.<name>.retry.first"):
        found = explained(tmp_path, key)
        assert (found.default, found.value, found.origin) == ("2s", None, None)


def test_a_section_names_its_keys(tmp_path: Path) -> None:
    assert explained(tmp_path, "sinks.gong.retry").keys == (
        "sinks.gong.retry.first",
        "sinks.gong.retry.max",
        "sinks.gong.retry.attempts",
    )
    assert "sinks.wall.type" in explained(tmp_path, "sinks.wall").keys


def test_an_unknown_key_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UnknownKeyError, match=r'no key "http\.lisen"; did you mean http\.listen'):
        explained(tmp_path, "http.lisen")
    with pytest.raises(UnknownKeyError, match=r'there is no key "qqq"$'):
        explained(tmp_path, "qqq")
