"""A known value is found in text however it is spelled, and what surrounds it stays."""

from functools import reduce

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.ingest.secret_values import MASK, SecretValues
from tests.unit.ingest.hostile import ENCODERS, secrets

VALUE = "ab+c/d e=ä&f"


@pytest.mark.parametrize("second", sorted(ENCODERS))
@pytest.mark.parametrize("first", sorted(ENCODERS))
def test_a_value_is_found_through_two_encodings(first: str, second: str) -> None:
    spelled = ENCODERS[second](ENCODERS[first](VALUE))
    values = SecretValues([VALUE])
    assert values.held_by(f"x={spelled};y")
    assert values.redact(f"x={spelled};y") == f"x={MASK};y"


@given(
    secrets(),
    st.lists(st.sampled_from(sorted(ENCODERS)), max_size=3),
    st.text(max_size=5),
    st.text(max_size=5),
)
def test_a_text_that_holds_a_value_holds_none_afterwards(
    value: str, encoders: list[str], before: str, after: str
) -> None:
    spelled = reduce(lambda text, name: ENCODERS[name](text), encoders, value)
    values = SecretValues([value])
    left = values.redact(before + spelled + after)
    assert not values.held_by(left)
    assert spelled not in left


@given(st.text(), st.text(min_size=8, max_size=12))
def test_a_text_that_holds_no_value_is_left_alone(text: str, value: str) -> None:
    values = SecretValues([value])
    assume(not values.held_by(text))
    assert values.redact(text) == text


@pytest.mark.parametrize(
    ("values", "text", "left"),
    [
        (["abcdefgh", "efghijkl"], "x abcdefghijkl y", "x *** y"),
        (["abcdefgh", "abcdefghij"], "x abcdefghij y abcdefgh", "x *** y ***"),
        (["abcdefgh"], "abcdefghabcdefgh", "******"),
        (["abc***def"], "abcabc***defdef", MASK),
        (["abcdefgh"], "100 % \\ &", "100 % \\ &"),
        (["abcdefgh"], "%61bcdefgh and abcdefgh", "*** and ***"),
        (["%41%42%43"], "ABC x%2541%2542%2543", "ABC x***"),
    ],
    ids=["overlapping", "one in another", "twice", "put together", "signs only", "both", "an encoded value"],
)
def test_all_values_go_and_nothing_else(values: list[str], text: str, left: str) -> None:
    assert SecretValues(values).redact(text) == left


def test_a_text_encoded_beyond_reason_goes_as_a_whole() -> None:
    values = SecretValues(["abcdefgh"])
    assert values.redact("x %" + "25" * 20 + "61bcdefgh") == MASK
    assert values.redact("&" + "amp;" * 20) == MASK


def test_without_values_nothing_is_searched() -> None:
    assert not SecretValues(["short"])
    assert SecretValues(["short"]).redact("short %" + "25" * 20) == "short %" + "25" * 20


def test_what_is_known_of_a_cut_off_value_is_its_beginning() -> None:
    values = SecretValues([], beginnings=["abcd"])
    assert values.redact("x/abcdefgh?y, %61bcdefgh") == "x/***?y, ***"


def test_absurd_references_are_no_error() -> None:
    values = SecretValues(["abcdefgh"])
    for text in (
        "&#" + "1" * 5000 + ";",
        "&#x" + "f" * 5000,
        "&#99999999;",
        "&#0;",
        "\\ud800",
        "\\u12",
        "%ff%",
        "\\x",
    ):
        assert values.redact(text + " abcdefgh") == text + " ***"
    assert values.redact("&#" + "0" * 5000 + "97;bcdefgh") == MASK
