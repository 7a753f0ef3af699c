"""Claims: one worker at a time works on a key, over all processes, until it is done or out of time.

The primary key of the claims table is the arbiter. Whoever has lost a claim is told so at the next
call with it, and nothing that call would have written is written.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func
from sqlmodel import Session, col, select

from hub.store import claim_statements as sql
from hub.store.deliveries import FINAL_STATES, DeliveryState
from hub.store.statements import insert_new
from hub.store.tables import ClaimRow, DeliveryRow

LOST = "the worker was lost while sending"
TRIES = 8
"""How often another worker may be faster before a claimer goes away without a key."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one key; `rows` were its open ones when it was claimed, lowest position first."""

    sink: str
    key: str
    token: str
    until: datetime
    rows: tuple[DeliveryRow, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed; the message holds neither secrets nor guests' data."""

    error_class: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one claimed row.

    `pending` waits again, until `due_at` if given. `counted` adds to the row's attempts: false for
    rows that were not tried, such as covered ones. `unknown`: the attempt may have had its effect.
    """

    event_id: str
    state: DeliveryState
    counted: bool = True
    due_at: datetime | None = None
    reason: str | None = None
    failure: Failure | None = None
    outcome: str | None = None
    url: str | None = None
    duration_seconds: float | None = None
    unknown: bool = False


def claim_next(
    session: Session,
    *,
    sink: str,
    now: datetime,
    owner: str,
    lease: timedelta,
    lost: Literal["pending", "uncertain"] = "pending",
) -> Claim | None:
    """Claim the key whose first open row is longest due; None if there is none to have.

    A key waits for its first open row, be that due later or parked. What an expired claim has left
    `sending` becomes `lost` first: `uncertain` where a repetition could do harm.
    """
    recover(session, sink=sink, now=now, state=lost)
    for _ in range(TRIES):
        key = session.execute(sql.DUE_KEY, {"on_sink": sink, "now": now}).scalar()
        if key is None:
            return None
        claim = _take(session, sink=sink, key=key, owner=owner, until=now + lease)
        if claim is None:
            continue
        # The row may have been finished by another process between the look and the claim.
        if _is_due(claim, now):
            return claim
        release(session, claim)
    return None


def claim_key(
    session: Session, *, sink: str, key: str, now: datetime, owner: str, lease: timedelta
) -> Claim | None:
    """Claim this key whether or not anything is due; None if another worker has it.

    Call `recover` first: this does not ask what an expired claim has left `sending`.
    """
    session.execute(sql.END_EXPIRED, {"on_sink": sink, "now": now})
    return _take(session, sink=sink, key=key, owner=owner, until=now + lease)


def mark_sending(session: Session, claim: Claim, event_ids: Collection[str], *, now: datetime) -> bool:
    """Write down what is about to be sent, before the target is called: else a crash leaves no trace.

    False if the claim was lost.
    """
    if not _hold(session, claim):
        return False
    session.execute(sql.SEND, {**_of(claim), "on_events": list(event_ids), "now": now})
    return True


def renew(session: Session, claim: Claim, *, until: datetime) -> bool:
    """Hold the claim longer; False if it was lost."""
    return bool(session.exec(sql.RENEW, params={**_mine(claim), "new_until": until}).rowcount)


def finish(
    session: Session, claim: Claim, outcomes: Sequence[Outcome], *, now: datetime, keep: bool = False
) -> bool:
    """Record what became of rows and give the claim back, or keep it for the key's next row.

    False if the claim was lost: then nothing is recorded, for another worker decides now. A row that
    was dropped meanwhile stays dropped; one still `sending` without an outcome waits again.
    """
    if not _hold(session, claim):
        return False
    if outcomes:
        session.execute(sql.SETTLE, [_settled(claim, outcome, now) for outcome in outcomes])
    session.execute(sql.UNSEND, {**_of(claim), "now": now})
    delays = [outcome.due_at for outcome in outcomes if outcome.state == "pending" and outcome.due_at]
    if delays:
        _delay(session, claim, max(delays))
    if not keep:
        release(session, claim)
    return True


def postpone(
    session: Session,
    claim: Claim,
    *,
    due_at: datetime,
    now: datetime,
    failure: Failure | None = None,
    counted: bool = True,
) -> bool:
    """Give the key back until `due_at`: rows that were being sent wait again. False if the claim was lost.

    Not `counted` = it was nobody's fault, such as a pause or a rate limit.
    """
    sending = session.execute(sql.SENDING, _of(claim)).scalars()
    outcomes = [Outcome(event_id, "pending", counted, due_at, failure=failure) for event_id in sending]
    if not finish(session, claim, outcomes, now=now, keep=True):
        return False
    _delay(session, claim, due_at)
    release(session, claim)
    return True


def release(session: Session, claim: Claim) -> None:
    """Give the claim back, if it is still ours."""
    session.execute(sql.RELEASE, _mine(claim))


def recover(
    session: Session,
    *,
    sink: str,
    now: datetime,
    state: Literal["pending", "uncertain"] = "pending",
    first_before: datetime | None = None,
    owner: str | None = None,
) -> int:
    """End claims past their time, and all of `owner`, a process known to be dead.

    Rows they left `sending` get `state`; returns how many rows that were. With `first_before` only those
    first tried by then become `uncertain`, the others wait again. A lost attempt counts as one, so that
    a row which kills its worker does not do so for ever.
    """
    # Claims go first: whoever comes late with one must find it gone before its rows change hands.
    session.execute(sql.END_EXPIRED, {"on_sink": sink, "now": now})
    if owner is not None:
        session.execute(sql.END_OF_OWNER, {"on_sink": sink, "on_owner": owner})
    lost: dict[str, Any] = {"on_sink": sink, "now": now}
    found = 0
    if first_before is not None:
        old = lost | {"new_state": "uncertain", "new_reason": LOST, "first_before": first_before}
        found, state = session.exec(sql.RECOVER_OLD, params=old).rowcount, "pending"
    rest = lost | {"new_state": state, "new_reason": LOST if state == "uncertain" else None}
    return found + session.exec(sql.RECOVER, params=rest).rowcount


def in_flight(session: Session, *, now: datetime) -> dict[str, int]:
    """How many keys of each sink are being worked on."""
    grouped = (
        select(ClaimRow.sink, func.count()).where(col(ClaimRow.until) > now).group_by(col(ClaimRow.sink))
    )
    return dict(session.exec(grouped).all())


def _is_due(claim: Claim, now: datetime) -> bool:
    """Whether a first open row is due; after a divergence two rows of a key may share a position."""
    first = [row for row in claim.rows if row.position == claim.rows[0].position]
    return any(row.state == "pending" and row.due_at <= now for row in first)


def _take(session: Session, *, sink: str, key: str, owner: str, until: datetime) -> Claim | None:
    row = ClaimRow(sink=sink, key=key, owner=owner, token=uuid.uuid4().hex, until=until)
    if not insert_new(session, [row]):
        return None
    rows = session.execute(sql.OPEN_ROWS, {"on_sink": sink, "on_key": key}).scalars()
    return Claim(sink=sink, key=key, token=row.token, until=until, rows=tuple(rows))


def _hold(session: Session, claim: Claim) -> bool:
    """Whether the claim is still ours, locked until this transaction ends."""
    return session.execute(sql.HOLD, _mine(claim)).first() is not None


def _delay(session: Session, claim: Claim, due_at: datetime) -> None:
    """Rows behind a waiting one wait as long: else every search would step over them."""
    session.execute(sql.DELAY, {**_of(claim), "new_due_at": due_at})


def _settled(claim: Claim, outcome: Outcome, now: datetime) -> dict[str, Any]:
    failure = outcome.failure
    return {
        **_of(claim),
        "on_event": outcome.event_id,
        "now": now,
        "counted": int(outcome.counted),
        "new_state": outcome.state,
        "new_finished_at": now if outcome.state in FINAL_STATES else None,
        "new_due_at": outcome.due_at,
        "new_reason": outcome.reason,
        "new_error_class": failure.error_class if failure else None,
        "new_error_message": failure.message if failure else None,
        "new_error_at": now if failure else None,
        "new_unknown_since": now if outcome.unknown else None,
        "new_outcome": outcome.outcome,
        "new_url": outcome.url,
        "new_duration_seconds": outcome.duration_seconds,
    }


def _of(claim: Claim) -> dict[str, Any]:
    return {"on_sink": claim.sink, "on_key": claim.key}


def _mine(claim: Claim) -> dict[str, Any]:
    return {**_of(claim), "on_token": claim.token}
