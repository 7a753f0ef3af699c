"""What a feed shows at a moment, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.errors import TransientError
from adapters.publishing import Document
from hub.store import published
from hub.store.published import StorePublication
from tests.integration.store.rows import NOW

DAY = timedelta(days=1)
PAST = 30 * DAY


def document(key, *, ends_in=DAY, changed_at=NOW, audiences=(), position=1):
    return Document(
        key=key,
        part="",
        content=f"<{key}>",
        epoch=1,
        position=position,
        changed_at=changed_at,
        ends_at=NOW + ends_in,
        audiences=audiences,
    )


def put(database, *documents, sink="feed"):
    for one in documents:
        database.write_now(lambda session, one=one: published.put(session, sink=sink, document=one))


def page(database, *, audience=None, now=NOW, past=PAST):
    return database.read_now(
        lambda session: published.page(session, sink="feed", audience=audience, now=now, past=past)
    )


def test_upcoming_and_recent_documents_are_shown_in_the_order_of_time(database):
    put(
        database,
        document("late", ends_in=9 * DAY),
        document("soon"),
        document("recent", ends_in=-PAST),
        document("old", ends_in=-PAST - timedelta(seconds=1)),
    )
    put(database, document("other"), sink="another")
    assert page(database).contents == ("<recent>", "<soon>", "<late>")
    assert page(database, past=timedelta(0)).contents == ("<soon>", "<late>")


def test_an_audience_sees_its_own(database):
    put(
        database,
        document("a", audiences=("mara", "deniz")),
        document("b", audiences=("deniz",)),
        document("c"),
        document("old", ends_in=-2 * PAST, audiences=("kim",)),
    )
    assert page(database, audience="mara").contents == ("<a>",)
    assert page(database, audience="deniz").contents == ("<a>", "<b>")
    assert page(database, audience="mar").contents == ()
    found = database.read_now(lambda session: published.audiences(session, sink="feed", since=NOW - PAST))
    assert found == ["deniz", "mara"]


def test_a_page_changes_when_something_is_written_withdrawn_or_too_old(database):
    assert page(database).changed_at is None
    first = document("a", ends_in=-PAST + DAY, changed_at=NOW - DAY)
    put(database, first, document("b", changed_at=NOW - 2 * DAY))
    assert page(database).changed_at == NOW - DAY
    gone = replace(first.withdrawn(changed_at=NOW), position=2)
    put(database, document("c", ends_in=-PAST + DAY, changed_at=NOW - DAY))
    later = page(database, now=NOW + 3 * DAY)
    assert later.contents == ("<b>",)
    assert later.changed_at == NOW + DAY
    put(database, gone)
    assert page(database).changed_at == NOW


def test_withdrawn_documents_stay_out_of_every_feed(database):
    put(database, document("a", audiences=("mara",)))
    put(database, document("a", position=2).withdrawn(changed_at=NOW))
    assert page(database).contents == ()
    assert database.read_now(lambda session: published.audiences(session, sink="feed", since=NOW)) == []


async def test_a_store_that_is_away_is_a_failure_that_passes(database):
    publication = StorePublication(database, "feed")
    database.close()
    with pytest.raises(TransientError, match="store"):
        await publication.publish(document("a"))
    with pytest.raises(TransientError, match="store"):
        await publication.find("a", "")
