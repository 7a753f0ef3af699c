"""Our own stand-in for HubSpot, served over HTTP, and driven over HTTP as well."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from adapters.api import AdapterContext
from adapters.hubspot.config import HubSpotConfig
from adapters.hubspot.mapping import definitions
from adapters.hubspot.simulator import TOKEN, config, create_app, prepared
from adapters.hubspot.sink import HubSpotSink
from adapters.testing import SimulatedSide, SimulatorServer

NOON = datetime(2026, 10, 20, 10, 0, tzinfo=UTC)


class Account(SimulatedSide):
    """An account without contacts, its faults and what is to be seen in it."""

    def __init__(self, server: SimulatorServer, *, prepare: bool = True) -> None:
        super().__init__(server, create_app(tokens=[TOKEN], prepare=prepare))

    def by_hand(self, method: str, path: str, **options: Any) -> httpx.Response:
        """What a person or another program does, by the dated API."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self._client.request(method, f"/crm/{path}", headers=headers, **options)

    def add(self, mail: str, **properties: str) -> str:
        """A contact somebody made; its id."""
        body = {"properties": {"email": mail, **properties}}
        made: dict[str, Any] = (
            self.by_hand("POST", "objects/2026-09/contacts", json=body).raise_for_status().json()
        )
        return str(made["id"])

    def merge(self, primary: str, secondary: str) -> str:
        """Two contacts turn out to be one person; the new id."""
        body = {"primaryObjectId": primary, "objectIdToMerge": secondary}
        merged = self.by_hand("POST", "objects/2026-09/contacts/merge", json=body).raise_for_status()
        return str(merged.json()["id"])

    def forget_property(self, name: str, of: str = "contacts") -> None:
        self._client.post("/_forget", json={"object": of, "property": name}).raise_for_status()

    def see_late(self) -> None:
        """From now on search shows what it knows already, until it catches up."""
        self._client.post("/_switches", json={"stale_search": True}).raise_for_status()

    def catch_up(self) -> None:
        self._client.post("/_reindex").raise_for_status()

    def contacts(self) -> dict[str, dict[str, Any]]:
        """What is on each contact, by its main address; blank properties are left out."""
        records = [record["properties"] for record in self._client.get("/_state").json()["contacts"]]
        return {
            record["email"]: {name: value for name, value in record.items() if value and name != "email"}
            for record in records
        }

    def contact(self, mail: str) -> dict[str, Any]:
        return self.contacts()[mail]


def settings(account: Account, **contact: Any) -> HubSpotConfig:
    """The settings of the stand-in's own description, some of its `contact` replaced."""
    given = config(account.url)
    return HubSpotConfig.model_validate(given | {"contact": given["contact"] | contact})


def ready(account: Account, wanted: HubSpotConfig) -> HubSpotConfig:
    """The account gets the properties these settings need."""
    prepared(account.app.portal, "contacts", definitions(wanted.contact))
    return wanted


def sink_on(account: Account, context: AdapterContext, **contact: Any) -> HubSpotSink:
    return HubSpotSink(settings(account, **contact), context)


def context() -> AdapterContext:
    return AdapterContext(
        instance="crm",
        installation_id="installation-1",
        clock=lambda: NOON,
        timezone="Europe/Berlin",
        timeout=timedelta(seconds=5),
    )
