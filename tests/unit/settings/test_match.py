from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.patterns import fits
from events import Booking
from events.state import Host, MeetingType
from hub.settings.explain import explain
from hub.settings.match import EVERYTHING, Match
from tests.factories import at, attendee, history, snapshot
from tests.unit.settings.example_adapters import SOUND, WORKING_ADAPTERS, loaded, problems

MARA = Host(id="h1", email="mara@studio.example", name="Mara Lindqvist")
JON = Host(id="h2", email="jon@studio.example", name=None)


def booking(**members: Any) -> Booking:
    return history(snapshot(**members))[-1].booking


def match(**keys: Any) -> Match:
    return Match.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "takes"),
    [
        ({}, True),
        ({"source": "meetergo"}, True),
        ({"source": "calcom"}, False),
        ({"meeting_type": "erst*"}, True),
        ({"meeting_type": "mt1"}, True),
        ({"meeting_type": "ERSTGESPRÄCH"}, True),
        ({"meeting_type": "vor-ort-*"}, False),
        ({"meeting_type": ["vor-ort-*", "erstgespraech"]}, True),
        ({"meeting_type": {"not": "erstgespraech"}}, False),
        ({"meeting_type": {"not": ["vor-ort-*", "demo"]}}, True),
        ({"host": "mara@*"}, True),
        ({"host": "h2"}, True),
        ({"host": "Mara L*"}, True),
        ({"host": "ilse@*"}, False),
        ({"host": {"not": "jon@*"}}, False),
        ({"host": {"not": "ilse@*"}}, True),
        ({"attendee": "a2@kunde.example"}, True),
        ({"attendee": "*@studio.example"}, False),
        ({"attendee": {"not": "*@studio.example"}}, True),
        ({"attendee": {"not": "a1@*"}}, False),
        ({"channel": "connect"}, True),
        ({"channel": {"not": ["phone", "whatsapp"]}}, True),
        ({"metadata": {"team": "sales-*"}}, True),
        ({"metadata": {"team": "sales-*", "tier": "gold"}}, False),
        ({"metadata": {"tier": {"not": "gold"}}}, True),
        ({"metadata": {"tags": "b"}}, True),
        ({"metadata": {"vip": "true"}}, True),
        ({"metadata": {"seats": "4"}}, True),
        ({"metadata": {"nested": "*"}}, False),
        ({"group": False}, True),
        ({"group": True}, False),
        ({"meeting_type": "erst*", "host": "ilse@*"}, False),
        ({"meeting_type": "erst*", "host": "mara@*", "group": False}, True),
    ],
    ids=str,
)
def test_all_keys_have_to_hold(keys: dict[str, Any], takes: bool) -> None:
    shown = booking(
        attendees=("a1", "a2"),
        hosts=(MARA, JON),
        channel="connect",
        metadata={
            "team": "sales-north",
            "tags": ["a", "b"],
            "vip": True,
            "seats": 4,
            "nested": {"x": "y"},
        },
    )
    assert match(**keys).takes(shown) is takes


def test_nothing_given_is_everything() -> None:
    assert EVERYTHING.takes(booking(meeting_type_slug=None, hosts=(), metadata={}))
    assert EVERYTHING.written == {}


def test_what_is_not_there_fits_no_pattern_and_every_negation() -> None:
    bare = booking(meeting_type_id=None, meeting_type_slug=None, meeting_type_name=None, hosts=())
    for key in ("meeting_type", "host", "channel"):
        assert not match(**{key: "*"}).takes(bare)
        assert match(**{key: {"not": "*"}}).takes(bare)


def test_who_has_left_does_not_count_while_somebody_is_there() -> None:
    both = snapshot(attendees=("a1", attendee("a2", email="a2@studio.example")), group=True)
    one = both.model_copy(update={"attendees": both.attendees[:1], "version": at(5)})
    outside = match(attendee={"not": "*@studio.example"})
    assert not outside.takes(history(both)[-1].booking)
    assert outside.takes(history(both, one)[-1].booking)


def test_the_reason_names_key_value_and_what_is_wanted() -> None:
    found = match(meeting_type="vor-ort-*").mismatch(booking())
    assert found is not None
    assert found.told("rooms") == "meeting_type is erstgespraech, rooms wants vor-ort-*"
    several = match(host={"not": ["mara@*", "jon@*"]}).mismatch(booking(hosts=(MARA, JON)))
    assert several is not None
    assert several.told("crm") == (
        "host is mara@studio.example, jon@studio.example, crm wants not mara@* or jon@*"
    )
    nothing = match(metadata={"team": "x"}).mismatch(booking())
    assert nothing is not None
    assert nothing.told("crm") == "metadata.team is empty, crm wants x"


