"""A mail account of a notify sink writes to one person, and to nobody else with them."""

import pytest

from adapters.notify.client import letter_address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "mailto://hub:pass@mail.example?to=team@x.example",
            "mailto://hub:pass@mail.example/?to=ilse%2Ba%40kunde.example",
        ),
        (
            "mailtos://hub:pass@mail.example:465/team@x.example/all@x.example/?cc=c@x.example&from=h@x.example",
            "mailtos://hub:pass@mail.example:465/?from=h%40x.example&to=ilse%2Ba%40kunde.example",
        ),
        ("slack://a/b/c", None),
        ("json://127.0.0.1/x", None),
    ],
    ids=["to", "path and cc", "chat", "receiver"],
)
def test_recipients_of_the_configuration_are_left_out(address: str, expected: str | None) -> None:
    assert letter_address(address, "ilse+a@kunde.example") == expected
