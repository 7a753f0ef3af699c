"""The meetergo source."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.api import Reading, Source
from adapters.http import HttpClient
from adapters.meetergo import mapping
from adapters.meetergo.config import MeetergoConfig
from adapters.meetergo.provider import MeetergoProvider
from adapters.provider import Provider


class MeetergoSource(Source[MeetergoConfig]):
    """Reads both envelopes; `secret` lets anybody cancel or move the booking, so it is masked."""

    name = "meetergo"
    config_class = MeetergoConfig
    secret_keys = frozenset({"secret"})
    dropped_keys = frozenset({"ics"})

    def provider(self, http: HttpClient) -> Provider | None:
        settings = self.config.api
        return None if settings is None else MeetergoProvider(http, settings, source=self.instance)

    def unwrap(self, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
        return mapping.unwrap(payload)

    def read(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        return mapping.read_webhook(payload, source=self.instance, received_at=received_at)

    def check(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        """The outcome of `read` for a quick answer; the snapshot knows its required members only."""
        return mapping.check_webhook(payload, source=self.instance, received_at=received_at)
