"""A stand-in for the hub as the place where a feed is kept and read.

`uvicorn --factory adapters.ics_feed.simulator:create_app` serves an empty feed; an adapter writes into
one of its own process only.
"""

from typing import Any

from adapters.ics_feed.config import IcsFeedConfig
from adapters.ics_feed.mapping import feed_of, shown_content
from adapters.registry import SimulatorType
from adapters.simulated_publishing import PublishingSimulation

TOKEN = "made-up-token-of-the-stand-in"  # noqa: S105 - opens the stand-in only

_NO_REFUSAL = "the hub's own store refuses nothing, it is only away"


def create_app() -> PublishingSimulation:
    """A stand-in whose feed is empty."""
    feed = feed_of(IcsFeedConfig.model_validate(config("")))
    return PublishingSimulation(feed, shown=lambda text: shown_content(text).fields())


def config(url: str) -> dict[str, Any]:
    """The adapter's settings; it calls no address."""
    return {"token": TOKEN}


simulator = SimulatorType(
    name="ics_feed",
    summary="the hub's own feeds: documents by key, read at a secret address",
    create_app=create_app,
    config=config,
    secrets=(TOKEN,),
    cannot={
        "delay": "the hub's own store names no time to wait",
        "400": _NO_REFUSAL,
        "422": _NO_REFUSAL,
        "401": _NO_REFUSAL,
        "403": _NO_REFUSAL,
    },
)
