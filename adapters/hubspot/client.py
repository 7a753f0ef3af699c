"""The wire to HubSpot's CRM: addresses of the dated API, and answers as objects of ours."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from adapters.api import AdapterContext
from adapters.errors import TransientError
from adapters.http import Answer
from adapters.hubspot.config import Connection
from adapters.hubspot.failures import PASSING, passing, refused_item, sorting
from adapters.hubspot.mapping import Definition, Found

MISSING, CONFLICT = 404, 409
NEVER: frozenset[int] = frozenset()

_HOST = re.compile(r"[a-z0-9.-]{1,253}")
_EXISTING = re.compile(r"Existing ID: ([0-9]{1,30})\b")


@dataclass(frozen=True, slots=True)
class Address:
    """One object by its id or by the value of a property that no two objects share."""

    value: str
    id_property: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The account a token belongs to."""

    portal: str
    ui: str
    timezone: str | None


class HubSpotClient:
    """One account under one token; safe to use from many tasks at once."""

    def __init__(self, connection: Connection, context: AdapterContext) -> None:
        self._context = context
        self._base, self._version = connection.base_url, connection.version
        self._headers = {"Authorization": f"Bearer {connection.token.get_secret_value()}"}
        self._sorting = sorting(context.instance)
        self._asked = False
        self.account: Account | None = None

    async def find_account(self) -> None:
        """Learn whose token this is; it also proves that it is valid."""
        url = f"{self._base}/account-info/{self._version}/details"
        answer = await self._call("GET", url, allow={MISSING})
        self.account = None if answer.status == MISSING else _account(answer.json())
        self._asked = True

    @property
    def where(self) -> str | None:
        """Names the account as far as HubSpot tells; None before it was asked."""
        if not self._asked:
            return None
        return f"{self._base}#{self.account.portal}" if self.account else self._base

    def page(self, object_type_id: str, object_id: str) -> str | None:
        """The address at which people see this object; None while the account is not known."""
        if self.account is None:
            return None
        account, shown = self.account, quote(object_id, safe="")
        return f"https://{account.ui}/contacts/{account.portal}/record/{object_type_id}/{shown}"

    async def get(self, kind: str, address: Address, properties: Collection[str]) -> Found | None:
        """The object with these properties; None if there is none."""
        params = {"properties": ",".join(properties)} if properties else {}
        params |= _id_property(address)
        answer = await self._call("GET", self._object(kind, address), params=params, allow={MISSING})
        return None if answer.status == MISSING else _found(answer)

    async def update(self, kind: str, address: Address, properties: Mapping[str, str]) -> Found | None:
        """The object as it shows the given properties now; None if there is none."""
        answer = await self._call(
            "PATCH",
            self._object(kind, address),
            params=_id_property(address),
            json={"properties": dict(properties)},
            allow={MISSING},
        )
        return None if answer.status == MISSING else _found(answer)

    async def create(self, kind: str, properties: Mapping[str, str]) -> "Found | Taken":
        """The new object, or who has the unique value already."""
        url = f"{self._base}/crm/objects/{self._version}/{kind}"
        answer = await self._call("POST", url, json={"properties": dict(properties)}, allow={CONFLICT})
        return _taken(answer) if answer.status == CONFLICT else _found(answer)

    async def upsert(self, kind: str, address: Address, properties: Mapping[str, str]) -> Found:
        """The object with this unique value, made if there was none."""
        url = f"{self._base}/crm/objects/{self._version}/{kind}/batch/upsert"
        one = {"id": address.value, "idProperty": address.id_property, "properties": dict(properties)}
        body = (await self._call("POST", url, json={"inputs": [one]})).json()
        results, errors = (_listed(body, member) for member in ("results", "errors"))
        if errors:
            raise refused_item(errors[0], self._context.instance)
        found = Found.read(results[0]) if len(results) == 1 else None
        if found is None:
            raise TransientError("the answer to one upsert holds no object")
        return found

    async def archive(self, kind: str, object_id: str) -> None:
        """Put the object into HubSpot's recycling bin; one that is not there is no failure."""
        await self._call("DELETE", self._object(kind, Address(object_id)), allow={MISSING})

    async def associate(self, kind: str, object_id: str, to_kind: str, to_id: str) -> None:
        """Show both objects on each other's pages; again is the same."""
        url = f"{self._object(kind, Address(object_id))}/associations/default/{to_kind}"
        answer = await self._call("PUT", f"{url}/{quote(to_id, safe='')}", allow={MISSING})
        if answer.status == MISSING:
            raise TransientError(f"{answer.host}: one of two objects went away before they were tied")

    async def definition(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """How a property is defined; None if there is none of this name."""
        answer = await self._call("GET", f"{self._properties(kind)}/{quote(name, safe='')}", allow={MISSING})
        if answer.status == MISSING:
            return None
        shown = answer.json()
        return shown if isinstance(shown, Mapping) else {}

    async def define(self, kind: str, definition: Definition, *, group: str) -> bool:
        """Create a property; False if somebody else did meanwhile."""
        answer = await self._call(
            "POST", self._properties(kind), json=definition.body(group), allow={CONFLICT}
        )
        return answer.status != CONFLICT

    def _object(self, kind: str, address: Address) -> str:
        return f"{self._base}/crm/objects/{self._version}/{kind}/{quote(address.value, safe='')}"

    def _properties(self, kind: str) -> str:
        return f"{self._base}/crm/properties/{self._version}/{kind}"

    async def _call(self, method: str, url: str, *, allow: Collection[int] = NEVER, **options: Any) -> Answer:
        answer = await self._context.http.request(
            method,
            url,
            headers=self._headers,
            allow=PASSING.union(allow),
            sorting=self._sorting,
            **options,
        )
        if answer.status not in PASSING:
            return answer
        zone = self.account.timezone if self.account else None
        raise passing(answer, now=self._context.clock(), timezone=zone or self._context.timezone)


@dataclass(frozen=True, slots=True)
class Taken:
    """A unique value belongs to another object; its id, if HubSpot said so."""

    by: str | None


def _id_property(address: Address) -> dict[str, str]:
    return {"idProperty": address.id_property} if address.id_property else {}


def _found(answer: Answer) -> Found:
    found = Found.read(answer.json())
    if found is None:
        raise TransientError(f"{answer.host} answered {answer.status} with no object")
    return found


def _taken(answer: Answer) -> Taken:
    """HubSpot gives the id in its message only; without it the address is asked again."""
    body = answer.json()
    named = _EXISTING.search(str(body.get("message"))) if isinstance(body, Mapping) else None
    return Taken(named[1] if named else None)


def _listed(body: object, member: str) -> list[Mapping[str, Any]]:
    values = body.get(member) if isinstance(body, Mapping) else None
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def _account(shown: object) -> Account | None:
    if not isinstance(shown, Mapping) or not isinstance(shown.get("portalId"), int):
        return None
    ui, zone = str(shown.get("uiDomain")), str(shown.get("timeZone"))
    known: str | None = None
    with suppress(ValueError, OSError):
        known = ZoneInfo(zone).key
    return Account(str(shown["portalId"]), ui if _HOST.fullmatch(ui) else "app.hubspot.com", known)
