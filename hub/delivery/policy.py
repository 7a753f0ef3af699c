"""What a failed attempt means for its row: pure, so that the whole schedule can be read and tested here.

Transient failures wait longer and longer and are parked when the attempts are used up; permanent
ones are dead at once; missing credentials stop the sink and count for nobody. See docs/adr/0008.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from adapters.errors import AuthError, PermanentError, TransientError
from hub.delivery.errors import CutOffError
from hub.errors import HubError

LONGEST_TOLD_WAIT = timedelta(hours=24)
"""A target that names a longer wait is asked again after this one."""

JITTER_SHARE = 0.25
MESSAGE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A sink's `retry`: the first delay, the longest one, and after how many attempts a row is parked."""

    first: timedelta = timedelta(seconds=2)
    max: timedelta = timedelta(minutes=15)
    attempts: int = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the row of a failed attempt.

    `stops_sink`: nothing of this sink is tried until its credentials are proven again. `rests`: nobody
    may call the target for this key before `due_at`, a newer row included, since the cut-off call may
    still be having its effect.
    """

    state: Literal["pending", "parked", "dead", "uncertain"]
    outcome: Literal["retry", "parked", "dead", "uncertain", "auth_failed"]
    attempts: int
    due_at: datetime
    stops_sink: bool = False
    rests: bool = False


def judge(
    error: Exception,
    *,
    failed_before: int,
    retry: RetryPolicy,
    timeout: timedelta,
    repeatable: bool,
    now: datetime,
    jitter: float,
) -> Verdict:
    """Sort one failed attempt; `jitter` is a random number in [0, 1).

    `repeatable` is false for what must not be done twice: where its effect is unknown, a person decides.
    """
    attempts = failed_before + 1
    if isinstance(error, AuthError):
        return Verdict("pending", "auth_failed", failed_before, now, stops_sink=True)
    if isinstance(error, PermanentError):
        return Verdict("dead", "dead", attempts, now)
    cut_off = isinstance(error, CutOffError)
    sorted_by_adapter = isinstance(error, TransientError)
    if not repeatable and (cut_off or not sorted_by_adapter):
        return Verdict("uncertain", "uncertain", attempts, now, rests=cut_off)
    due_at = now + max(
        delay(retry, attempts, jitter=jitter), _told_wait(error), timeout if cut_off else timedelta()
    )
    if attempts < retry.attempts:
        return Verdict("pending", "retry", attempts, due_at, rests=cut_off)
    if sorted_by_adapter:
        return Verdict("parked", "parked", attempts, due_at, rests=cut_off)
    return Verdict("dead", "dead", attempts, now)


def delay(retry: RetryPolicy, failed: int, *, jitter: float) -> timedelta:
    """How long to wait after so many failed attempts: doubling up to `max`, shortened by up to a quarter.

    Shortened and not lengthened, so that `max` is the longest wait anybody sees.
    """
    doubled = retry.first.total_seconds() * 2.0 ** min(failed - 1, 64)
    seconds = min(doubled, retry.max.total_seconds())
    return timedelta(seconds=seconds * (1 - JITTER_SHARE * jitter))


def error_class(error: Exception) -> str:
    """The name a delivery shows: the group the error belongs to, or the class of an unexpected one."""
    for group in (AuthError, PermanentError, TransientError):
        if isinstance(error, group):
            return group.__name__
    return type(error).__name__


def error_message(error: Exception) -> str:
    """What may be stored and shown of an error.

    Adapters and the hub promise that their messages hold neither secrets nor guests' data. An unexpected
    exception promises nothing (a ValidationError quotes its input): only its class and place are told.
    """
    if isinstance(error, AuthError | PermanentError | TransientError | HubError):
        text = " ".join(str(error).split()) or type(error).__name__
    else:
        text = f"unexpected {type(error).__name__}{_place(error)}"
    return text if len(text) <= MESSAGE_LENGTH else f"{text[: MESSAGE_LENGTH - 1]}…"


def _told_wait(error: Exception) -> timedelta:
    told = error.retry_after if isinstance(error, TransientError) else None
    return min(max(told or timedelta(), timedelta()), LONGEST_TOLD_WAIT)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "?")
    return f" in {module}, line {trace.tb_lineno}"
