"""Marks follow the folder, and no BOOKINGHUB_* variable of the caller reaches a test."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent
pytest_plugins = ["tests.contract.meetergo.fixtures"]

FOLDERS = ("unit", "contract", "integration", "e2e", "guards", "bench")


settings.register_profile("suite", max_examples=200, deadline=None)
settings.register_profile("soak", max_examples=10_000, deadline=None)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith("BOOKINGHUB_")]:
        del os.environ[name]


# Here and not when the process ends: whoever runs several test processes kills them ten seconds after their
# last test, which under load is too early for PostgreSQL, and it would run on.
def pytest_sessionfinish() -> None:
    postgres = sys.modules.get("tests.postgres")
    if postgres is not None:
        postgres.stop_server()


# Before the markers of the command line choose: a soak gives every property its many thousands of cases.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    soaking = config.getoption("--hypothesis-profile") == "soak"
    for item in items:
        folder = item.path.relative_to(ROOT).parts[0]
        if folder in FOLDERS:
            item.add_marker(folder)
        if soaking and getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("slow")
