"""Rows and claims as the engine reads and takes them: many keys in few statements.

What becomes of a claimed row afterwards is recorded through the store's `claims`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import bindparam, delete, exists, func, or_, select, update
from sqlmodel import Session, col

from hub.store.claims import Claim
from hub.store.deliveries import OPEN_STATES
from hub.store.guard import HELD
from hub.store.statements import insert_new, table_of
from hub.store.tables import ClaimRow, DeliveryRow, TargetReceiptRow

ROWS_PER_KEY = 4
"""How many rows are looked at for each wanted key, since several may be of one."""

_rows = table_of(DeliveryRow)
_claims = table_of(ClaimRow)
_earlier = _rows.alias("earlier")

_free = ~exists().where(
    _claims.c.sink == _rows.c.sink, _claims.c.key == _rows.c.key, _claims.c.until > bindparam("now")
)
_first_of_its_key = ~exists().where(
    _earlier.c.sink == _rows.c.sink,
    _earlier.c.key == _rows.c.key,
    _earlier.c.position < _rows.c.position,
    _earlier.c.state.in_(OPEN_STATES),
)
_of_sink = select(_rows.c.key).where(_rows.c.sink == bindparam("on_sink"), _free)

# The order of the index, so that the search ends with the last hit.
_DUE = (
    _of_sink.where(_rows.c.state == "pending", _rows.c.due_at <= bindparam("now"))
    .order_by(_rows.c.due_at, _rows.c.position)
    .limit(bindparam("most"))
)
_FIRST_DUE = _DUE.where(_first_of_its_key)
_WAITING = (
    _of_sink.where(_rows.c.state == "pending", _rows.c.due_at > bindparam("now"), _rows.c.hold.is_(False))
    .where(_rows.c.guard.is_distinct_from(HELD))
    .order_by(_rows.c.due_at, _rows.c.position)
    .limit(1)
)
_FIRST_WAITING = _WAITING.where(_first_of_its_key)
_LEFT = _of_sink.where(_rows.c.state == "sending").limit(bindparam("most"))

_SEND = (
    update(_rows)
    .where(
        _rows.c.sink == bindparam("on_sink"),
        _rows.c.key == bindparam("on_key"),
        _rows.c.event_id == bindparam("on_event"),
    )
    .values(
        state=bindparam("new_state"),
        hold=False,
        changed_at=bindparam("now"),
        first_attempt_at=func.coalesce(
            _rows.c.first_attempt_at, bindparam("tried_at", type_=_rows.c.first_attempt_at.type)
        ),
    )
)


def due_keys(session: Session, sink: str, *, in_order: bool, now: datetime, limit: int) -> list[str]:
    """Keys nobody works on that have something to do, longest due first; more than `limit` may come.

    With `in_order` a key is due when its first open row is, else when any row is.
    """
    wanted = {"on_sink": sink, "now": now}
    left = session.execute(_LEFT, {**wanted, "most": limit}).scalars()
    due = session.execute(
        _FIRST_DUE if in_order else _DUE, {**wanted, "most": limit * ROWS_PER_KEY}
    ).scalars()
    return list(dict.fromkeys((*left, *due)))


def waiting_key(session: Session, sink: str, *, in_order: bool, now: datetime) -> str | None:
    """The key whose next attempt is the nearest; none in work, in its grace, or held for a person."""
    wanted = {"on_sink": sink, "now": now}
    return session.execute(_FIRST_WAITING if in_order else _WAITING, wanted).scalar()


def claim_keys(
    session: Session, sink: str, keys: Sequence[str], *, owner: str, until: datetime
) -> dict[str, Claim]:
    """Claim those of the keys that nobody else has, in the order given.

    Claims that ran out have to be recovered before.
    """
    # In one order everywhere, so that two processes do not wait for each other crosswise.
    wanted = [
        ClaimRow(sink=sink, key=key, owner=owner, token=uuid4().hex, until=until) for key in sorted(keys)
    ]
    insert_new(session, wanted)
    held = set(
        session.execute(
            select(_claims.c.token).where(_claims.c.token.in_([row.token for row in wanted]))
        ).scalars()
    )
    tokens = {row.key: row.token for row in wanted if row.token in held}
    return {
        key: Claim(sink=sink, key=key, token=tokens[key], until=until, rows=())
        for key in keys
        if key in tokens
    }


def open_rows(session: Session, sink: str, keys: Sequence[str]) -> Mapping[str, list[DeliveryRow]]:
    """What is still to be delivered for each key, in the order of the log."""
    found: dict[str, list[DeliveryRow]] = defaultdict(list)
    rows = session.execute(
        select(DeliveryRow)
        .where(
            col(DeliveryRow.sink) == sink,
            col(DeliveryRow.key).in_(keys),
            col(DeliveryRow.state).in_(OPEN_STATES),
        )
        .order_by(col(DeliveryRow.position), col(DeliveryRow.event_id))
        .execution_options(populate_existing=True)
    )
    for row in rows.scalars():
        found[row.key].append(row)
    return found


def held_receipts(
    session: Session, sink: str, keys: Sequence[str]
) -> Mapping[str, dict[str, TargetReceiptRow]]:
    """What the target holds for each key, by part."""
    found: dict[str, dict[str, TargetReceiptRow]] = defaultdict(dict)
    receipts = session.execute(
        select(TargetReceiptRow).where(
            col(TargetReceiptRow.sink) == sink, col(TargetReceiptRow.key).in_(keys)
        )
    )
    for receipt in receipts.scalars():
        found[receipt.key][receipt.part] = receipt
    return found


def may_have_written(session: Session, claim: Claim) -> bool:
    """Whether an attempt for this key may have had an effect that no receipt tells of."""
    left_open = (*OPEN_STATES, "dead", "uncertain")
    tried = exists().where(
        col(DeliveryRow.sink) == claim.sink,
        col(DeliveryRow.key) == claim.key,
        col(DeliveryRow.state).in_(left_open),
        or_(col(DeliveryRow.attempts) > 0, col(DeliveryRow.error_at).is_not(None)),
    )
    return bool(session.execute(select(tried)).scalar())


def mark_sending(
    session: Session, rows: Sequence[DeliveryRow], older: Sequence[DeliveryRow], *, now: datetime
) -> None:
    """Write down that the target is about to be called for these rows, and that no hold stands any more.

    From here on a later `due_at` means a failure, no longer the grace of a cancellation.
    """
    marked = [_change(row, "sending", now) | {"tried_at": now} for row in rows]
    released = [_change(row, row.state, now) | {"tried_at": None} for row in older if row.hold]
    if marked or released:
        session.execute(_SEND, [*marked, *released])


def forget_claims(session: Session, sink: str) -> None:
    """Whoever held a claim on this sink is known to be dead."""
    session.execute(delete(_claims).where(_claims.c.sink == sink))


def let_rest(session: Session, claim: Claim, *, until: datetime) -> None:
    """Nobody works on this key before then, not even the owner of the claim."""
    session.execute(update(_claims).where(_claims.c.token == claim.token).values(owner="", until=until))


def leave_claims(session: Session, owner: str, *, is_prefix: bool = False) -> None:
    """This owner has stopped, or all whose names begin so; what rests goes on resting."""
    his = _claims.c.owner.startswith(owner, autoescape=True) if is_prefix else _claims.c.owner == owner
    session.execute(delete(_claims).where(his))


def _change(row: DeliveryRow, state: str, now: datetime) -> dict[str, object]:
    return {"on_sink": row.sink, "on_key": row.key, "on_event": row.event_id, "new_state": state, "now": now}
