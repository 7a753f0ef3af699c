"""Settings of a board sink."""

from pydantic import Field, SecretStr

from adapters.api import SinkConfig
from adapters.config_types import TARGET
from adapters.templates import Template, TemplateText


class BoardConfig(SinkConfig):
    """Keeps one card per booking on a board."""

    url: str = Field(
        pattern="^https?://[^/?#]+(/[^?#]*)?$",
        json_schema_extra=TARGET,
        description="address of the board's API",
    )
    token: SecretStr = Field(description="token that may read and write cards")
    title: TemplateText = Field(
        Template.parse("{meeting_type.name|title}: {attendees.names}"), description="what a card says"
    )
