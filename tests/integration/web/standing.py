"""How the hub stands: asked of its API, and brought about in its store."""

from typing import Any

import sqlmodel
from sqlmodel import Session

from hub.store import sources
from hub.store.tables import DeliveryRow
from tests.integration.web.world import NOW, World


async def status(world: World) -> dict[str, Any]:
    answer = await world.client("read").get("/api/v1/status")
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


async def issues(world: World) -> dict[str, dict[str, Any]]:
    items = (await world.client("read").get("/api/v1/issues")).json()["items"]
    return {item["code"]: item for item in items}


def settle(world: World, state: str = "delivered", **where: str) -> None:
    """Bring delivery rows to a state."""

    def work(session: Any) -> None:
        for row in session.scalars(sqlmodel.select(DeliveryRow).filter_by(**where)).all():
            row.state, row.changed_at = state, NOW

    world.change(work)


def see_source(world: World, *, state: str = "running", reason: str | None = None) -> None:
    def work(session: Session) -> None:
        sources.see(session, "meetergo", type="meetergo", now=NOW)
        sources.set_state(session, "meetergo", state=state, reason=reason)

    world.change(work)
