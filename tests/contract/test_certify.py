"""Every built-in adapter that has a stand-in is certified: small here, 500 kills in the soak."""

import pytest

from adapters.registry import (
    certifiable,
    known_other_sides,
    known_types,
    load_adapter,
    load_other_side,
    load_simulator,
)
from adapters.testing_certify import Certificate, Subject, certify
from adapters.testing_storm import STATUSES

WITHOUT_STAND_IN = {"console_log", "meetergo"}
"""Writes to standard output; a source, whose stand-in is tried in `tests/contract/meetergo`."""


TRIED = certifiable()


def certified(name: str, *, kills: int, seed: int) -> Certificate:
    other = load_other_side(name) if name in known_other_sides() else load_simulator(name)
    return certify(Subject(load_adapter(name), other), kills=kills, seed=seed)


def test_every_adapter_with_an_outside_has_a_stand_in() -> None:
    assert set(known_types()) - set(TRIED) == WITHOUT_STAND_IN
    assert set(TRIED) <= set(known_types())


@pytest.mark.parametrize("name", TRIED)
def test_it_comes_through_a_small_storm(name: str) -> None:
    certificate = certified(name, kills=5, seed=5)
    assert certificate.storm.problems == []
    assert [case for case in certificate.cases if case.outcome == "failed"] == []
    assert certificate.storm.killed >= 5


@pytest.mark.slow
def test_500_kills_over_all_of_them() -> None:
    names = TRIED
    each = -(-500 // len(names))
    total = 0
    for name in names:
        certificate = certified(name, kills=each, seed=500)
        storm = certificate.storm
        total += storm.killed
        print(f"\n{name}: {storm.killed} kills in {storm.rounds} rounds, {certificate.seconds:.0f} s")  # noqa: T201
        for where, count in storm.kills.most_common():
            print(f"  {count:4}  {where}")  # noqa: T201
        print(f"  faults: {dict(sorted(storm.faults.items()))}; uncertain: {storm.uncertain}")  # noqa: T201
        assert certificate.passed, storm.problems
        assert set(storm.faults) >= {*STATUSES, "timeout"} or each < 100
    assert total >= 500
