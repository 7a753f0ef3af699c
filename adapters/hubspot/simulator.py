"""A stand-in for HubSpot's CRM over HTTP, with switches for what goes wrong there.

Plain ASGI: `uvicorn --factory adapters.hubspot.simulator:create_app`. Answers below the dated paths
(`/crm/objects/2026-09/contacts`) and, for HubSpot's own clients, below `/crm/v3` and `/crm/v4`; beside
them the routes of `adapters.simulation`:

    POST /_switches   {"stale_search": true}
    POST /_reindex    search catches up
    POST /_forget     {"object": "contacts", "property": "hub_position"}: a person deletes a property
    GET  /_state      every object with all its properties
"""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.errors import AdapterError, AuthError
from adapters.hubspot.config import HubSpotConfig, MeetingSettings
from adapters.hubspot.mapping import Definition, definitions
from adapters.hubspot.meeting_mapping import meeting_definitions
from adapters.hubspot.simulated import MEETING_TO_CONTACT, MOST_INPUTS, Portal, Record
from adapters.hubspot.simulated_properties import GROUPS, InvalidValuesError
from adapters.hubspot.simulated_routes import objects_call, properties_call, route_of
from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

TOKEN = "pat-made-up-of-the-stand-in"  # noqa: S105 - opens the stand-in only
PORTAL = 4711
IDENTITY, MARK = "hub_contact", "hub_position"
PROPERTIES = {
    "hub_booking_count": "{contact.booking_count}",
    "hub_reschedule_count": "{contact.reschedule_count}",
    "hub_no_show_count": "{contact.no_show_count}",
    "hub_last_no_show": "{contact.last_no_show_at:date}",
}

_CATEGORIES: Mapping[int, str] = {
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    404: "OBJECT_NOT_FOUND",
    409: "CONFLICT",
    423: "LOCKED",
    429: "RATE_LIMITS",
    477: "MIGRATION_IN_PROGRESS",
}
_LIMITS = (("x-hubspot-ratelimit-max", "190"), ("x-hubspot-ratelimit-interval-milliseconds", "10000"))


