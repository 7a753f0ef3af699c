"""Whatever is posted gets the documented answer, is kept, and leaves no secret behind."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.harness import Hub, bytes_below, payload, running_hub

SECRETS = (b"NOT-A-REAL-SECRET-a1", b"abcdefgh-unclosed", b"hidden-in-a-link-4711", b"utf16-\\u0073ecret")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("bad")) as running:
        yield running


def mutated(**members: object) -> dict[str, object]:
    return payload("booking_created.flat") | members


CASES: list[tuple[str, bytes, int, str | None]] = [
    ("unclosed", b'{"id": "x", "secret": "abcdefgh-unclosed', 400, "quarantined"),
    ("array", b"[]", 400, "quarantined"),
    ("null", b"null", 400, "quarantined"),
    ("empty", b"", 400, "quarantined"),
    ("number", b"1e999", 400, "quarantined"),
    ("invalid-utf-8", b'{"id": "\xff\xfe"}', 400, "quarantined"),
    ("deep", b'{"a":' * 20_000 + b"1" + b"}" * 20_000, 400, "quarantined"),
    ("unknown-type", json.dumps(payload("unknown_type.flat")).encode(), 200, "quarantined"),
    ("no-envelope", json.dumps(payload("malformed.no_type")).encode(), 200, "quarantined"),
    (
        "secret-elsewhere",
        json.dumps(
            mutated(secret="hidden-in-a-link-4711", location="https://x.example/?t=hidden-in-a-link-4711")
        ).encode(),
        200,
        "accepted",
    ),
    ("nul-bytes", json.dumps(mutated(id="nul-1", location="a\u0000b")).encode(), 200, "accepted"),
    *[
        (
            f"mistyped-{field}",
            json.dumps(mutated(id=f"mis-{field}", **{field: {"no": ["such", 1]}})).encode(),
            200,
            None,
        )
        for field in payload("booking_created.flat")
        if field not in ("id", "secret")
    ],
]


@pytest.mark.parametrize(
    ("body", "status", "outcome"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_bad_bodies_get_a_clear_answer(hub: Hub, body: bytes, status: int, outcome: str | None) -> None:
    answer = hub.post(body)
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["detail"]
    elif outcome is not None:
        assert answer.json()["status"] == outcome


def test_a_wrong_token_and_a_huge_body_are_refused(hub: Hub) -> None:
    for door in ("meetergo/wrong-token-of-the-tests", "nobody/wrong-token-of-the-tests"):
        assert httpx.post(f"{hub.url}/webhooks/{door}", json={}).status_code == 404
    assert hub.post(b"x" * (300 * 1024)).status_code == 413


def test_everything_refused_by_its_shape_is_kept_and_can_be_read(hub: Hub) -> None:
    hub.settle()
    kept = [receipt for receipt in hub.items("inbox") if receipt["status"] == "quarantined"]
    assert len(kept) >= sum(case[3] == "quarantined" for case in CASES)
    assert all(receipt["reason"] for receipt in kept)
    assert "quarantine_not_empty" in {issue["code"] for issue in hub.items("issues")}
    assert hub.api("status")["inbox"]["quarantined"] == len(kept)


def test_no_secret_is_anywhere_on_disk(hub: Hub, tmp_path: Path) -> None:
    hub.settle()
    for file, content in bytes_below(hub.folder):
        if file != hub.config:
            for secret in SECRETS:
                assert secret not in content, f"{secret!r} in {file}"
