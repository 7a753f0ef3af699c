"""The configuration: YAML files, variables and secrets become frozen settings, or every problem at once."""

from hub.settings.instances import Adapters
from hub.settings.loader import Configuration, load, load_settings
from hub.settings.models import (
    HttpSettings,
    HubSettings,
    LoggingSettings,
    NatsSettings,
    RetrySettings,
    Settings,
    SinkSettings,
    SourceSettings,
    StoreSettings,
    WebhookSettings,
)
from hub.settings.values import ListenAddress, Rate

__all__ = [
    "Adapters",
    "Configuration",
    "HttpSettings",
    "HubSettings",
    "ListenAddress",
    "LoggingSettings",
    "NatsSettings",
    "Rate",
    "RetrySettings",
    "Settings",
    "SinkSettings",
    "SourceSettings",
    "StoreSettings",
    "WebhookSettings",
    "load",
    "load_settings",
]
