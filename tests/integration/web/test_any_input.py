"""No reference and no selector, however odd, is more than a problem."""

import json

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.web.world import World, on_both_databases

REFS = st.one_of(
    st.text(min_size=1, max_size=30),
    st.sampled_from(["@last", "%", "_", "\\", "b1", "#1", "99999999999999999999", "ilse'--"]),
)


NAMES = st.one_of(
    st.sampled_from(
        [
            "from",
            "to",
            "since",
            "until",
            "booking",
            "contact",
            "sink",
            "source",
            "type",
            "host",
            "meeting_type",
            "meeting-type",
            "state",
            "as_of",
            "limit",
            "cursor",
            "event",
        ]
    ),
    st.text(max_size=10),
)


VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "2h",
            "9999-12-31",
            "0001-01-01",
            "2026-10-23T10:00",
            "999999999d",
            "active",
            "dead",
            "50",
            "-1",
            "e30",
            "a.e30",
            "*%_\\",
        ]
    ),
)


@on_both_databases
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ref=REFS, noun=st.sampled_from(["bookings", "contacts", "events", "inbox", "deliveries"]))
async def test_no_reference_breaks_anything(world: World, ref: str, noun: str) -> None:
    if not world.log.events:
        world.booking(provider_id="b1")
    client = _shared_client(world)
    answer = await client.get(httpx.URL("http://hub.test").copy_with(raw_path=_path(noun, ref)))
    assert answer.status_code < 500, answer.text


@on_both_databases
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(NAMES, VALUES, max_size=4),
    noun=st.sampled_from(["bookings", "contacts", "events", "inbox", "deliveries", "operations", "sinks"]),
)
async def test_no_selector_breaks_anything(world: World, query: dict[str, str], noun: str) -> None:
    if not world.log.events:
        world.booking(provider_id="b1")
    client = _shared_client(world)
    answer = await client.get(
        f"/api/v1/{noun}", params={k: v.encode("utf-8", "replace").decode() for k, v in query.items()}
    )
    assert answer.status_code < 500, answer.text
    body = {name: value for name, value in query.items() if name not in ("limit", "cursor")}
    acted = await client.post("/api/v1/deliveries/retry", content=json.dumps(body))
    assert acted.status_code < 500, acted.text


def _path(noun: str, ref: str) -> bytes:
    from urllib.parse import quote_from_bytes

    return f"/api/v1/{noun}/{quote_from_bytes(ref.encode('utf-8', 'surrogatepass'), safe='')}".encode()


_CLIENTS: dict[int, httpx.AsyncClient] = {}


def _shared_client(world: World) -> httpx.AsyncClient:
    """One token for all examples of a test."""
    if id(world) not in _CLIENTS:
        _CLIENTS.clear()
        _CLIENTS[id(world)] = world.client()
    return _CLIENTS[id(world)]
