from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from pydantic import ValidationError

from adapters.config_types import format_duration
from hub.settings import ListenAddress, Rate, load_settings
from hub.settings.display import effective
from tests.unit.settings.example_adapters import (
    ADAPTERS,
    ENVIRONMENT,
    SOUND,
    TOKEN,
    BoardConfig,
    complaints,
    loaded,
    problems,
    written,
)


def test_what_is_absent_has_its_default(tmp_path: Path) -> None:
    settings = load_settings([written(tmp_path, SOUND)], ENVIRONMENT, adapters=ADAPTERS)
    assert settings.hub.timezone == "UTC"
    assert settings.hub.data_dir == tmp_path / "data"
    assert settings.http.listen == ListenAddress("127.0.0.1", 8080)
    assert (settings.nats.mode, settings.nats.prefix, settings.nats.replicas) == ("embedded", "hub", 1)
    assert settings.store.url == f"sqlite:///{tmp_path}/data/hub.db"
    front, wall, gong = settings.sources["front"], settings.sinks["wall"], settings.sinks["gong"]
    assert front.webhook is not None
    assert front.webhook.token.get_secret_value() == TOKEN
    assert (front.name, front.type, front.enabled, front.verify) == ("front", "desk", True, "trust")
    assert (wall.start, gong.start) == ("upcoming", "now")
    assert (wall.max_age, wall.grace, wall.timeout) == (
        timedelta(hours=24),
        timedelta(seconds=20),
        timedelta(seconds=30),
    )
    assert (wall.retry.first, wall.retry.max, wall.retry.attempts) == (
        timedelta(seconds=2),
        timedelta(minutes=15),
        20,
    )
    assert wall.config == BoardConfig(board="main")
    assert gong.events == ("BookingCreated",)


def test_a_null_is_an_absent_key(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SOUND + "hub: {timezone: ~}\nhttp:\nnats: {url: null}\n").settings
    assert (settings.hub.timezone, settings.nats.mode) == ("UTC", "embedded")


def test_the_field_decides_the_type(tmp_path: Path) -> None:
    config = """
      lines: 010
      lit: no
      ratio: 0.10
      shown_for: 0s
      slots: [1, 02]
      labels: {a: no, b: 22:00, c: +49301, d: 010, e: 2026-10-01, f: "", g: 1e3}
      texts: {title: "{start:%H:%M} {title}"}
"""
    upper = f"sinks:\n  wall:\n    config: {config}"
    found = loaded(tmp_path, SOUND, upper).settings.sinks["wall"].config
    assert (found.lines, found.lit, found.ratio, found.shown_for) == (10, False, 0.1, timedelta(0))
    assert found.slots == (1, 2)
    assert found.labels == {
        "a": "no",
        "b": "22:00",
        "c": "+49301",
        "d": "010",
        "e": "2026-10-01",
        "f": "",
        "g": "1e3",
    }
    assert str(found.texts.title) == "{start:%H:%M} {title}"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SOUND).settings
    with pytest.raises(ValidationError):
        settings.hub.timezone = "Europe/Berlin"
    with pytest.raises(ValidationError):
        settings.sinks["wall"].config.board = "other"


def test_no_secret_is_in_the_text_of_settings(tmp_path: Path) -> None:
    upper = "nats: {url: 'nats://joe:hush-hush@h:1'}\nstore: {url: 'postgresql://joe:hush-hush@h/d'}"
    settings = loaded(tmp_path, SOUND, upper).settings
    assert TOKEN not in repr(settings)
    assert "hush-hush" not in repr(settings)


def test_layers_merge_maps_replace_the_rest_and_remove_by_null(tmp_path: Path) -> None:
    upper = """
sources: {front: {enabled: false}}
sinks:
  wall: {config: {board: other, slots: [3]}}
  gong: null
"""
    lower = SOUND.replace("{board: main}", "{board: main, slots: [1, 2], lines: 7}")
    settings = loaded(tmp_path, lower, upper).settings
    assert settings.sources["front"].enabled is False
    assert set(settings.sinks) == {"wall"}
    config = settings.sinks["wall"].config
    assert (config.board, config.slots, config.lines) == ("other", (3,), 7)


def test_a_null_in_an_upper_layer_brings_the_default_back(tmp_path: Path) -> None:
    lower = SOUND + "http: {listen: 0.0.0.0:1}\nhub: {timezone: Asia/Tokyo}\n"
    settings = loaded(tmp_path, lower, "http: {listen: ~}\nhub: ~\n").settings
    assert str(settings.http.listen) == "127.0.0.1:8080"
    assert settings.hub.timezone == "UTC"


