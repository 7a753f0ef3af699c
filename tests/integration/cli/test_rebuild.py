"""`rebuild`: followed to its end, its exit code that of the end."""

from typing import Any

import pytest

from tests.integration.cli.served import bookinghub
from tests.integration.web.world import NOW, World


@pytest.mark.parametrize(
    ("state", "detail", "code"),
    [
        ("done", {}, 0),
        ("partly", {"differences": [{"table": "bookings", "key": ["b1"], "columns": ["title"]}]}, 3),
        ("done", {"differences": []}, 0),
        ("failed", {"error": "a rebuild is running already"}, 1),
    ],
)
def test_rebuild_is_followed_to_its_end(hub: World, state: Any, detail: dict[str, Any], code: int) -> None:
    from hub.store import operations

    async def quick(*, verify: bool) -> str:
        row = await hub.database.write(lambda s: operations.start(s, kind="rebuild", total=3, now=NOW))
        await hub.database.write(
            lambda s: operations.finish(s, row.operation_id, state=state, now=NOW, detail=detail)
        )
        return row.operation_id

    object.__setattr__(hub.services, "rebuild", quick)
    ran = bookinghub("rebuild", "--verify", "--json")
    assert (ran.code, ran.json["state"]) == (code, state)
    shown = bookinghub("rebuild", "--verify")
    assert shown.code == code
    assert len(shown.err.splitlines()) == 1
    assert bookinghub("operations", "show", ran.json["operation_id"], "--json").json["kind"] == "rebuild"
    assert bookinghub("rebuild", "--dry-run").code == 0
    assert bookinghub("rebuild", "nonsense").code == 2
