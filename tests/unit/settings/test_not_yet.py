from pathlib import Path

import pytest

from hub.settings.not_yet import NOT_YET
from tests.unit.settings.example_adapters import SOUND, complaints

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


def test_planned_keys_do_not_hide_other_problems(tmp_path: Path) -> None:
    found = complaints(tmp_path, SOUND, "sources: {front: {renamed_from: door, webhook: {tokn: x}}}")
    assert set(found) == {"sources.front.renamed_from", "sources.front.webhook.tokn"}
