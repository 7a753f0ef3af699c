"""`bookinghub adapters …` needs no hub."""

import json

import pytest

from hub.cli.running import DONE, NO, USAGE, run


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_all_types_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "list", "--json"]) == DONE
    listed = {one["name"]: one for one in lines(capsys)}
    assert listed["google_calendar"]["contracts"] == ["booking mirror"]
    assert listed["meetergo"]["contracts"] == ["source"]
    assert listed["console_log"]["stand_in"] is False
    assert run(["adapters", "list"]) == DONE
    assert "google_calendar" in capsys.readouterr().out


def test_one_is_shown_with_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "show", "webhook", "--json"]) == DONE
    (shown,) = lines(capsys)
    settings = shown["settings"]["reactor"]  # type: ignore[index]
    assert {"name": "url", "required": True}.items() <= settings[0].items()
    assert run(["adapters", "show", "webhook"]) == DONE
    assert "allow_private" in capsys.readouterr().out


def test_a_certificate_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "certify", "webhook", "--kills", "2", "--seed", "4", "--json"]) == DONE
    (certificate,) = lines(capsys)
    assert certificate["passed"] is True
    assert sum(certificate["kills"].values()) >= 2  # type: ignore[attr-defined]
    assert certificate["problems"] == []
    assert {case["outcome"] for case in certificate["cases"]} == {"passed"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nothing"), USAGE, "no installed adapter type"),
        (("certify", "nothing"), USAGE, "no installed adapter type"),
        (("certify", "console_log"), NO, "no stand-in"),
        (("new", "Re-lay"), USAGE, "cannot be"),
        (("new", "webhook"), USAGE, "exists already"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["adapters", *arguments]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
