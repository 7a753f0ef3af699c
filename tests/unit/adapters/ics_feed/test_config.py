"""What the YAML of a feed may say."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.ics_feed import adapter
from adapters.ics_feed.config import IcsFeedConfig

TOKEN = "not-a-real-token-of-a-feed"


def test_a_token_is_enough() -> None:
    config = IcsFeedConfig.model_validate({"token": TOKEN, "previous_token": ""})
    assert config.previous_token is None
    assert (config.past, config.refresh) == (timedelta(days=30), timedelta(minutes=15))
    assert (config.on_cancel, config.on_no_show) == ("delete", "mark")


def test_the_tokens_are_not_told() -> None:
    config = IcsFeedConfig.model_validate({"token": TOKEN, "previous_token": TOKEN})
    assert TOKEN not in repr(config)
    assert TOKEN not in config.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token": "short"}, "can be guessed"),
        ({"previous_token": "short"}, "can be guessed"),
        ({"token": "with/a/slash/0123456"}, "stands in an address"),
        ({"refresh": "1s"}, "greater than or equal"),
        ({"past": "soon"}, "not a duration"),
        ({"name": ""}, "at least 1 character"),
        ({"on_no_show": "delete"}, "'mark' or 'keep'"),
        ({"per": "host"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        IcsFeedConfig.model_validate({"token": TOKEN} | changes)


def test_the_adapter_is_a_sink_that_says_how_its_feed_is_shown() -> None:
    assert adapter.sink_config is IcsFeedConfig
    assert adapter.feed is not None
    feed = adapter.feed(IcsFeedConfig.model_validate({"token": TOKEN, "previous_token": TOKEN[::-1]}))
    assert feed.tokens == (TOKEN, TOKEN[::-1])
    assert (feed.media_type, feed.suffix) == ("text/calendar; charset=utf-8", ".ics")
