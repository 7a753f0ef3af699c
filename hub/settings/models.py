"""The settings, as the rest of the hub gets them: typed, frozen, complete.

The models also are the source of the configuration reference and of the JSON Schema: the description
of a field is what `config explain` prints.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from adapters.config_types import AddressToken, ConfigPath, Duration, empty_is_absent
from hub.errors import Problem
from hub.settings.match import Match
from hub.settings.values import (
    CAN_BE_OFF,
    Expiry,
    HttpUrl,
    Listen,
    ListenAddress,
    NatsUrl,
    Prefix,
    RateText,
    StoreUrl,
    TimeZone,
    off_as,
)


class Section(BaseModel):
    """A map of the file: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HubSettings(Section):
    """The hub as a whole."""

    timezone: TimeZone = Field(
        "UTC", description="time zone (IANA) in which times without one are read and in which times are shown"
    )
    public_url: HttpUrl | None = Field(
        None, description="address under which providers and people reach this hub"
    )
    data_dir: ConfigPath = Field(
        Path("data"), description="folder for everything the hub keeps; absent: `data` beside the first file"
    )


class HttpSettings(Section):
    """The hub's own web server."""

    listen: Listen = Field(
        ListenAddress("127.0.0.1", 8080), description="address and port of the API and of the webhooks"
    )
    webhook_listen: Listen | None = Field(
        None, description="second address with webhooks, feeds and health only, the one to expose"
    )