def test_relative_paths_count_from_the_file_they_stand_in(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    below = written(tmp_path, SOUND + "hub: {data_dir: kept}\n", "below.yaml")
    above = written(tmp_path, "sinks: {wall: {config: {logo: ../logo.png}}}", "site/above.yaml")
    settings = load_settings([below, above], ENVIRONMENT, adapters=ADAPTERS)
    assert settings.hub.data_dir == tmp_path / "kept"
    assert settings.store.url == f"sqlite:///{tmp_path}/kept/hub.db"
    assert settings.sinks["wall"].config.logo == tmp_path / "logo.png"


def test_a_relative_path_given_by_a_variable_counts_from_the_file_too(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SOUND + "hub: {data_dir: '${WHERE}'}\n", WHERE="there").settings
    assert settings.hub.data_dir == tmp_path / "there"


@pytest.mark.parametrize(
    ("written_url", "url"),
    [
        ("sqlite:///own.db", "sqlite:///{folder}/own.db"),
        ("sqlite:////var/own.db", "sqlite:////var/own.db"),
        ("postgres://joe@h/d", "postgresql://joe@h/d"),
        ("postgresql://joe@h/d", "postgresql://joe@h/d"),
    ],
)
def test_the_store_is_found_where_it_is_meant(tmp_path: Path, written_url: str, url: str) -> None:
    settings = loaded(tmp_path, SOUND + f"store: {{url: '{written_url}'}}\n").settings
    assert settings.store.url == url.format(folder=tmp_path)


def test_a_url_makes_nats_foreign(tmp_path: Path) -> None:
    upper = "nats: {url: 'nats://h:4222', replicas: 3, credentials: '${file:nats.creds}'}"
    written(tmp_path, "-----BEGIN NATS USER JWT-----\n", "nats.creds")
    nats = loaded(tmp_path, SOUND, upper).settings.nats
    assert (nats.mode, nats.replicas) == ("foreign", 3)
    assert nats.credentials is not None
    assert nats.credentials.get_secret_value() == "-----BEGIN NATS USER JWT-----"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("hub: {timezone: Europe/Berlinn}", "hub.timezone", "did you mean Europe/Berlin?"),
        ("hub: {timezone: ../../etc/passwd}", "hub.timezone", "is not a time zone"),
        ("hub: {public_url: hub.example}", "hub.public_url", '"hub.example" is not an http or https address'),
        ("hub: {data_dir: ''}", "hub.data_dir", '"" is not a path'),
        ("hub: {data_dir: '${generated:x}'}", "hub.data_dir", "so it cannot be named by one"),
        ("http: {listen: 8080}", "http.listen", '"8080" is not an address to listen on'),
        ("http: {listen: 127.0.0.1:99999}", "http.listen", "is not an address to listen on"),
        ("nats: {prefix: a.b}", "nats.prefix", '"a.b" is not a prefix'),
        ("nats: {url: 'http://h'}", "nats.url", "is not a NATS address"),
        ("nats: {mode: foreign}", "nats", "mode foreign needs a url"),
        ("nats: {mode: embedded, url: 'nats://h'}", "nats", "url belongs to mode foreign"),
        ("nats: {replicas: 3}", "nats", "an embedded server keeps 1 replica"),
        ("nats: {replicas: 9}", "nats.replicas", '"9" is too much; the most is 5'),
        ("store: {url: 'mysql://h'}", "store.url", "is not a database address"),
        (
            "logging: {format: jsn}",
            "logging.format",
            '"jsn" is not one of auto, text, json; did you mean json?',
        ),
        ("sinks: {wall: {timeout: 0s}}", "sinks.wall.timeout", "has to be more than"),
        ("sinks: {wall: {grace: 5}}", "sinks.wall.grace", '"5" is not a duration; write 5m, 2h or 7d'),
        ("sinks: {wall: {grace: 99999999999d}}", "sinks.wall.grace", "is longer than 100 years"),
        ("sinks: {wall: {retry: {first: 1h}}}", "sinks.wall.retry", "max is shorter than first"),
        ("sinks: {wall: {retry: {attempts: 0}}}", "sinks.wall.retry.attempts", "the least is 1"),
        ("sources: {front: {webhook: {token: ~}}}", "sources.front.webhook.token", "missing; last part of"),
        ("sources: {front: {webhook: ~}}", "sources.front.webhook.token", "missing; last part of"),
        (
            "sources: {front: {webhook: {token: a/b}}}",
            "sources.front.webhook.token",
            "stands in an address",
        ),
        ("sources: {front: {type: ~}}", "sources.front.type", "missing; adapter type"),
        ("sources: {front: {name: x}}", "sources.front.name", "unknown key"),
        ("sources: []", "sources", "a map is wanted here, key: value, not a list"),
        ("sinks: {wall: text}", "sinks.wall", 'a map is wanted here, key: value, not "text"'),
        ("sinks: {wall: {enabled: maybe}}", "sinks.wall.enabled", '"maybe" is neither true nor false'),
        ("sinks: {gong: {events: BookingCreated}}", "sinks.gong.events", "a list is wanted here"),
        ("sinks: {gong: {events: []}}", "sinks.gong.events", "the list is empty"),
        ("sinks: {gong: {events: [~]}}", "sinks.gong.events[0]", "empty; write a value or leave it out"),
        ("sinks: {'a b': {type: bell}}", "sinks.a b", "a name is letters, digits, _ and -"),
    ],
)
def test_a_wrong_value_is_named_in_plain_words(tmp_path: Path, text: str, path: str, message: str) -> None:
    assert message in complaints(tmp_path, SOUND, text)[path]


