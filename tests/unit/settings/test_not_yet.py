from pathlib import Path

import pytest

from hub.settings.not_yet import NOT_YET
from tests.unit.settings.example_adapters import SOUND, complaints, loaded

NAMES = {"sources": "front", "sinks": "wall"}


def _cases() -> list[tuple[str, str]]:
    """Every planned key as a layer that asks for it, with its path."""
    cases = []
    for pattern in NOT_YET:
        path = [NAMES[str(pattern[0])] if step == "*" else str(step) for step in pattern]
        text = "{every: 5m}"
        for step in reversed(path):
            text = f"{{{step}: {text}}}"
        cases.append((text, ".".join(path)))
    return cases


@pytest.mark.parametrize(("text", "path"), _cases(), ids=[path for _, path in _cases()])
def test_a_planned_key_is_refused(tmp_path: Path, text: str, path: str) -> None:
    found = complaints(tmp_path, SOUND, text)
    assert list(found) == [path]
    assert "not yet available" in found[path]


@pytest.mark.parametrize("key", ["poll", "backfill"])
def test_what_is_switched_off_is_accepted(tmp_path: Path, key: str) -> None:
    loaded(tmp_path, SOUND, f"sources: {{front: {{{key}: false}}}}")
    loaded(tmp_path, SOUND, f"sources: {{front: {{{key}: ~}}}}")


def test_planned_keys_do_not_hide_other_problems(tmp_path: Path) -> None:
    found = complaints(
        tmp_path, SOUND, "sources: {front: {webhook: {register: true, tokn: x}, poll: {every: 5}}}"
    )
    assert set(found) == {
        "sources.front.webhook.register",
        "sources.front.webhook.tokn",
        "sources.front.poll",
    }
