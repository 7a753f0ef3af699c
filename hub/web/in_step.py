"""Whether the targets hold what a booking is now, read from the delivery rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlmodel import Session, col, select

from hub.delivery.wanted import DROPPED
from hub.store.deliveries import NOT_MATCHED
from hub.store.guard import is_held
from hub.store.tables import DeliveryRow, DriftRow, SinkRow
from hub.web.objects import InStep
from hub.web.services import SinkKind

_FROM_ROW: Mapping[str, InStep] = {
    "delivered": "in_step",
    "covered": "in_step",
    "pending": "pending",
    "sending": "pending",
    "parked": "parked",
    "uncertain": "parked",
    "dead": "dead",
    "skipped": "drifted",
}
_WORST: Sequence[InStep] = ("dead", "parked", "paused", "drifted", "pending", "in_step")
_HALTED = ("paused", "auth_failed")
_SAID = (DROPPED, NOT_MATCHED)
"""Reasons of skipped rows that tell how the target stands; the others were never meant for it."""


def in_step_of(
    session: Session, booking_ids: Sequence[str], kinds: Mapping[str, SinkKind]
) -> dict[str, dict[str, InStep]]:
    """For each booking the state of every configured sink."""
    halted = set(session.exec(select(SinkRow.name).where(col(SinkRow.state).in_(_HALTED))))
    rows = session.exec(
        select(DeliveryRow)
        .where(col(DeliveryRow.booking_id).in_(booking_ids), col(DeliveryRow.sink).in_(list(kinds)))
        .order_by(col(DeliveryRow.position))
    ).all()
    found: dict[tuple[str, str], list[DeliveryRow]] = {}
    for row in rows:
        found.setdefault((row.booking_id, row.sink), []).append(row)
    drifted = _drifted(session, {row.key for row in rows} | set(booking_ids))
    return {
        booking_id: {
            sink: judge(
                found.get((booking_id, sink), ()), kind, halted=sink in halted, drifted=drifted.get(sink, ())
            )
            for sink, kind in kinds.items()
        }
        for booking_id in booking_ids
    }


def _drifted(session: Session, keys: Collection[str]) -> dict[str, set[str]]:
    """Which of these keys each sink's target was seen not to show as wanted."""
    found: dict[str, set[str]] = {}
    for sink, key in session.exec(
        select(DriftRow.sink, DriftRow.key).where(col(DriftRow.key).in_(sorted(keys)))
    ):
        found.setdefault(sink, set()).add(key)
    return found


def judge(
    rows: Iterable[DeliveryRow], kind: SinkKind, *, halted: bool, drifted: Collection[str] = ()
) -> InStep:
    """One sink's rows of one booking, by position.

    A mirror's newest row per key decides, for it wrote all that came before, unless its target was seen
    to differ since; a reactor owes every row.
    """
    relevant = [row for row in rows if row.state != "skipped" or (row.reason or "").startswith(_SAID)]
    deciding = relevant if kind == "reactor" else list({row.key: row for row in relevant}.values())
    states: set[InStep] = {_of_row(row) for row in deciding}
    if any(row.key in drifted for row in deciding):
        states.add("drifted")
    if halted and "pending" in states:
        states.add("paused")
    return next((state for state in _WORST if state in states), "not_matched")


def _of_row(row: DeliveryRow) -> InStep:
    if row.reason == NOT_MATCHED and row.state in ("skipped", "delivered"):
        return "not_matched"
    return "paused" if is_held(row) else _FROM_ROW[row.state]