def test_a_meeting_type_without_slug_is_shown_by_what_it_has() -> None:
    shown = booking().model_copy(update={"meeting_type": MeetingType(name="Demo")})
    found = match(meeting_type="x").mismatch(shown)
    assert found is not None
    assert found.shown == "Demo"


_LETTERS = st.text("ab*ÄßI", max_size=8)


@given(pattern=_LETTERS, value=st.text("abÄßi", max_size=8))
def test_a_star_stands_for_anything(pattern: str, value: str) -> None:
    def slowly(pattern: str, value: str) -> bool:
        if not pattern:
            return not value
        if pattern[0] == "*":
            return slowly(pattern[1:], value) or (bool(value) and slowly(pattern, value[1:]))
        return bool(value) and pattern[0] == value[0] and slowly(pattern[1:], value[1:])

    assert fits(pattern, value) is slowly(pattern.casefold(), value.casefold())


def test_many_stars_take_no_time() -> None:
    assert not fits("*a" * 200 + "b", "a" * 20_000)


def test_what_is_written_reads_back_to_the_same(tmp_path: Path) -> None:
    layer = """
sinks:
  wall:
    match:
      meeting_type: [vor-ort-*, demo]
      attendee: {not: "*@studio.example"}
      metadata: {seats: 010, team: {not: [a, b]}}
      group: yes
"""
    found = loaded(tmp_path, SOUND, layer).settings.sinks["wall"].match
    assert found is not None
    assert found.written == {
        "meeting_type": ["vor-ort-*", "demo"],
        "attendee": {"not": "*@studio.example"},
        "metadata": {"seats": "010", "team": {"not": ["a", "b"]}},
        "group": True,
    }
    assert Match.model_validate(found.written) == found


@pytest.mark.parametrize(
    ("text", "place", "path", "message"),
    [
        ("{meting_type: x}", (1, 24), "meting_type", "did you mean meeting_type?"),
        ("{host: {nott: x}}", (1, 37), "host.nott", "only `not` can stand here"),
        ("{host: {nott: x, not: y}}", (1, 37), "host.nott", "only `not` can stand here"),
        ("{host: {}}", (1, 30), "host", "write a pattern"),
        ("{host: {not: }}", (1, 30), "host", "write a pattern"),
        ("{host: []}", (1, 30), "host", "nothing could ever fit"),
        ("{host: ''}", (1, 30), "host", "write * for anything"),
        ("{host: [a, {not: b}]}", (1, 34), "host[1]", "before the whole list"),
        ("{host: {not: {not: b}}}", (1, 36), "host.not", "not a map"),
        ("{metadata: x}", (1, 34), "metadata", "a map is wanted here"),
        ("{metadata: {team: [a, '']}}", (1, 45), "metadata.team[1]", "write * for anything"),
        ("{group: many}", (1, 31), "group", "neither true nor false"),
        ("[a]", (1, 23), "", "a map is wanted here"),
        ("{host: *@studio.example}", None, "host", "needs quotes"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_match_is_reported_at_its_place(
    tmp_path: Path, text: str, place: tuple[int, int] | None, path: str, message: str
) -> None:
    found = problems(tmp_path, SOUND, f"sinks: {{wall: {{match: {text}}}}}")
    assert len(found) == 1
    assert found[0].path == "sinks.wall.match" + (f".{path}" if path else "")
    assert message in found[0].message
    if place:
        assert (found[0].line, found[0].column) == place


def test_a_key_of_match_is_explained(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, SOUND, "sinks: {wall: {match: {host: {not: x}}}}")
    found = explain(configuration, "sinks.wall.match.host", adapters=WORKING_ADAPTERS)
    assert found.value == {"not": "x"}
    assert found.meaning.startswith("id, mail address or name")
    assert "list of patterns" in found.kind


@pytest.mark.parametrize(
    ("layer", "path", "message"),
    [
        ("{wall: {renamed_from: gong}}", "sinks.wall.renamed_from", "the sink gong is still there"),
        ("{wall: {renamed_from: wall}}", "sinks.wall.renamed_from", "the sink wall is still there"),
        ("{wall: {renamed_from: 'a b'}}", "sinks.wall.renamed_from", "cannot have been"),
        (
            "{wall: {renamed_from: old}, gong: {renamed_from: old}}",
            "sinks.gong.renamed_from",
            "wall takes over from old already",
        ),
        ("{wall: {guard: -1}}", "sinks.wall.guard", "the least is 0"),
    ],
)
def test_keys_about_changes_are_checked(tmp_path: Path, layer: str, path: str, message: str) -> None:
    (found,) = problems(tmp_path, SOUND, f"sinks: {layer}")
    assert found.path == path
    assert message in found.message