class NatsSettings(Section):
    """The event log: a nats-server the hub starts itself, or one that is there."""

    mode: Literal["embedded", "foreign"] = Field(
        "embedded",
        description="embedded: the hub starts its own nats-server; foreign: it uses the one at `url`",
    )
    url: NatsUrl | None = Field(
        None,
        repr=False,
        description="address of a nats-server with JetStream; several with commas between them",
    )
    replicas: int = Field(1, ge=1, le=5, description="copies of each stream in a NATS cluster")
    credentials: Annotated[SecretStr | None, BeforeValidator(empty_is_absent)] = Field(
        None, description="content of a NATS credentials file, usually `${file:PATH}`"
    )
    prefix: Prefix = Field(
        "hub", description="names subjects and streams, so that several hubs can share one NATS"
    )
    binary: ConfigPath | None = Field(
        None, description="nats-server to start instead of the one that is installed with the hub"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "NatsSettings":
        if self.mode == "foreign" and self.url is None:
            raise ValueError("mode foreign needs a url")
        if self.mode == "embedded":
            for key, given in (("url", self.url), ("credentials", self.credentials)):
                if given is not None:
                    raise ValueError(f"{key} belongs to mode foreign; an embedded server has its own")
            if self.replicas != 1:
                raise ValueError("an embedded server keeps 1 replica")
        elif self.binary is not None:
            raise ValueError("binary belongs to mode embedded")
        return self


class StoreSettings(Section):
    """The SQL store: projections, deliveries and receipts."""

    url: StoreUrl = Field(
        "",
        repr=False,
        description="sqlite:///FILE or postgresql://USER@HOST/DATABASE; absent: `hub.db` in the data folder",
    )


class LoggingSettings(Section):
    """What the hub writes to stderr."""

    format: Literal["auto", "text", "json"] = Field(
        "auto", description="text for people, json for programs; auto: text on a terminal, else json"
    )
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least level written")


class SimulatorSettings(Section):
    """Stand-ins for outside systems, started with the hub: a playground that needs no account."""

    types: tuple[str, ...] = Field(
        min_length=1,
        description="adapter types whose stand-ins are started on loopback; `${sim:TYPE}` is an address",
    )
    every: Duration = Field(
        timedelta(seconds=4),
        description="how often something happens at the simulated booking provider by itself; 0s: never",
    )
    misbehave: bool = Field(
        True, description="double, delay, reorder and lose webhooks, and have a target fail now and then"
    )


with warnings.catch_warnings():
    # `register` is also a method of every abstract class, which pydantic warns of and nobody calls here.
    warnings.filterwarnings("ignore", message='Field name "register"')

    class WebhookSettings(Section):
        """The door for a source's webhooks."""

        token: AddressToken = Field(
            description="last part of the webhook's address, which keeps strangers out; 16 characters or more"
        )
        previous_token: Annotated[AddressToken | None, BeforeValidator(empty_is_absent)] = Field(
            None, description="token that is still accepted while the provider is changed to the new one"
        )
        register: bool = Field(
            False,
            description="have the hub enter its address at the provider at every start; needs hub.public_url "
            "and credentials of the provider's API",
        )


class PollSettings(Section):
    """How often a source is asked what changed, and for which meetings."""

    every: Duration = Field(
        timedelta(minutes=5), description="pause between two polls; 0s: none, as `poll: false`"
    )
    past: Duration = Field(timedelta(days=7), description="how long ago a meeting may have begun")
    ahead: Duration = Field(timedelta(days=90), description="how far ahead a meeting may begin")

    @model_validator(mode="after")
    def _consistent(self) -> "PollSettings":
        if self.every and not self.past + self.ahead:
            raise ValueError("past and ahead are both 0s, so there is nothing to look at; write false")
        return self


class BackfillSettings(Section):
    """Which meetings are read at a source's first start."""

    past: Duration = Field(timedelta(days=90), description="how long ago a meeting may have begun")
    ahead: Duration = Field(
        timedelta(days=365),
        description="how far ahead a meeting may begin; both 0s: none, as `backfill: false`",
    )


class RetrySettings(Section):
    """When a delivery that failed for a passing reason is tried again."""

    first: Duration = Field(
        timedelta(seconds=2), description="pause after the first failed attempt; it doubles"
    )
    max: Duration = Field(timedelta(minutes=15), description="longest pause between two attempts")
    attempts: int = Field(20, ge=1, le=10_000, description="attempts after which the delivery is parked")

    @model_validator(mode="after")
    def _consistent(self) -> "RetrySettings":
        if not self.first:
            raise ValueError("first has to be longer than 0s")
        if self.max < self.first:
            raise ValueError("max is shorter than first")
        return self


class DriftSettings(Section):
    """When a mirror is compared with its target, and what happens to what has drifted."""

    every: Duration | None = Field(
        None,
        description="about how often a mirror is compared with its target; absent: 1h, for contacts 24h; "
        "0s: never",
    )
    repair: bool = Field(False, description="repair what a comparison finds, within the guard")


class Instance(Section):
    """What sources and sinks have in common."""

    type: str = Field(description="adapter type")
    enabled: bool = Field(True, description="false leaves it out without forgetting what it has done")


class SourceEntry(Instance):
    """One booking provider, as written."""

    webhook: WebhookSettings | None = Field(None, description="the door for webhooks; needed if enabled")
    verify: Literal["fetch", "trust"] | None = Field(
        None,
        description="what a webhook is worth; fetch: the booking is read back from the provider (default "
        "with credentials of its API), trust: the payload is taken for true (default without)",
    )
    poll: Annotated[PollSettings, BeforeValidator(off_as({"every": "0s"}))] = Field(
        default_factory=PollSettings,
        description="asking the provider what changed; only with credentials of its API; false: never",
        json_schema_extra=CAN_BE_OFF,
    )
    backfill: Annotated[BackfillSettings, BeforeValidator(off_as({"past": "0s", "ahead": "0s"}))] = Field(
        default_factory=BackfillSettings,
        description="reading what there was before the first start; only with credentials of the provider's "
        "API; false: nothing",
        json_schema_extra=CAN_BE_OFF,
    )
    silence: Duration = Field(
        timedelta(hours=3),
        description="how long no webhook may come while polls find changes; longer is an issue; 0s: never",
    )
    key_expires: Expiry | None = Field(
        None,
        description="when the API's key ends: a date (its first moment, UTC) or a time; 14 days before it is "
        "an issue",
    )
    config: dict[str, Any] = Field(default_factory=dict, description="the adapter's own settings")


class SinkEntry(Instance):
    """One target, as written."""

    events: tuple[str, ...] | None = Field(
        None, min_length=1, description="events a reactor acts on; absent: all it knows"
    )
    start: Literal["upcoming", "now", "beginning"] | None = Field(
        None,
        description="where a new sink begins; upcoming: bookings that have not ended (default of mirrors), "
        "now: what happens from now on (default of reactors), beginning: all bookings",
    )
    max_age: Duration = Field(
        timedelta(hours=24), description="a reactor skips facts that were older than this when recorded"
    )
    grace: Duration = Field(
        timedelta(seconds=20),
        description="how long a cancellation waits, since the booking may go on elsewhere",
    )
    rate: RateText | None = Field(
        None, description="most calls in a second, minute or hour, of all hubs on one store together"
    )
    concurrency: int = Field(8, ge=1, le=256, description="most calls at a time, of each hub")
    timeout: Duration = Field(
        timedelta(seconds=30), gt=timedelta(0), description="longest duration of one call"
    )
    retry: RetrySettings = Field(default_factory=RetrySettings, description="when to try again")
    match: Match | None = Field(None, description="which bookings it takes; absent: all of them")
    guard: int = Field(
        20,
        ge=0,
        description="how many objects at the target may be changed or removed in an hour without a new "
        "fact behind it; more are held until a person lets them go",
    )
    renamed_from: str | None = Field(
        None, description="name this sink had before; its receipts and deliveries are carried over"
    )
    drift: DriftSettings = Field(
        default_factory=DriftSettings, description="comparing a mirror with its target by schedule"
    )
    hand_edits: Literal["report", "restore"] | None = Field(
        None,
        description="what a comparison by schedule does about objects somebody edited or deleted at the "
        "target; report: an issue, restore: put them back; absent: restore if drift.repair, else report",
    )
    config: dict[str, Any] = Field(default_factory=dict, description="the adapter's own settings")


class FileContent(Section):
    """The whole of one configuration, files merged."""

    hub: HubSettings = Field(default_factory=HubSettings, description="the hub as a whole")
    http: HttpSettings = Field(default_factory=HttpSettings, description="the web server")
    nats: NatsSettings = Field(default_factory=NatsSettings, description="the event log")
    store: StoreSettings = Field(default_factory=StoreSettings, description="the SQL store")
    logging: LoggingSettings = Field(default_factory=LoggingSettings, description="the hub's own messages")
    simulator: SimulatorSettings | None = Field(
        None, description="stand-ins for outside systems, started with the hub; absent: none"
    )
    sources: dict[str, SourceEntry] = Field(
        default_factory=dict, description="where bookings come from, by name"
    )
    sinks: dict[str, SinkEntry] = Field(default_factory=dict, description="what is kept in step, by name")


class SourceSettings(SourceEntry):
    """A source with its name and its adapter's typed config."""

    name: str
    verify: Literal["fetch", "trust"] = "trust"
    config: Any


class SinkSettings(SinkEntry):
    """A sink with its name and its adapter's typed config."""

    name: str
    start: Literal["upcoming", "now", "beginning"]
    config: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the hub was configured to be; `files` as they were named, lowest layer first.

    `simulator_ports` are the ports of the stand-ins, by type; in `simulator_second_ports` stand those at
    which what is no HTTP is spoken. `${sim:TYPE}` has the second one, if there is one.
    """

    hub: HubSettings
    http: HttpSettings
    nats: NatsSettings
    store: StoreSettings
    logging: LoggingSettings
    sources: Mapping[str, SourceSettings]
    sinks: Mapping[str, SinkSettings]
    simulator: SimulatorSettings | None = None
    simulator_ports: Mapping[str, int] = field(default_factory=dict)
    simulator_second_ports: Mapping[str, int] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    warnings: tuple[Problem, ...] = ()
