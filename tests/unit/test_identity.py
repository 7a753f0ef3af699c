"""The name of a hub."""

from pathlib import Path

import pytest

from hub.identity import ID_FILE, hub_id


def test_hub_keeps_its_name_and_each_data_directory_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = hub_id(tmp_path / "a")
    assert hub_id(tmp_path / "a") == first
    assert hub_id(tmp_path / "b") != first


@pytest.mark.parametrize("content", [b"", b"\xff"], ids=["empty", "garbled"])
def test_name_that_cannot_be_read_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ID_FILE).write_bytes(content)
    name = hub_id(tmp_path)
    assert name
    assert hub_id(tmp_path) == name
