"""Lists from servers of every kind: what is read of them, and whether it was all."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.meetergo.answers import Page
from adapters.meetergo.listing import Listing, Progress, Scan

MOST_PAGES = 60


def page(number: int, *ids: Any, total: int | None) -> Page:
    return Page(number, tuple({"id": row_id} for row_id in ids), total)


def read(*pages: Page, size: int = 2) -> tuple[list[Any], Progress]:
    """What is read of a server that answers with these pages in turn, its last one again and again."""
    progress, rows = Progress(), []
    while progress.next_page is not None:
        asked = progress.next_page
        assert asked < MOST_PAGES, "it would never end"
        given_page = pages[min(asked, len(pages) - 1)]
        rows += progress.take(Page(asked, given_page.rows, given_page.total), size=size)
    return [row["id"] for row in rows], progress


@pytest.mark.parametrize(
    ("pages", "ids", "complete"),
    [
        pytest.param([page(0, total=0)], [], True, id="nothing there"),
        pytest.param([page(0, "a", total=1)], ["a"], True, id="one page"),
        pytest.param(
            [page(0, "a", "b", total=3), page(1, "c", total=3)], ["a", "b", "c"], True, id="two pages"
        ),
        pytest.param([page(0, "a", "b", total=2)], ["a", "b"], True, id="full to the brim"),
        pytest.param([page(0, "a", "b", total=4)], ["a", "b"], False, id="the same page again"),
        pytest.param([page(0, total=4)], [], False, id="empty though there are some"),
        pytest.param(
            [page(0, "a", total=3), page(1, "b", total=3), page(2, "c", total=3)],
            ["a", "b", "c"],
            True,
            id="pages cut short",
        ),
        pytest.param([page(0, "a", "b", total=3), page(1, total=3)], ["a", "b"], False, id="half of it"),
        pytest.param(
            [page(0, "a", "b", total=4), page(1, "b", "c", total=4), page(2, total=4)],
            ["a", "b", "c"],
            False,
            id="rows moved",
        ),
        pytest.param(
            [page(0, "a", "b", total=3), page(1, "c", "d", total=4)],
            ["a", "b", "c", "d"],
            False,
            id="grew meanwhile",
        ),
        pytest.param([page(0, "a", None, total=2), page(1, total=2)], ["a"], False, id="a row without id"),
        pytest.param([page(0, "a", None, total=1)], ["a"], False, id="a row without id, not counted"),
        pytest.param([page(0, "a", "b", total=1)], ["a", "b"], False, id="more than announced"),
        pytest.param([page(0, "a", total=None)], ["a"], False, id="no total, short page"),
        pytest.param(
            [page(0, "a", "b", total=None), page(1, "c", total=None)], ["a", "b", "c"], False, id="no total"
        ),
        pytest.param([page(0, 7, 8, total=2)], [7, 8], True, id="numbers as ids"),
    ],
)
def test_what_is_read_and_whether_it_was_all(pages: list[Page], ids: list[Any], complete: bool) -> None:
    read_ids, progress = read(*pages)
    assert (read_ids, progress.complete) == (ids, complete)


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), min_size=1, max_size=8),
    st.lists(st.none() | st.integers(0, 9), min_size=8, max_size=8),
)
def test_whatever_a_server_answers_reading_ends_and_only_the_whole_is_complete(
    shown: list[list[str]], totals: list[int | None]
) -> None:
    progress, asked, ids = Progress(), [], []
    while progress.next_page is not None:
        number = min(progress.next_page, len(shown) - 1)
        asked.append(page(progress.next_page, *shown[number], total=totals[number]))
        assert len(asked) < MOST_PAGES, "it would never end"
        ids += [row["id"] for row in progress.take(asked[-1], size=4)]
    assert sorted(ids) == sorted({row["id"] for answered in asked for row in answered.rows})
    assert progress.complete == all(answered.total == len(ids) for answered in asked)


@given(st.integers(0, 130), st.integers(1, 100))
def test_an_honest_server_is_read_whole_with_no_request_too_many(rows: int, size: int) -> None:
    pages = [
        page(n, *range(n * size, min((n + 1) * size, rows)), total=rows) for n in range(-(-rows // size) or 1)
    ]
    progress, asked = Progress(), 0
    while progress.next_page is not None:
        progress.take(pages[progress.next_page], size=size)
        asked += 1
    assert (progress.complete, progress.rows, asked) == (True, rows, len(pages))


async def test_a_scan_asks_for_one_page_after_the_other() -> None:
    pages = [page(0, "a", "b", total=3), page(1, "b", "c", total=3)]
    asked: list[int] = []

    async def fetch(number: int) -> Page:
        asked.append(number)
        return pages[number]

    scan = Scan(fetch, size=2)
    assert not scan.complete
    assert [[row["id"] for row in rows] async for rows in scan] == [["a", "b"], ["c"]]
    assert (asked, scan.complete) == ([0, 1], True)


def test_the_query_names_what_the_vendors_code_names() -> None:
    berlin = datetime.fromisoformat("2026-10-23T10:00:00+02:00")
    listing = Listing(start=berlin, end=datetime(2026, 11, 1, tzinfo=UTC), order="created", descending=True)
    assert listing.params(3) == {
        "page": 3,
        "pageSize": 100,
        "sortBy": "appointment.createdAt",
        "sortDirection": "DESC",
        "start": "2026-10-23T08:00:00.000Z",
        "end": "2026-11-01T00:00:00.000Z",
    }
    assert Listing(host="u-1").params(0)["userId"] == "u-1"
