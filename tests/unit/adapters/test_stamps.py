"""Which of two marks is the later one."""

import pytest

from adapters.stamps import is_newer, stamp_position


@pytest.mark.parametrize(
    ("there", "own", "newer"),
    [
        ("1:12", "1:11", True),
        ("1:11", "1:11", False),
        ("1:9", "1:10", False),
        ("2:12", "1:11", False),
        ("1:12", "2:11", False),
        (None, "1:11", False),
        ("", "1:11", False),
        ("1:x", "1:11", False),
    ],
)
def test_only_a_later_position_of_the_same_epoch_is_newer(there: str | None, own: str, newer: bool) -> None:
    assert is_newer(there, own) is newer


def test_the_position_of_a_stamp_is_read() -> None:
    assert stamp_position("3:412") == 412
    assert stamp_position(None) == 0
