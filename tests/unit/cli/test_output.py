"""What commands print: lines for programs, columns and local times for people, nothing a terminal obeys."""

import json

import pytest

from hub.cli.output import UNKNOWN, counted, print_json, print_members, print_table, short, text, when

BERLIN = "Europe/Berlin"


def test_an_object_is_one_line_of_readable_json(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {"name": "Grüße\nzwei", "n": None}
    print_json(shown)
    (line,) = capsys.readouterr().out.splitlines()
    assert "Grüße" in line
    assert json.loads(line) == shown


def test_a_table_is_as_wide_as_it_has_to_be_and_nothing_without_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("id", "name"), [])
    assert capsys.readouterr().out == ""
    print_table(("id", "name", ""), [("b1", "Ilse", None), ("b1001", "Bo\x1b[31m", 7)])
    assert capsys.readouterr().out.splitlines() == [
        "id     name",
        f"b1     Ilse     {UNKNOWN}",
        "b1001  Bo [31m  7",
    ]


def test_nothing_a_guest_typed_reaches_the_terminal_as_a_command() -> None:
    assert text("a\x1b]0;x\x07\r\nb\u202ec\x9b") == "a ]0;x   b c "
    assert text(None) == UNKNOWN
    assert text(7) == "7"


def test_members_that_are_unknown_are_left_out_and_times_are_local(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_members(
        {"start": "2026-10-27T09:00:00Z", "note": None, "list": [], "ok": True, "sinks": {"crm": 1}},
        timezone=BERLIN,
    )
    said = capsys.readouterr().out
    assert "27 Oct 2026 10:00:00" in said
    assert "note" not in said
    assert "list" not in said
    assert "yes" in said
    assert '{"crm": 1}' in said


def test_times_are_those_of_the_hub() -> None:
    assert when("2026-07-01T10:00:00Z", BERLIN) == "01 Jul 2026 12:00:00"
    assert when(None, BERLIN) == UNKNOWN


def test_ids_are_cut_so_that_they_can_be_typed() -> None:
    assert short("6f1c2d3e-4b5a-4978") == "6f1c2d3e"
    assert short("r_660b3fbe89480c063a0f5c6ea8d").startswith("r_660b3fbe89480")
    assert short(None) == UNKNOWN
    assert [counted(n, "booking", "bookings") for n in (0, 1, 2)] == ["0 bookings", "1 booking", "2 bookings"]
