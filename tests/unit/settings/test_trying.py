"""`config test`: which sinks take a booking, asked of files and their tests."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.cli.running import run
from hub.cli.why import MARKS
from hub.errors import ConfigError
from hub.settings import Settings, load_settings
from hub.settings.expectations import Tried, read_expectations, try_out
from hub.settings.match import facets_of
from hub.settings.routing import UnreadablePayloadError, facets_of_object, facets_of_payload, route
from hub.web.present import booking_object
from tests.factories import history, snapshot
from tests.unit.settings.test_shipped_files import CONFIG, INVENTED

PAYLOADS = Path(__file__).parents[2] / "payloads" / "meetergo"
NOW = datetime(2026, 10, 12, tzinfo=UTC)
FILE = """\
sources:
  meetergo: {type: meetergo, webhook: {token: a-token-of-enough-letters}}
sinks:
  rooms: {type: console_log, match: {meeting_type: "vor-ort-*"}}
  inner: {type: console_log, match: {attendee: "*@studio.example"}}
  others: {type: console_log, match: {attendee: {not: "*@studio.example"}}}
  off: {type: console_log, enabled: false}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "hub.yaml"
    found.write_text(FILE)
    return found


@pytest.fixture
def settings(file: Path) -> Settings:
    return load_settings([file], {})


def tried(folder: Path, settings: Settings, text: str) -> list[Tried]:
    tests = folder / "tests.yaml"
    tests.write_text(text)
    found = read_expectations(tests, settings)
    return [try_out(test, settings, number=n, now=NOW) for n, test in enumerate(found, start=1)]


def test_a_payload_is_read_by_its_source_and_routed(settings: Settings) -> None:
    for envelope in ("flat", "wrapped"):
        file = PAYLOADS / f"webhook_booking_created.{envelope}.json"
        routes = route(settings, facets_of_payload(settings, file, source=None, now=NOW))
        assert {name: one.takes for name, one in routes.items()} == {
            "rooms": False,
            "inner": False,
            "others": True,
        }
        assert routes["rooms"].reason is not None
        assert routes["rooms"].reason.endswith("rooms wants vor-ort-*")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("webhook_new_employee.minimal.flat", "ignored"),
        ("webhook_malformed.no_type", "no source can read it"),
        ("absent", "No such file"),
    ],
)
def test_what_is_no_booking_is_refused_with_the_reason(settings: Settings, name: str, reason: str) -> None:
    with pytest.raises(UnreadablePayloadError, match=reason):
        facets_of_payload(settings, PAYLOADS / f"{name}.json", source=None, now=NOW)


def test_the_source_can_be_named(settings: Settings) -> None:
    file = PAYLOADS / "webhook_booking_created.flat.json"
    assert facets_of_payload(settings, file, source="meetergo", now=NOW).source == (("meetergo",),)
    with pytest.raises(UnreadablePayloadError, match="no source calcom"):
        facets_of_payload(settings, file, source="calcom", now=NOW)


def test_a_booking_of_the_api_is_seen_as_the_hub_sees_it() -> None:
    booking = history(
        snapshot(attendees=("a1", "a2"), metadata={"team": ["x", 4]}, channel="connect", group=True)
    )[-1].booking
    shown = booking_object(booking, {}).model_dump(mode="json")
    assert facets_of_object(shown) == facets_of(booking)


def test_expectations_are_tried(tmp_path: Path, settings: Settings) -> None:
    found = tried(
        tmp_path,
        settings,
        """\
tests:
  - booking: {meeting_type: vor-ort-beratung, attendee: ilse@kunde.example}
    sinks: [rooms, others]
  - name: everything goes wrong
    booking: {attendee: [mara@studio.example]}
    sinks: [others, off]
  - booking: {}
    takes: [others]
    refuses: [inner]
  - {payload: absent.json, takes: [rooms]}
""",
    )
    assert [(one.name, bool(one.surprises)) for one in found] == [
        ("test 1", False),
        ("everything goes wrong", True),
        ("test 3", False),
        ("absent.json", True),
    ]
    assert found[1].surprises == (
        "inner takes it",
        "others does not: attendee is mara@studio.example, others wants not *@studio.example",
        "off is switched off",
    )


@pytest.mark.parametrize(
    ("test", "path", "message"),
    [
        ("{booking: {}, sinks: [romms]}", "tests[0].sinks[0]", "there is no sink romms; did you mean rooms?"),
        ("{booking: {}, sinks: [], takes: [rooms]}", "tests[0]", "needs either sinks"),
        ("{booking: {}}", "tests[0]", "needs either sinks"),
        ("{sinks: []}", "tests[0]", "needs either booking or payload"),
        ("{booking: {}, source: x, sinks: []}", "tests[0]", "source belongs to a payload"),
        ("{booking: {hosts: x}, sinks: []}", "tests[0].booking.hosts", "did you mean host?"),
        ("{booking: {group: x}, sinks: []}", "tests[0].booking.group", "neither true nor false"),
        ("{bookings: {}, sinks: []}", "tests[0].bookings", "did you mean booking?"),
    ],
)
def test_a_wrong_test_is_reported_at_its_place(
    tmp_path: Path, settings: Settings, test: str, path: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        tried(tmp_path, settings, f"tests:\n  - {test}\n")
    assert (path, 2) in {(problem.path, problem.line) for problem in caught.value.problems}
    assert message in str(caught.value)


def test_the_command_runs_the_tests_beside_the_file(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = tmp_path / "tests.yaml"
    tests.write_text("tests: [{name: n, booking: {attendee: a@studio.example}, sinks: [inner]}]")
    assert run(["config", "test", "--config", str(file)]) == 0
    assert capsys.readouterr().out == "ok      n\n"
    tests.write_text("tests: [{name: n, booking: {}, sinks: [inner]}]")
    assert run(["config", "test", "--config", str(file)]) == 3
    assert "FAILED  n" in capsys.readouterr().out
    assert run(["config", "test", "--json", "--config", str(file)]) == 3
    line = json.loads(capsys.readouterr().out)
    assert line["surprises"][0].startswith("inner does not: attendee is empty")
    tests.write_text("tests: [{booking: {}, sinks: [x]}]")
    assert run(["config", "test", "--config", str(file)]) == 2
    assert "there is no sink x" in capsys.readouterr().err
    tests.unlink()
    assert run(["config", "test", "--config", str(file)]) == 2
    assert "--payload FILE" in capsys.readouterr().err


def test_the_command_routes_a_payload(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payload = str(PAYLOADS / "webhook_booking_created.flat.json")
    assert run(["config", "test", "--payload", payload, "--config", str(file)]) == 0
    lines, yes, no = capsys.readouterr().out.splitlines(), MARKS["in_step"], MARKS["not_matched"]
    assert [line.split()[:2] for line in lines] == [["rooms", no], ["inner", no], ["others", yes]]
    assert run(["config", "test", "--payload", payload, "--json", "--config", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["sinks"]["others"] == {"takes": True, "reason": None}
    assert run(["config", "test", "--payload", payload, "--all", "--config", str(file)]) == 2


@pytest.mark.parametrize(
    ("config", "tests"),
    [("hub.yaml", "tests.yaml"), ("live.example.yaml", "live.example.tests.yaml")],
)
def test_the_shipped_tests_hold(config: str, tests: str) -> None:
    settings = load_settings([CONFIG / config], INVENTED)
    found = [
        try_out(test, settings, number=n, now=NOW)
        for n, test in enumerate(read_expectations(CONFIG / tests, settings), start=1)
    ]
    assert found
    assert [(one.name, one.surprises) for one in found if one.surprises] == []
