"""What the projections know of a source, for whoever asks it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from adapters.provider import Provider, Window
from hub.store import absent, checkpoints, polls
from hub.store.tables import BookingRow, SourceListRow

HOSTS_KEPT_FOR = timedelta(days=90)


def hosts(session: Session, source: str, *, since: datetime) -> list[str]:
    """Every host of a booking of this source that takes place at this moment or later."""
    lists = select(BookingRow.host_ids).where(*_of(session, source), col(BookingRow.start) >= since)
    return sorted({host for found in session.exec(lists.distinct()) for host in found if host})


def lists_to_read(
    session: Session, source: str, provider: Provider, *, now: datetime
) -> Sequence[SourceListRow]:
    """The lists that show every booking; those of hosts who have had none for long are left out.

    Where the key sees one host's list at a time, somebody who has left would be asked for for ever.
    """
    found = provider.lists_of(hosts(session, source, since=now - HOSTS_KEPT_FOR))
    return polls.see_lists(session, source, [host or "" for host in found], now=now)


def not_shown(
    session: Session, source: str, *, windows: Sequence[Window], before: int, shown: Collection[str]
) -> list[str]:
    """Active bookings that one of these lists should have shown, and none did.

    They stood in the log before the lists were read: what became active meanwhile is in no list yet.
    """
    expected = session.exec(
        select(BookingRow.provider_id, BookingRow.host_ids, BookingRow.start).where(
            *_of(session, source),
            col(BookingRow.status) == "active",
            col(BookingRow.start) >= min(window.begin for window in windows),
            col(BookingRow.start) < max(window.end for window in windows),
            col(BookingRow.position) <= before,
        )
    )
    return [
        provider_id
        for provider_id, hosts, start in expected
        if provider_id not in shown and start and any(_shows(one, hosts, start) for one in windows)
    ]


def forget_settled(session: Session, source: str, *, begin: datetime) -> None:
    """What is not active any more, or took place before this moment, is not looked for."""
    absent.forget_settled(session, _generation(session), source, begin=begin)


def _shows(window: Window, hosts: Sequence[str], start: datetime) -> bool:
    return (window.host is None or window.host in hosts) and window.begin <= start < window.end


def _of(session: Session, source: str) -> tuple[ColumnElement[bool], ...]:
    return (col(BookingRow.generation) == _generation(session), col(BookingRow.source) == source)


def _generation(session: Session) -> int:
    checkpoint = checkpoints.live(session)
    return checkpoint.generation if checkpoint else 0
