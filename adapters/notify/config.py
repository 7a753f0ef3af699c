"""Settings of a notify sink."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from adapters.api import SinkConfig
from adapters.notify.client import is_known
from adapters.template_fields import Group
from adapters.templates import Allowing, Template


def _known(address: SecretStr) -> SecretStr:
    if not is_known(address.get_secret_value()):
        raise ValueError(
            "is no address apprise knows; write such as mailto://…, slack://…, tgram://… "
            "(github.com/caronc/apprise/wiki)"
        )
    return address


_GROUPS: tuple[Group, ...] = ("booking", "event")

EventText = Annotated[Template, Allowing(*_GROUPS)]


class NotifyConfig(SinkConfig):
    """One message per event to every address; the same words for all of them."""

    to: tuple[Annotated[SecretStr, AfterValidator(_known)], ...] = Field(
        min_length=1, description="apprise addresses; each usually holds a token, so write `${NAME}`"
    )
    title: EventText = Field(
        Template.parse("{event.label}: {meeting_type.name|title|'Booking'}", allowed=_GROUPS),
        description="the first line",
    )
    body: EventText = Field(
        Template.parse("{attendees.names}: {start:%a %d.%m.%Y %H:%M} {timezone}. {reason}", allowed=_GROUPS),
        description="the message",
    )