class Simulator(Simulation):
    """The ASGI application.

    `tokens` are the accepted access tokens, None accepts any; `seen` names the kinds of objects to look at.
    """

    def __init__(
        self,
        portal: Portal,
        *,
        tokens: Collection[str] | None = None,
        seen: Collection[str] = tuple(GROUPS),
    ) -> None:
        super().__init__()
        self.portal = portal
        self._tokens = tokens
        self._seen = seen

    def call_of(self, request: Request) -> str:
        area, kind, rest = route_of(request.path)
        if area == "account":
            return "account"
        call = (
            properties_call(request.method, rest)
            if area == "properties"
            else objects_call(request.method, rest)
        )
        if call is None:
            raise RefusedError(405, "", "Method Not Allowed")
        return f"{kind}.{call}"

    def noted(self, request: Request, call: str) -> dict[str, Any]:
        return {"call": call, "by": request.query.get("idProperty", [None])[-1], "status": None}

    def turned_away(self, request: Request) -> RefusedError | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and token and (self._tokens is None or token in self._tokens):
            return None
        return RefusedError(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """For a 429 the reason is the policy, `DAILY` or `TEN_SECONDLY_ROLLING`."""
        body: dict[str, Any] = {
            "status": "error",
            "message": refusal.message or f"status {refusal.status}",
            "correlationId": "c033cdaa-2c40-4a64-ae48-b4cec88dad24",
        }
        if refusal.status == 429:
            policy = refusal.reason or "TEN_SECONDLY_ROLLING"
            told = {"message": f"You have reached your {policy.lower()} limit.", "errorType": "RATE_LIMIT"}
            body |= told | {"policyName": policy}
        else:
            category = refusal.reason or _CATEGORIES.get(refusal.status, "VALIDATION_ERROR")
            body["category"] = category
        if isinstance(refusal, InvalidValuesError):
            body["errors"] = refusal.errors
        return Reply(refusal.status, json.dumps(body).encode(), headers=(*_LIMITS, *headers))

    def objects(self) -> Mapping[str, Any]:
        """Every object with what a user sees on it, by what tells it apart; without the mark of the state."""
        return {
            f"{kind}/{self._name(kind, record)}": {
                **{name: value for name, value in record.properties.items() if value and name != MARK},
                **({"contacts": self._tied(record.id)} if kind == "meetings" else {}),
            }
            for kind in self._seen
            for record in self.portal.records(kind)
        }

    def _name(self, kind: str, record: Record) -> str:
        names = ("email",) if kind == "contacts" else self.portal.kind(kind).unique()
        return next(filter(None, (record.properties.get(name) for name in names)), record.id)

    def _tied(self, meeting: str) -> list[str]:
        contacts = (self.portal.find("contacts", contact) for contact in self._contacts_of(meeting))
        return sorted(self._name("contacts", contact) for contact in contacts)

    def control(self, request: Request) -> Reply | None:
        match (request.method, request.path[0]):
            case ("POST", "_switches"):
                self.portal.stale_search = bool(request.json().get("stale_search", False))
            case ("POST", "_reindex"):
                self.portal.reindex()
            case ("POST", "_forget"):
                named = request.json()
                self.portal.kind(named["object"]).remove(named["property"])
            case ("GET", "_state"):
                return json_reply({kind: [_all(r) for r in self.portal.records(kind)] for kind in GROUPS})
            case _:
                return None
        return json_reply({})

    def keep(self) -> str:
        return json.dumps(self.portal.keep())

    def restore(self, kept: str) -> None:
        self.portal.restore(json.loads(kept))

    async def perform(self, request: Request, call: str) -> Reply:
        area, kind, rest = route_of(request.path)
        if area == "account":
            return json_reply(_ACCOUNT)
        act = call.partition(".")[2]
        if area == "properties":
            return self._property(request, kind, act, rest)
        if act in ("associate", "associations"):
            return self._association(act, rest)
        return self._object(request, kind, act, rest)

    def _property(self, request: Request, kind: str, act: str, rest: tuple[str, ...]) -> Reply:
        properties = self.portal.kind(kind)
        if act == "define":
            return json_reply(_timed(properties.define(request.json())), 201)
        if act == "definition":
            return json_reply(_timed(properties.get(rest[0])))
        return json_reply({"results": [_timed(known) for known in properties.every()]})

    def _object(self, request: Request, kind: str, act: str, rest: tuple[str, ...]) -> Reply:
        portal, body = self.portal, request.json()
        id_property = request.query.get("idProperty", [None])[-1]
        wanted = ",".join(request.query.get("properties", ())).split(",")
        wanted = [name for name in wanted if name]
        match act:
            case "create":
                record = portal.create(kind, _values(body), _associated(body))
                return json_reply(portal.shown(record, kind, list(_values(body))), 201)
            case "read":
                return json_reply(portal.shown(portal.find(kind, rest[0], id_property), kind, wanted))
            case "update":
                record = portal.update(kind, portal.find(kind, rest[0], id_property), _values(body))
                return json_reply(portal.shown(record, kind, list(_values(body))))
            case "archive":
                portal.archive(kind, rest[0])
                return Reply(204)
            case "merge":
                merged = portal.merge(str(body.get("primaryObjectId")), str(body.get("objectIdToMerge")))
                return json_reply(portal.shown(merged, kind))
            case "search":
                found = portal.search(kind, body)
                return json_reply({"total": len(found), "results": found})
            case "upsert":
                return self._upsert(kind, body)
        return json_reply(
            {"results": [portal.shown(record, kind, wanted) for record in portal.records(kind)]}
        )

    def _upsert(self, kind: str, body: Mapping[str, Any]) -> Reply:
        """Refused as a whole, unless every input carries `objectWriteTraceId`: then each by itself, 207."""
        inputs = [entry for entry in body.get("inputs", ()) if isinstance(entry, Mapping)]
        if not 0 < len(inputs) <= MOST_INPUTS:
            raise RefusedError(400, "VALIDATION_ERROR", f"between 1 and {MOST_INPUTS} inputs are allowed")
        results, errors = [], []
        for entry in inputs:
            try:
                record, new = self.portal.upsert(kind, entry)
            except RefusedError as refusal:
                if not all(entry.get("objectWriteTraceId") for entry in inputs):
                    raise
                errors.append(json.loads(self.refused(refusal).body))
            else:
                shown = self.portal.shown(record, kind, list(entry.get("properties") or ()))
                results.append(shown | {"new": new})
        now = datetime.now(UTC).isoformat()
        answer = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if not errors:
            return json_reply(answer)
        return json_reply(answer | {"numErrors": len(errors), "errors": errors}, 207)

    def _association(self, act: str, rest: tuple[str, ...]) -> Reply:
        meeting = rest[0]
        if act == "associate":
            self.portal.associate(meeting, rest[-1])
        types = [{"typeId": MEETING_TO_CONTACT, "category": "HUBSPOT_DEFINED", "label": None}]
        if act == "associations":
            contacts = self._contacts_of(self.portal.find("meetings", meeting).id)
            found = [{"toObjectId": int(contact), "associationTypes": types} for contact in contacts]
            return json_reply({"results": found})
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": MEETING_TO_CONTACT}
        pair = {"from": {"id": meeting}, "to": {"id": rest[-1]}, "associationSpec": spec}
        now = datetime.now(UTC).isoformat()
        answer = {"status": "COMPLETE", "results": [pair], "startedAt": now, "completedAt": now}
        return json_reply(answer)

    def _contacts_of(self, meeting: str) -> list[str]:
        return sorted(contact for one, contact in self.portal.associations if one == meeting)


def prepared(portal: Portal, kind: str, needed: Iterable[Definition]) -> None:
    """Give the account these properties."""
    for definition in needed:
        portal.kind(kind).define(definition.body(GROUPS[kind]))


def create_app(
    *,
    tokens: Collection[str] | None = None,
    prepare: bool = True,
    seen: Collection[str] = tuple(GROUPS),
) -> Simulator:
    """An account without contacts and meetings that has the properties both sinks need by their `config`."""
    portal = Portal(clock=lambda: datetime.now(UTC))
    if prepare:
        counters = HubSpotConfig.model_validate(config("https://stand.in"))
        prepared(portal, "contacts", definitions(counters.contact))
        prepared(portal, "meetings", meeting_definitions(MeetingSettings()))
    return Simulator(portal, tokens=tokens, seen=seen)


def config(url: str) -> dict[str, Any]:
    """The settings of the counters for a stand-in at this address."""
    return {"base_url": url, "token": TOKEN, "contact": {"properties": PROPERTIES}}


def meetings_config(url: str) -> dict[str, Any]:
    """The settings of the meetings for a stand-in at this address."""
    return {"base_url": url, "token": TOKEN}


FORBIDDEN: Mapping[str, type[AdapterError]] = {"403 MISSING_SCOPES": AuthError, "403": AuthError}

simulator = SimulatorType(
    name="hubspot",
    summary="HubSpot's CRM: one contact per address, typed properties, two rate limits, late search",
    create_app=lambda: create_app(tokens=[TOKEN]),
    config=config,
    secrets=(TOKEN,),
    forbidden=FORBIDDEN,
    left_behind=lambda seen: {key: _without_ours(shown) for key, shown in seen.items()},
    playground=create_app,
)

meetings = SimulatorType(
    name="hubspot_meetings",
    summary="the same account, looked at for its meetings",
    create_app=lambda: create_app(tokens=[TOKEN], seen=["meetings"]),
    config=meetings_config,
    secrets=(TOKEN,),
    forbidden=FORBIDDEN,
    cannot={"survey": "only a search could list meetings, and HubSpot's search shows changes late"},
)

_ACCOUNT = {
    "portalId": PORTAL,
    "accountType": "STANDARD",
    "timeZone": "Europe/Berlin",
    "companyCurrency": "EUR",
    "uiDomain": "app-eu1.hubspot.com",
    "dataHostingLocation": "eu1",
    "utcOffset": "+02:00",
}


def _values(body: Mapping[str, Any]) -> Mapping[str, Any]:
    values = body.get("properties")
    return values if isinstance(values, Mapping) else {}


def _associated(body: Mapping[str, Any]) -> list[str]:
    """The contacts a new meeting is tied to."""
    wanted = []
    for one in body.get("associations") or ():
        if {kind.get("associationTypeId") for kind in one.get("types", ())} != {MEETING_TO_CONTACT}:
            raise RefusedError(400, "VALIDATION_ERROR", "that is no type of association of these objects")
        wanted.append(str(one["to"]["id"]))
    return wanted


def _without_ours(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A contact is the company's own: it stays, and what the hub wrote on it goes."""
    return {name: value for name, value in shown.items() if name not in (IDENTITY, MARK, *PROPERTIES)}


def _timed(definition: Mapping[str, Any]) -> dict[str, Any]:
    then = "2026-01-01T00:00:00.000Z"
    return {**definition, "createdAt": then, "updatedAt": then}


def _all(record: Record) -> dict[str, Any]:
    return {"id": record.id, "properties": record.properties}
