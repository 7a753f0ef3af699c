"""Settings of a meetergo source."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.api import SourceConfig


class MeetergoConfig(SourceConfig):
    """Nothing to set: webhooks are taken at their word (`verify: trust`), so no API is called."""

    not_yet: ClassVar[Mapping[str, str]] = {
        "base_url": "bookings are not fetched from the meetergo API",
        "key": "bookings are not fetched from the meetergo API",
        "user_id": "bookings are not fetched from the meetergo API",
    }