def test_a_disabled_source_needs_no_token(tmp_path: Path) -> None:
    front = loaded(tmp_path, "sources: {front: {type: desk, enabled: no}}").settings.sources["front"]
    assert (front.enabled, front.webhook) == (False, None)


def test_an_empty_previous_token_is_none(tmp_path: Path) -> None:
    upper = "sources: {front: {webhook: {previous_token: '${OLD:-}'}}}"
    webhook = loaded(tmp_path, SOUND, upper).settings.sources["front"].webhook
    assert webhook is not None
    assert webhook.previous_token is None


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            "sinks: {wall: {type: bord}}",
            "sinks.wall.type",
            '"bord" is not an installed adapter; did you mean board?',
        ),
        ("sinks: {wall: {type: qqqq}}", "sinks.wall.type", "known: bell, board, broken, desk"),
        ("sinks: {wall: {type: desk}}", "sinks.wall.type", "desk is a source, not a sink"),
        ("sources: {front: {type: bell}}", "sources.front.type", "bell is a sink, not a source"),
        (
            "sinks: {wall: {type: broken}}",
            "sinks.wall.type",
            "broken cannot be loaded: No module named 'moon'",
        ),
        ("sinks: {wall: {events: [BookingCreated]}}", "sinks.wall.events", "events belongs to reactors"),
        (
            "sinks: {gong: {events: [BookingCreate]}}",
            "sinks.gong.events[0]",
            '"BookingCreate" is not an event; did you mean BookingCreated?',
        ),
        (
            "sinks: {gong: {events: [BookingRescheduled]}}",
            "sinks.gong.events[0]",
            "bell does not act on BookingRescheduled; it knows BookingCancelled, BookingCreated",
        ),
        ("sinks: {gong: {start: upcoming}}", "sinks.gong.start", "upcoming belongs to mirrors"),
        ("sinks: {wall: {config: ~}}", "sinks.wall.config.board", "missing; which board"),
        ("sinks: {wall: {config: {bord: x}}}", "sinks.wall.config.bord", "unknown key; did you mean board?"),
        ("sinks: {wall: {config: {bord: ~}}}", "sinks.wall.config.bord", "unknown key; did you mean board?"),
        (
            "sinks: {wall: {config: {texts: {titel: x}}}}",
            "sinks.wall.config.texts.titel",
            "did you mean title?",
        ),
        (
            "sinks: {wall: {config: {texts: {title: '{titel}'}}}}",
            "sinks.wall.config.texts.title",
            'unknown field "titel" at character 2; did you mean title?',
        ),
        (
            "sinks: {wall: {config: {texts: {title: {a: b}}}}}",
            "sinks.wall.config.texts.title",
            "one value is wanted here, not a map; a template has to stand in quotes",
        ),
        (
            "sinks: {wall: {config: {slots: [1, x]}}}",
            "sinks.wall.config.slots[1]",
            '"x" is not a whole number',
        ),
        (
            "sinks: {wall: {config: {colour: red}}}",
            "sinks.wall.config.colour",
            "not yet available: a board is black",
        ),
    ],
)
def test_instances_are_checked_against_their_adapter(
    tmp_path: Path, text: str, path: str, message: str
) -> None:
    assert message in complaints(tmp_path, SOUND, text)[path]


