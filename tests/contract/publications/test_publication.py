"""One behaviour of all publications: in memory, on SQLite, on PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.publishing import Document, MemoryPublication, Publication
from hub.store.database import Database
from hub.store.migrate import migrate
from hub.store.published import StorePublication
from tests.postgres import fresh_database

NOON = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)


def document(key: str = "b1", position: int = 11, **members: Any) -> Document:
    values: dict[str, Any] = {
        "part": "",
        "content": f"{key} at {position}",
        "epoch": 1,
        "changed_at": NOON,
        "ends_at": NOON + timedelta(days=1),
        "audiences": ("mara@studio.example", "h-2"),
        "fingerprint": f"f{position}",
        "sequence": position,
    }
    return Document(key=key, position=position, **values | members)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Publication]]:
    """Gives the publication of a sink by its name."""
    if request.param == "memory":
        kept: dict[str, Publication] = {}
        yield lambda sink: kept.setdefault(sink, MemoryPublication())
    elif request.param == "sqlite":
        with closing(Database.open(f"sqlite:///{tmp_path / 'hub.db'}")) as database:
            migrate(database)
            yield lambda sink: StorePublication(database, sink)
    else:
        with fresh_database() as url, closing(Database.open(url)) as database:
            yield lambda sink: StorePublication(database, sink)


@pytest.fixture
def publication(opened: Callable[[str], Publication]) -> Publication:
    return opened("feed")


async def test_a_document_comes_back_as_it_was_published(publication: Publication) -> None:
    written = document()
    assert await publication.publish(written) == written
    assert await publication.find("b1", "") == written
    assert await publication.find("b1", "h-1") is None
    assert await publication.find("b2", "") is None


async def test_published_again_it_is_one_document(publication: Publication) -> None:
    for _ in range(3):
        await publication.publish(document())
    assert await publication.every() == [document()]


@pytest.mark.parametrize(
    ("later", "taken"),
    [
        ({"position": 12}, True),
        ({"position": 11}, True),
        ({"position": 10}, False),
        ({"position": 10, "epoch": 2}, True),
    ],
    ids=["later", "the same", "earlier", "another epoch"],
)
async def test_an_older_position_never_overwrites_a_newer(
    publication: Publication, later: dict[str, Any], taken: bool
) -> None:
    before = await publication.publish(document())
    offered = document(**{"content": "another"} | later)
    stands = offered if taken else before
    assert await publication.publish(offered) == stands
    assert await publication.find("b1", "") == stands


async def test_withdrawn_it_says_nothing_and_keeps_older_states_out(publication: Publication) -> None:
    before = await publication.publish(document())
    gone = await publication.publish(replace(before.withdrawn(changed_at=NOON), position=15))
    assert (gone.content, gone.fingerprint, gone.audiences, gone.ends_at) == (None, None, (), None)
    assert gone.sequence == before.sequence
    assert await publication.every() == []
    assert await publication.publish(document(position=12)) == gone
    assert await publication.find("b1", "") == gone
    back = document(position=16)
    assert await publication.publish(back) == back


def test_what_is_withdrawn_already_keeps_its_time() -> None:
    gone = document().withdrawn(changed_at=NOON)
    assert gone.withdrawn(changed_at=NOON + timedelta(days=1)) == gone


async def test_all_are_listed_by_key_and_part(publication: Publication) -> None:
    written = [document("b2"), document("b1", part="h-2"), document("b1", part="h-1")]
    for one in written:
        await publication.publish(one)
    assert await publication.every() == [written[2], written[1], written[0]]


async def test_sinks_do_not_see_each_other(opened: Callable[[str], Publication]) -> None:
    first, second = opened("first"), opened("second")
    await first.publish(document())
    assert await second.find("b1", "") is None
    assert await second.every() == []
    mine = document(position=1)
    assert await second.publish(mine) == mine
