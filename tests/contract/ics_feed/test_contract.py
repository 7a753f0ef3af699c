"""The mirror contract, on the hub's own memory of documents."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.api import AdapterContext
from adapters.ics_feed.config import IcsFeedConfig
from adapters.ics_feed.mapping import shown_content
from adapters.ics_feed.sink import IcsFeedSink
from adapters.testing import MirrorContract, PublishingSide

TOKEN = "a-made-up-token-of-a-feed"


class TestIcsFeed(MirrorContract):
    secrets = (TOKEN,)
    cannot: ClassVar[Mapping[str, str]] = {"failures": "the hub's own store is no outside system"}
    members: ClassVar[Mapping[str, Any]] = {}

    def other_side(self) -> PublishingSide:
        return PublishingSide(lambda text: shown_content(text).fields())

    def sink(self, context: AdapterContext) -> IcsFeedSink:
        return IcsFeedSink(IcsFeedConfig.model_validate({"token": TOKEN, **self.members}), context)


class TestIcsFeedThatMarks(TestIcsFeed):
    members: ClassVar[Mapping[str, Any]] = {"on_cancel": "mark", "on_no_show": "keep"}
