"""Stand-ins of a playground: whoever restores what one kept has the same one."""

import json

import pytest

from adapters.registry import known_simulators, load_simulator

PLAYABLE = [name for name in known_simulators() if load_simulator(name).playground is not None]


def test_the_playground_of_the_shipped_configuration_is_playable() -> None:
    assert {"meetergo", "google_calendar", "hubspot", "notify"} <= set(PLAYABLE)


@pytest.mark.parametrize("name", PLAYABLE)
def test_restoring_is_the_inverse_of_keeping(name: str) -> None:
    playground = load_simulator(name).playground
    assert playground is not None
    first, second = playground(), playground()
    kept = first.keep()
    second.restore(kept)
    assert second.keep() == kept
    assert second.objects() == first.objects()
    json.loads(kept)


@pytest.mark.parametrize("name", PLAYABLE)
def test_an_address_is_where_the_stand_in_is(name: str) -> None:
    address = load_simulator(name).address("http://127.0.0.1:18000")
    assert address.endswith("://127.0.0.1:18000")
