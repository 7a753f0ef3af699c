"""Settings of the HubSpot sinks."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from adapters.api import SinkConfig
from adapters.config_types import ApiAddress
from adapters.templates import Allowing, Template, TemplateText

HUBSPOT = "https://api.hubapi.com"
VERSION = "2026-09"

PropertyName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,99}$")]
"""The internal name of a property, as HubSpot shows it in the property's settings."""

ContactText = Annotated[Template, Allowing("contact")]

_NOT_OURS = frozenset(("email", "hs_additional_emails", "hs_object_id"))


class Connection(SinkConfig):
    """Where HubSpot is, and who is calling."""

    token: SecretStr = Field(description="access token of a service key or of a private app")
    base_url: ApiAddress = Field(HUBSPOT, description="address of the API")
    version: Annotated[str, StringConstraints(pattern="^[0-9]{4}-[0-9]{2}(-beta)?$")] = Field(
        VERSION, description="date of the API version, which stands in every path"
    )


class ContactSettings(BaseModel):
    """Which properties of a contact the hub keeps, each by a template over the contact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    create: bool = Field(True, description="whether a contact HubSpot does not know yet is made")
    properties: Mapping[PropertyName, ContactText] = Field(
        min_length=1, description="internal name of a property: its value; a single field gives it its type"
    )
    position: PropertyName = Field(
        "hub_position", description="property that says which state of the log a contact shows"
    )
    identity: PropertyName = Field(
        "hub_contact", description="property with unique values that says whose counters these are"
    )

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        own = {self.position, self.identity}
        if len(own) < 2:
            raise ValueError("position and identity have to be two properties")
        for name in self.properties:
            if name in own:
                raise ValueError(f"{name} is kept by the hub itself; name another property")
        for name in (*own, *self.properties):
            if name in _NOT_OURS:
                raise ValueError(f"{name} says who a contact is and is never written; name another property")
        return self


class HubSpotConfig(Connection):
    """Keeps counters on the contacts of one HubSpot account, found by their mail address."""

    contact: ContactSettings


Outcome = Annotated[str, StringConstraints(pattern="^[A-Z][A-Z0-9_]{0,99}$")]
"""The internal value of an outcome: HubSpot's own, or one the account has added."""


class Outcomes(BaseModel):
    """What a meeting's outcome says, for each attendee by themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    booked: Outcome = Field("SCHEDULED", description="booked, and never moved")
    moved: Outcome = Field("SCHEDULED", description="booked, and moved at least once; such as RESCHEDULED")
    no_show: Outcome = Field("NO_SHOW", description="this attendee is marked as missing")
    cancelled: Outcome = Field("CANCELED", description="the booking is cancelled, or this attendee has left")


class MeetingSettings(BaseModel):
    """What a meeting in HubSpot says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: TemplateText = Field(
        Template.parse("{meeting_type.name|title|'Meeting'}"), description="one line, at most 255 characters"
    )
    body: TemplateText = Field(
        Template.parse("{notes}"), description="text of the meeting; what guests wrote is escaped"
    )
    location: TemplateText = Field(
        Template.parse("{location}"), description="one line, at most 255 characters"
    )
    outcomes: Outcomes = Outcomes()
    position: PropertyName = Field(
        "hub_position", description="property that says which state of the log a meeting shows"
    )
    identity: PropertyName = Field(
        "hub_meeting", description="property with unique values that says which booking and attendee it is"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if self.position == self.identity:
            raise ValueError("position and identity have to be two properties")
        return self


class HubSpotMeetingsConfig(Connection):
    """Keeps one meeting for each attendee of a booking on the attendee's contact."""

    create_contacts: bool = Field(True, description="whether a contact HubSpot does not know yet is made")
    meeting: MeetingSettings = MeetingSettings()
