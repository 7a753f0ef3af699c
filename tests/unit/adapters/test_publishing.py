"""Who may read a feed."""

from datetime import timedelta

import pytest

from adapters.publishing import Feed, audience_token

TOKENS = ("the-present-token-of-it", "the-previous-token-of-it")
FEED = Feed(TOKENS, "text/plain", ".txt", timedelta(days=1), lambda contents, audience: "".join(contents))


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_opens_everything(token: str) -> None:
    assert FEED.opens(token, None)
    assert FEED.opens(token, "mara@studio.example")


@pytest.mark.parametrize("token", TOKENS)
def test_the_token_of_an_audience_opens_nothing_else(token: str) -> None:
    hers = audience_token(token, "mara@studio.example")
    assert FEED.opens(hers, "mara@studio.example")
    assert not FEED.opens(hers, None)
    assert not FEED.opens(hers, "")
    assert not FEED.opens(hers, "deniz@studio.example")
    assert token not in hers


@pytest.mark.parametrize("token", ["", "the-present-token-of-i", "the-present-token-of-itt", "Ü", "\udcff"])
def test_nothing_else_opens_it(token: str) -> None:
    assert not FEED.opens(token, None)
    assert not FEED.opens(token, "mara@studio.example")


def test_a_feed_does_not_tell_its_tokens() -> None:
    assert not any(token in repr(FEED) for token in TOKENS)
