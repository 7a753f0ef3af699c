"""The statements behind claims, built once: building one costs more than running it."""

from sqlalchemy import Select, Update, and_, bindparam, case, delete, exists, func, or_, select, update

from hub.store.deliveries import DELIVERIES, OPEN_STATES
from hub.store.statements import table_of
from hub.store.tables import ClaimRow, DeliveryRow

CLAIMS = table_of(ClaimRow)

_row = DELIVERIES.c
_claim = CLAIMS.c
_earlier = DELIVERIES.alias("earlier")

_on_key = and_(_row.sink == bindparam("on_sink"), _row.key == bindparam("on_key"))
_mine = and_(
    _claim.sink == bindparam("on_sink"),
    _claim.key == bindparam("on_key"),
    _claim.token == bindparam("on_token"),
)
_claimed = exists().where(_claim.sink == _row.sink, _claim.key == _row.key)
_blocked = exists().where(
    _earlier.c.sink == _row.sink,
    _earlier.c.key == _row.key,
    _earlier.c.position < _row.position,
    _earlier.c.state.in_(OPEN_STATES),
)

DUE_KEY: Select[str] = (
    select(_row.key)
    .where(
        _row.sink == bindparam("on_sink"),
        _row.state == "pending",
        _row.due_at <= bindparam("now"),
        ~_blocked,
        ~_claimed,
    )
    # The order of the index, so that the first hit ends the search.
    .order_by(_row.due_at, _row.position)
    .limit(1)
    # PostgreSQL passes over what another process is about to claim, instead of waiting for it.
    .with_for_update(of=DELIVERIES, skip_locked=True)
)
"""The key of the longest due row that is the first open one of an unclaimed key."""

OPEN_ROWS = (
    select(DeliveryRow)
    .where(_on_key, _row.state.in_(OPEN_STATES))
    .order_by(_row.position, _row.event_id)
    .execution_options(populate_existing=True)
)

HOLD = select(_claim.key).where(_mine).with_for_update()

RENEW = update(CLAIMS).where(_mine).values(until=bindparam("new_until"))

RELEASE = delete(CLAIMS).where(_mine)

END_EXPIRED = delete(CLAIMS).where(_claim.sink == bindparam("on_sink"), _claim.until <= bindparam("now"))

END_OF_OWNER = delete(CLAIMS).where(
    _claim.sink == bindparam("on_sink"), _claim.owner == bindparam("on_owner")
)

RECOVER = (
    update(DELIVERIES)
    .where(_row.sink == bindparam("on_sink"), _row.state == "sending", ~_claimed)
    .values(
        state=bindparam("new_state"),
        attempts=_row.attempts + 1,
        changed_at=bindparam("now"),
        unknown_since=func.coalesce(_row.unknown_since, bindparam("now")),
        reason=func.coalesce(bindparam("new_reason", type_=_row.reason.type), _row.reason),
    )
)

RECOVER_OLD = RECOVER.where(_row.first_attempt_at <= bindparam("first_before"))
"""Only what was first tried so long ago."""

SEND = (
    update(DELIVERIES)
    .where(_on_key, _row.state == "pending", _row.event_id.in_(bindparam("on_events", expanding=True)))
    .values(
        state="sending",
        changed_at=bindparam("now"),
        first_attempt_at=func.coalesce(_row.first_attempt_at, bindparam("now")),
    )
)

UNSEND = (
    update(DELIVERIES)
    .where(_on_key, _row.state == "sending")
    .values(state="pending", changed_at=bindparam("now"))
)

SENDING = select(_row.event_id).where(_on_key, _row.state == "sending")

_new_due_at = bindparam("new_due_at", type_=_row.due_at.type)

DELAY = (
    update(DELIVERIES)
    # No condition on due_at: it would lead SQLite into the index by time, over every row that waits.
    .where(_on_key, _row.state == "pending")
    .values(due_at=case((_row.due_at < _new_due_at, _new_due_at), else_=_row.due_at))
)


def _settle() -> Update:
    kept = (
        "due_at",
        "reason",
        "error_class",
        "error_message",
        "error_at",
        "outcome",
        "url",
        "duration_seconds",
    )
    return (
        update(DELIVERIES)
        # IN cannot be used with many sets of values at once.
        .where(_on_key, _row.event_id == bindparam("on_event"), or_(*(_row.state == s for s in OPEN_STATES)))
        .values(
            state=bindparam("new_state"),
            attempts=_row.attempts + bindparam("counted", type_=_row.attempts.type),
            changed_at=bindparam("now"),
            finished_at=bindparam("new_finished_at"),
            unknown_since=func.coalesce(
                _row.unknown_since, bindparam("new_unknown_since", type_=_row.unknown_since.type)
            ),
            **{
                name: func.coalesce(bindparam(f"new_{name}", type_=_row[name].type), _row[name])
                for name in kept
            },
        )
    )


SETTLE = _settle()
"""Records an outcome; what it leaves open (None) stays as it was, and a row dropped meanwhile too."""
