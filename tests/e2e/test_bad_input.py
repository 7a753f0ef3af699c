"""Whatever is posted gets the documented answer, is kept, and leaves no secret behind."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.harness import Hub, bytes_below, payload, running_hub

SECRET = "SECRET-of-no-booking/7+4711=="
SPELLINGS = (
    SECRET,
    quote(SECRET, safe=""),
    SECRET.replace("/", "\\/"),
    quote(SECRET),
    SECRET.replace("+", "\\u002b"),
)
TRACES = ("SECRET-of-no", "of-no-booking")
"""What every spelling of the secret, and most of its pieces, would leave on the disk."""

WRONG: tuple[Any, ...] = (None, True, -1, "", "\x00\ufffd", [None], {"id": []}, "9" * 300)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("bad")) as running:
        yield running


def mutated(**members: object) -> bytes:
    return json.dumps(payload("booking_created.flat") | {"secret": SECRET} | members).encode()


BROKEN: dict[str, bytes] = {
    "unclosed": b'{"id": "x", "secret": "abc',
    "secret-cut-off": f'{{"id": "x", "secret": "{SECRET[:20]}'.encode(),
    "secret-then-cut-off": f'{{"secret": "{SECRET}", "link": "https://x.example/{SECRET}'.encode(),
    "secret-before-it": f'{{"link": "https://x.example/{quote(SECRET)}", "secret": "{SECRET}"'.encode(),
    "array": b"[]",
    "null": b"null",
    "text": json.dumps(f"?secret={SECRET}").encode(),
    "empty": b"",
    "number": b"1e999",
    "not-a-number": f'{{"secret": "{SECRET}", "a": NaN}}'.encode(),
    "invalid-utf-8": b'{"id": "\xff\xfe", "secret": "' + SECRET.encode() + b'"}',
    "utf-16": json.dumps({"secret": SECRET}).encode("utf-16"),
    "nul-bytes": f'{{"secret": "{SECRET}", "a": "\x00"}}'.encode(),
    "deep": b'{"a":' * 20_000 + json.dumps({"secret": SECRET}).encode() + b"}" * 20_000,
    "deep-in-a-list": b"[" * 100_000 + b"]" * 100_000,
    "form": f"id=x&secret={quote(SECRET, safe='')}&again={SECRET}".encode(),
    "backslashes": b"\\" * (256 * 1024),
}
READ: dict[str, tuple[bytes, str]] = {
    "unknown-type": (json.dumps(payload("unknown_type.flat") | {"secret": SECRET}).encode(), "quarantined"),
    "no-envelope": (json.dumps(payload("malformed.no_type") | {"secret": SECRET}).encode(), "quarantined"),
    "no-type": (mutated(webhookType=None), "quarantined"),
    "unused-type": (mutated(webhookType="form_submission"), "ignored"),
    "from-the-future": (mutated(updatedAt="2199-01-01T00:00:00Z"), "quarantined"),
    "escaped-nul": (mutated(id="nul-1", location="a\u0000b"), "accepted"),
    "half-character": (mutated(id="half-1").replace(b"half-1", b"half-\\ud800"), "accepted"),
    "secret-is-an-object": (mutated(id="object-1", secret={"a": [SECRET]}, location=SECRET), "accepted"),
    "secret-twice": (
        mutated(id="twice-1", location=SECRET).replace(b'"secret"', b'"secret": "other-value", "secret"', 1),
        "accepted",
    ),
    **{
        f"secret-in-{index}": (
            mutated(id=f"spelled-{index}", location=f"https://x.example/?t={spelled}&z=1"),
            "accepted",
        )
        for index, spelled in enumerate(SPELLINGS)
    },
    "secret-in-a-text": (mutated(id="text-1", notes=json.dumps({"secret": SECRET})), "accepted"),
    "secret-of-an-attendee": (mutated(id="att-1", attendees=[{"id": "a", "Secret": SECRET}]), "accepted"),
    "secret-as-a-key": (mutated(id="key-1", metadata={SECRET: SECRET}), "accepted"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_json_object_is_refused_clearly_and_kept(hub: Hub, name: str) -> None:
    answer = hub.post(BROKEN[name])
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem["status"]) == ("invalid", 400)
    assert "kept in quarantine" in problem["detail"]
    hub.settle()
    assert hub.api(f"inbox/{problem['receipt']}")["status"] == "quarantined"


@pytest.mark.parametrize("name", READ)
def test_what_is_one_is_answered_with_what_becomes_of_it(hub: Hub, name: str) -> None:
    body, status = READ[name]
    answer = hub.post(body)
    assert (answer.status_code, answer.json().get("status")) == (200, status), answer.text


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield (*path, key)
        yield from places(member, (*path, key))


SAMPLES = ("booking_created.flat", "booking_rescheduled.flat", "booking_cancelled.wrapped")


def post_wrong_types(hub: Hub, name: str) -> set[str]:
    """A sample with a wrong type in one field, and so on for every field and type; the receipts."""
    original = payload(name)
    receipts = set()
    with httpx.Client(timeout=60) as client:
        for path in places(original):
            for wrong in WRONG:
                body = deepcopy(original) | {"secret": SECRET}
                inside = body
                for step in path[:-1]:
                    inside = inside[step]
                inside[path[-1]] = wrong
                answer = client.post(hub.door, content=json.dumps(body).encode())
                assert answer.status_code == 200, (path, wrong, answer.text)
                receipts.add(answer.json()["receipt"])
    return receipts


@pytest.mark.parametrize("name", SAMPLES)
def test_wrong_types_in_every_field_are_answered_and_kept(hub: Hub, name: str) -> None:
    receipts = post_wrong_types(hub, name)
    hub.settle()
    assert {receipt["receipt_id"] for receipt in hub.items("inbox")} >= receipts


def test_a_wrong_token_stores_nothing_and_a_huge_body_neither(hub: Hub) -> None:
    hub.settle()
    before = len(hub.items("inbox"))
    for door in ("meetergo/wrong-token-of-the-tests", "nobody/wrong-token-of-the-tests", "meetergo/"):
        refused = httpx.post(f"{hub.url}/webhooks/{door}", content=mutated(), timeout=60)
        assert (refused.status_code, refused.json()["code"]) == (404, "not-found")
    too_large = hub.post(mutated(location="x" * 300 * 1024))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "too-large")
    compressed = httpx.post(hub.door, content=b"\x1f\x8b" + SECRET.encode(), timeout=60)
    assert compressed.status_code == 415
    hub.settle()
    assert len(hub.items("inbox")) == before


def test_the_hub_says_that_a_person_is_needed(hub: Hub) -> None:
    for body in BROKEN.values():
        hub.post(body)
    hub.settle()
    kept = [receipt for receipt in hub.items("inbox") if receipt["status"] == "quarantined"]
    assert len(kept) >= len(BROKEN)
    assert all(receipt["reason"] for receipt in kept)
    assert "quarantine_not_empty" in {issue["code"] for issue in hub.items("issues")}
    assert hub.api("status")["inbox"]["quarantined"] == len(kept)
    assert hub.cli("inbox", "show", kept[0]["receipt_id"]).returncode == 0


def test_no_secret_is_anywhere_in_streams_database_or_logs(tmp_path: Path) -> None:
    """Everything above has left its bytes at a hub of its own, of which some are known to be there."""
    with running_hub(tmp_path) as hub:
        for body in (*BROKEN.values(), *(body for body, _ in READ.values())):
            hub.post(body)
        for name in SAMPLES:
            post_wrong_types(hub, name)
        httpx.post(f"{hub.url}/webhooks/nobody/wrong-token-of-the-tests", content=mutated(), timeout=60)
        hub.post(mutated(location="x" * 300 * 1024))
        httpx.post(hub.door, content=b"\x1f\x8b" + SECRET.encode(), timeout=60)
        hub.settle()
        assert_no_secret_is_left(hub)


def assert_no_secret_is_left(hub: Hub) -> None:
    found: dict[str, bool] = {"of-a-control/7+4711": False, '"secret": "***': False}
    hub.post(json.dumps({"webhookType": "booking_created", "note": "of-a-control/7+4711"}).encode())
    hub.settle()
    files = [(file, content) for file, content in bytes_below(hub.folder) if file != hub.config]
    for file, content in files:
        for trace in TRACES:
            for form in (trace.encode(), trace.encode("utf-16-le")):
                assert form not in content, f"{trace!r} in {file}"
        for control in found:
            found[control] |= control.encode() in content
    assert all(found.values()), found
    assert {Path(hub.output), Path(hub.errors), hub.data / "hub.db"} <= {file for file, _ in files}
    assert any("HUB_INBOX" in str(file) for file, _ in files)
