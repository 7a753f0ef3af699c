"""Tokens: made, used, revoked."""

import pytest

from hub.store import tokens
from tests.integration.cli.served import bookinghub
from tests.integration.web.world import World


def test_token_is_made_used_and_revoked(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bookinghub("tokens", "create", "grafana", "--scope", "read")
    secret = made.out.strip()
    assert secret.startswith("bh_")
    listed = bookinghub("tokens", "list", "--json").lines
    token = next(item for item in listed if item["name"] == "grafana")
    assert secret not in bookinghub("tokens", "list").out
    assert bookinghub("tokens", "revoke", token["token_id"]).code == 2
    assert bookinghub("tokens", "revoke", token["token_id"], "--yes").code == 0
    monkeypatch.setenv("BOOKINGHUB_TOKEN", secret)
    assert bookinghub("status").code == 5
    assert hub.database.read_now(lambda s: tokens.authenticate(s, secret)) is None
