"""Secrets are taken out of a body before it is stored: by key, by value, and where nothing parses."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.ingest.masking import DEEPEST, Masker, parse
from hub.ingest.secret_values import MASK, MOST_VALUES
from tests.unit.adapters.meetergo.payloads import WEBHOOKS, payload
from tests.unit.ingest.hostile import KEYS, documents, secrets, shows, written

VALUE = "NOT-A-REAL-SECRET"
MASKER = Masker(secret_keys={"secret"}, dropped_keys={"ics"})


def masked(body: Any) -> dict[str, Any]:
    """What is left of a document; the stored bytes say the same."""
    result = MASKER.mask(json.dumps(body).encode())
    assert result.problem is None
    assert result.payload is not None
    assert parse(result.body) == result.payload
    return result.payload


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_sample_loses_its_secret_and_nothing_else(name: str) -> None:
    original = payload(name)
    assert masked(original) == _with_mask(original)


def _with_mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK if key == "secret" else _with_mask(member) for key, member in value.items()}
    return [_with_mask(element) for element in value] if isinstance(value, list) else value


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value", ["x", "", VALUE, 1, 1.5, True, None, ["a", {"b": "c"}], {"secret": "x"}, {}], ids=repr
)
def test_a_secret_is_masked_in_any_case_depth_and_type(key: str, value: Any) -> None:
    assert masked({"a": [{"b": {key: value}}], key: value}) == {"a": [{"b": {key: MASK}}], key: MASK}


def test_a_key_that_only_contains_the_word_is_none() -> None:
    body = {"secretary": "Ilse", "client_secret_id": "x", "note": "the secret: be on time"}
    assert masked(body) == body


@pytest.mark.parametrize(
    "elsewhere",
    [
        VALUE,
        f"https://x.example/?t={VALUE}&z=1",
        f"before{VALUE}after",
        "https://x.example/?t=NOT%2DA%2dREAL-SECRET",
        r"NOT\u002dA-REAL-SECRET",
        "NOT&#45;A&#x2D;REAL-SECRET",
        "NOT%252DA-REAL-SECRET",
        r"NOT%5Cu002dA-REAL-SECRET",
    ],
    ids=["whole", "in a link", "inside", "percent", "backslash", "reference", "twice", "mixed"],
)
def test_a_value_is_masked_wherever_it_occurs(elsewhere: str) -> None:
    left = masked({"secret": VALUE, "n": elsewhere, "deep": [[{"x": elsewhere}]], elsewhere: 1})
    assert left["n"] == left["deep"][0][0]["x"]
    for text in (left["n"], *left):
        assert "REAL" not in text
    assert MASK in left["n"]


def test_only_the_value_goes_from_a_text_that_spells_it() -> None:
    left = masked({"secret": VALUE, "n": "Grüße%20aus &amp; in https://x/?t=NOT%2DA-REAL-SECRET&z=50%25"})
    assert left["n"] == "Grüße%20aus &amp; in https://x/?t=***&z=50%25"


def test_values_inside_a_secret_are_values_too() -> None:
    assert masked({"secret": {"a": [VALUE]}, "n": VALUE}) == {"secret": MASK, "n": MASK}


def test_a_number_that_spells_a_secret_is_masked() -> None:
    assert masked({"secret": "1234567890", "n": 1234567890, "m": 12}) == {"secret": MASK, "n": MASK, "m": 12}


@pytest.mark.parametrize("value", ["1", "2026", "1234567", ""])
def test_a_short_value_is_masked_under_its_key_only(value: str) -> None:
    body = {"secret": value, "start": "2026-10-23T10:00:00+02:00", "phone": "1234567890"}
    assert masked(body) == body | {"secret": MASK}


@pytest.mark.parametrize("key", ["id", "ID", "Id"])
def test_a_value_that_is_an_id_stays_an_id(key: str) -> None:
    body = {key: "6f1c2d3e-4b5a", "secret": "6f1c2d3e-4b5a", "link": "https://x/6f1c2d3e-4b5a"}
    assert masked(body) == body | {"secret": MASK}


def test_a_value_that_is_a_numeric_id_stays_one() -> None:
    body = {"a": [{"id": 123456789}], "secret": "123456789", "n": "x123456789"}
    assert masked(body) == body | {"secret": MASK}


def test_a_secret_that_another_of_its_name_overwrites_is_found_elsewhere() -> None:
    for first in ('"secret"', '"\\u0073ecret"', '"Secret"'):
        body = f'{{{first}: "{VALUE}", "n": "{VALUE}", "secret": "another-value"}}'
        result = MASKER.mask(body.encode())
        assert VALUE.encode() not in result.body
    hidden = MASKER.mask(f'{{"a": {{"secret": "{VALUE}"}}, "a": 1, "n": "{VALUE}"}}'.encode())
    assert hidden.payload == {"a": 1, "n": MASK}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"secret": VALUE}),
        json.dumps(json.dumps({"SECRET": VALUE})),
        f"https://x.example/?id=1&secret={VALUE}&z=1",
        f"secret={VALUE}&id=1",
        f"https://x.example/?p=%7B%22secret%22%3A%22{VALUE}%22%7D",
        f"{{&quot;secret&quot;:&quot;{VALUE}&quot;}}",
    ],
    ids=["json", "json in json", "query", "form", "encoded json", "html"],
)
def test_a_member_inside_a_text_is_masked(text: str) -> None:
    for body in ({"n": text}, {text: 1}, {"ics": {"secret": "x"}, "n": text}, {"n": text, "secret": "x"}):
        assert VALUE not in json.dumps(masked(body))


def test_dropped_members_are_gone_with_what_is_in_them() -> None:
    assert masked({"ICS": "BEGIN:VCALENDAR", "a": [{"ics": {"secret": VALUE}, "b": 1}], "n": VALUE}) == {
        "a": [{"b": 1}],
        "n": MASK,
    }


def test_what_no_database_takes_is_replaced() -> None:
    result = MASKER.mask(rb'{"a": "x\u0000y", "b\ud800": "\udfff", "c": "\ud83d\ude00", "d": "\\u0000"}')
    assert result.payload == {"a": "x\ufffdy", "b\ufffd": "\ufffd", "c": "\U0001f600", "d": "\\u0000"}
    assert parse(result.body) == result.payload


def test_a_value_with_such_a_character_is_found_too() -> None:
    result = MASKER.mask(rb'{"secret": "abcd\u0000efgh", "n": "xabcd\u0000efgh", "m": "abcd\ud800efgh"}')
    assert result.payload == {"secret": MASK, "n": "x***", "m": "***"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "empty body"),
        (b" \n", "empty body"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b"17", "not a JSON object"),
        (b'{"id": "x", "secret": "abc', "not JSON: Unterminated string starting at character 22"),
        (b'{"a": NaN}', "not JSON: NaN is no JSON value at character 0"),
        (b'{"a": 1} x', "not JSON: Extra data at character 9"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON: a number that cannot be read"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"secret": "abcdefgh\xff"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), f"nested more than {DEEPEST} levels deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, f"nested more than {DEEPEST} levels deep"),
        (b'{"secret":' + b"[" * 50_000 + b"]" * 50_000 + b"}", f"nested more than {DEEPEST} levels deep"),
    ],
    ids=range(16),
)
def test_what_is_no_json_object_says_why(body: bytes, problem: str) -> None:
    result = MASKER.mask(body)
    assert (result.payload, result.problem) == (None, problem)


def test_as_many_levels_as_allowed_are_read() -> None:
    body = b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST
    assert MASKER.mask(body).payload is not None


def test_a_byte_order_mark_is_no_content() -> None:
    assert MASKER.mask(b'\xef\xbb\xbf{"a": 1}').payload == {"a": 1}


@pytest.mark.parametrize("many", [MOST_VALUES, MOST_VALUES + 1])
def test_more_secrets_than_can_be_searched_for_leave_nothing(many: int) -> None:
    values = [f"secret-value-{number}" for number in range(many)]
    body = json.dumps({"a": [{"secret": value, "n": f"x{value}"} for value in values]}).encode()
    result = MASKER.mask(body)
    assert (result.payload is None) == (many > MOST_VALUES)
    assert b"secret-value-1" not in result.body


@given(st.data())
def test_no_secret_can_be_read_out_of_what_is_kept(data: st.DataObject) -> None:
    value = data.draw(secrets())
    body = written(data.draw, data.draw(documents(value)))
    result = MASKER.mask(body)
    assert result.problem is None
    assert parse(result.body) == result.payload
    assert not shows(result.body, value)


@given(st.data())
def test_no_secret_can_be_read_out_of_a_broken_body(data: st.DataObject) -> None:
    """Broken behind its secret, be it by one byte: what came before the break is complete."""
    value = data.draw(secrets())
    found = data.draw(documents(value))
    body = written(data.draw, {"held": found.pop("held"), "break": 1, **found})
    break_at = data.draw(st.integers(body.index(b'"break"'), len(body)))
    body = body[:break_at] + data.draw(st.sampled_from([b"", b"\xff", b"NaN", b"\x00", b"}}", b'"']))
    if data.draw(st.booleans()):
        body += written(data.draw, found)
    result = MASKER.mask(body)
    assume(result.problem is not None)
    assert not shows(result.body, value)


@given(secrets(), st.data())
def test_a_secret_that_is_cut_off_is_masked_to_the_end(value: str, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(KEYS))
    before = b'{"id": "x", "n": "y", '
    begun = json.dumps({key: value})[1:].encode()
    cut = data.draw(st.integers(len(key) + 5, len(begun) - 2))
    result = MASKER.mask(before + begun[:cut])
    assert result.problem is not None
    assert result.body == before + f'"{key}": "{MASK}'.encode()


@given(st.binary(max_size=60), st.sampled_from([b"", b'"secret": "', b"secret=", b"{", b"\\"]))
def test_any_bytes_are_answered(body: bytes, before: bytes) -> None:
    result = MASKER.mask(before + body)
    assert (result.payload is None) == (result.problem is not None)