def test_a_problem_stands_at_its_value_a_missing_or_unknown_key_at_a_key(tmp_path: Path) -> None:
    text = """\
sources:
  front:
    type: desk
    webhok: {token: x}
sinks:
  wall:
    type: board
    grace: 5
    config:
      lines: many
"""
    found = {p.path: (p.line, p.column) for p in problems(tmp_path, text)}
    assert found == {
        "sources.front.webhook.token": (2, 3),
        "sources.front.webhok": (4, 5),
        "sinks.wall.grace": (8, 12),
        "sinks.wall.config.board": (9, 5),
        "sinks.wall.config.lines": (10, 14),
    }


def test_a_value_from_a_variable_is_never_quoted(tmp_path: Path) -> None:
    upper = """
hub: {timezone: "${HUSH}", public_url: "${HUSH}"}
http: {listen: "${HUSH}"}
sinks: {wall: {grace: "${HUSH}", config: {lines: "${HUSH}", per: "${HUSH}", texts: {title: "${TEXT}"}}}}
"""
    found = complaints(tmp_path, SOUND, upper, HUSH="very-secret-value", TEXT="{very-secret-field}")
    assert len(found) == 7
    assert not [message for message in found.values() if "very-secret" in message]


def test_the_environment_is_not_touched(tmp_path: Path) -> None:
    environ = MappingProxyType(ENVIRONMENT)
    assert load_settings([written(tmp_path, SOUND)], environ, adapters=ADAPTERS).warnings == ()
    assert [entry.name for entry in tmp_path.iterdir()] == ["hub.yaml"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("8/s", Rate(8, timedelta(seconds=1))),
        ("100/m", Rate(100, timedelta(minutes=1))),
        ("0250000/h", Rate(250_000, timedelta(hours=1))),
    ],
)
def test_a_rate_is_read(tmp_path: Path, text: str, rate: Rate) -> None:
    settings = loaded(tmp_path, SOUND, f"sinks: {{wall: {{rate: {text}, concurrency: 3}}}}").settings
    assert (settings.sinks["wall"].rate, settings.sinks["wall"].concurrency) == (rate, 3)
    assert (settings.sinks["gong"].rate, settings.sinks["gong"].concurrency) == (None, 8)
    shown = effective(settings, loaded(tmp_path, SOUND).root)["sinks"]["wall"]
    assert (shown["rate"], shown["concurrency"]) == (text.lstrip("0"), 3)


@pytest.mark.parametrize(
    "text", ["8", "8/d", "0/s", "-1/s", "1.5/s", "8 / s", "8/S", "''", "99999999/s", "[8/s]"]
)
def test_what_is_no_rate_is_told(tmp_path: Path, text: str) -> None:
    found = complaints(tmp_path, SOUND, f"sinks: {{wall: {{rate: {text}}}}}")
    assert "is not a rate; write 8/s, 100/m or 1000/h" in found["sinks.wall.rate"]


@pytest.mark.parametrize("text", ["0", "257", "many"])
def test_concurrency_is_bounded(tmp_path: Path, text: str) -> None:
    assert set(complaints(tmp_path, SOUND, f"sinks: {{wall: {{concurrency: {text}}}}}")) == {
        "sinks.wall.concurrency"
    }


def test_who_can_ask_the_provider_does_so_unless_told_otherwise(tmp_path: Path) -> None:
    key = "sources: {front: {config: {key: '${KEY}'}}}"
    asking = loaded(tmp_path, SOUND, key, KEY="s3cr3t")
    assert asking.settings.sources["front"].verify == "fetch"
    trusting = loaded(tmp_path, SOUND, key, "sources: {front: {verify: trust}}", KEY="s3cr3t")
    assert trusting.settings.sources["front"].verify == "trust"


def test_fetching_without_credentials_is_a_problem(tmp_path: Path) -> None:
    found = complaints(tmp_path, SOUND, "sources: {front: {verify: '${HOW}'}}", HOW="fetch")
    assert found == {
        "sources.front.verify": "fetch needs the credentials of the provider's API; add them under config, "
        "or write trust"
    }
    assert "is not one of fetch, trust" in "".join(
        complaints(tmp_path, SOUND, "sources: {front: {verify: maybe}}").values()
    )


ASKING = "sources: {front: {config: {key: '${KEY}'}}}"


def test_a_source_that_can_be_asked_is_polled_unless_told_otherwise(tmp_path: Path) -> None:
    source = loaded(tmp_path, SOUND, ASKING, KEY="s3cr3t").settings.sources["front"]
    assert (source.poll.every, source.poll.past, source.poll.ahead) == (
        timedelta(minutes=5),
        timedelta(days=7),
        timedelta(days=90),
    )
    assert (source.backfill.past, source.backfill.ahead) == (timedelta(days=90), timedelta(days=365))
    assert (source.silence, source.key_expires) == (timedelta(hours=3), None)
    assert source.webhook is not None
    assert not source.webhook.register


def test_polls_and_backfills_are_switched_off_by_false(tmp_path: Path) -> None:
    off = "sources: {front: {poll: false, backfill: 'no'}}"
    source = loaded(tmp_path, SOUND, ASKING, off, KEY="s3cr3t").settings.sources["front"]
    assert not source.poll.every
    assert not source.backfill.past + source.backfill.ahead


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T18:00:00+01:00", datetime(2026, 12, 31, 17, tzinfo=UTC)),
    ],
    ids=["a date", "a time"],
)
def test_a_key_ends_at_a_moment(tmp_path: Path, text: str, moment: datetime) -> None:
    ends = f"sources: {{front: {{key_expires: {text}}}}}"
    assert loaded(tmp_path, SOUND, ASKING, ends, KEY="k").settings.sources["front"].key_expires == moment


@pytest.mark.parametrize("text", ["soon", "2026-12-31T18:00:00", "2026-13-01", "7d"])
def test_a_key_that_ends_at_no_moment_is_a_problem(tmp_path: Path, text: str) -> None:
    found = complaints(tmp_path, SOUND, ASKING, f"sources: {{front: {{key_expires: '{text}'}}}}", KEY="k")
    assert "is no moment" in found["sources.front.key_expires"]


def test_an_empty_window_is_a_problem(tmp_path: Path) -> None:
    nothing = "sources: {front: {poll: {past: 0s, ahead: 0s}}}"
    found = complaints(tmp_path, SOUND, ASKING, nothing, KEY="k")
    assert "nothing to look at" in found["sources.front.poll"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("poll", "{every: 5m}"),
        ("backfill", "{past: 9d}"),
        ("silence", "3h"),
        ("key_expires", "2026-12-31"),
        ("webhook.register", "true"),
    ],
)
def test_asking_without_credentials_is_a_problem(tmp_path: Path, key: str, value: str) -> None:
    text = value
    for step in reversed(key.split(".")):
        text = f"{{{step}: {text}}}"
    found = complaints(
        tmp_path, SOUND, f"hub: {{public_url: 'https://h.example'}}\nsources: {{front: {text}}}"
    )
    assert list(found) == [f"sources.front.{key}"]
    assert "needs the credentials" in found[f"sources.front.{key}"]
    loaded(tmp_path, SOUND, f"sources: {{front: {{{key.split('.')[0]}: ~}}}}" if "." not in key else SOUND)


def test_registration_needs_an_address_to_be_called_at(tmp_path: Path) -> None:
    register = "sources: {front: {webhook: {register: true}}}"
    found = complaints(tmp_path, SOUND, ASKING, register, KEY="k")
    assert "needs hub.public_url" in found["sources.front.webhook.register"]
    public = "hub: {public_url: 'https://h.example'}"
    source = loaded(tmp_path, SOUND, ASKING, register, public, KEY="k").settings.sources["front"]
    assert source.webhook is not None
    assert source.webhook.register


@pytest.mark.parametrize(
    ("written", "grace"), [("", "1h"), ("grace: 60m", "1h"), ("grace: 2h", "2h"), ("grace: ~", "1h")]
)
def test_what_cannot_be_undone_waits_long_enough(tmp_path: Path, written: str, grace: str) -> None:
    text = f"sinks: {{cash: {{type: till, events: [BookingCancelled], {written}}}}}"
    found = loaded(tmp_path, SOUND, text).settings.sinks["cash"]
    assert format_duration(found.grace) == grace


@pytest.mark.parametrize(
    ("written", "path", "told"),
    [
        ("grace: 59m", "sinks.cash.grace", "a cancellation waits at least 1h for till"),
        ("grace: 0s", "sinks.cash.grace", "a cancellation waits at least 1h for till"),
        ("grace: soon", "sinks.cash.grace", "is not a duration"),
        ("start: beginning", "sinks.cash.start", "till starts now"),
    ],
)
def test_what_cannot_be_undone_is_done_neither_soon_nor_for_the_past(
    tmp_path: Path, written: str, path: str, told: str
) -> None:
    text = f"sinks: {{cash: {{type: till, events: [BookingCancelled], {written}}}}}"
    found = complaints(tmp_path, SOUND, text)
    assert set(found) == {path}
    assert told in found[path]
