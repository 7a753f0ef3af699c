"""What a failed attempt means for its row: pure, so that the whole schedule can be read and tested here.

Transient failures wait longer and longer and are parked when the attempts are used up; permanent
ones are dead at once; missing credentials, a wait the target names and an outage count for nobody. What
a person has to approve is parked as it is, until they do.
See docs/adr/0008 and 0011.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from adapters.api import Repeat, SafeFor
from adapters.errors import AdapterError, ApprovalNeededError, AuthError, PermanentError, TransientError
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
class Terms:
    """How patient the hub is with a sink, and whether a call without an answer may be made again."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: timedelta = timedelta(seconds=30)
    repeat: Repeat = "safe"


@dataclass(frozen=True, slots=True)
class Tried:
    """What is known of a row whose attempt has just failed: the attempts before, and when the first was.

    `blameless`: at present the target serves nobody, so the attempt says nothing about this row.
    `served_since`: it has served others since this row failed last.
    """

    attempts: int
    first_at: datetime
    blameless: bool = False
    served_since: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the row of a failed attempt.

    `stops_sink`: nothing of this sink is tried until its credentials are proven again. `wait_until`:
    the target asked everybody to wait. `rests`: nobody may call the target for this key before
    `due_at`, a newer row included, since the cut-off call may still be having its effect. `unknown`:
    it may have had its effect.
    """

    state: Literal["pending", "parked", "dead", "uncertain"]
    outcome: Literal["retry", "wait", "parked", "dead", "uncertain", "auth_failed"]
    attempts: int
    due_at: datetime
    stops_sink: bool = False
    wait_until: datetime | None = None
    rests: bool = False
    unknown: bool = False


def judge(error: Exception, tried: Tried, terms: Terms, *, now: datetime, jitter: float) -> Verdict:
    """Sort one failed attempt; `jitter` is a random number in [0, 1)."""
    if isinstance(error, AuthError):
        return Verdict("pending", "auth_failed", tried.attempts, now, stops_sink=True)
    if isinstance(error, ApprovalNeededError):
        return Verdict("parked", "parked", tried.attempts, now)
    if isinstance(error, PermanentError):
        return Verdict("dead", "dead", tried.attempts + 1, now)
    verdict = _judge_transient(error, tried, terms, now=now, jitter=jitter)
    if verdict.unknown and not may_repeat(terms.repeat, tried.first_at, at=verdict.due_at):
        return replace(verdict, state="uncertain", outcome="uncertain")
    return verdict


def may_repeat(repeat: Repeat, first_at: datetime, *, at: datetime) -> bool:
    """Whether a call that may have had its effect may be made again at this moment."""
    if isinstance(repeat, SafeFor):
        return at - first_at < repeat.window
    return repeat == "safe"


def _judge_transient(
    error: Exception, tried: Tried, terms: Terms, *, now: datetime, jitter: float
) -> Verdict:
    """Waiting, parked or, if the adapter has not sorted the error, dead in the end."""
    told = _told_wait(error)
    # A wait the target names is nobody's attempt, unless it serves others and lets only this one wait.
    waits = bool(told) and not tried.served_since
    attempts = tried.attempts + (not waits and not tried.blameless)
    pause = timedelta() if waits else delay(terms.retry, max(attempts, 1), jitter=jitter)
    rest = terms.timeout if isinstance(error, CutOffError) else timedelta()
    verdict = Verdict(
        "pending",
        "wait" if waits else "retry",
        attempts,
        now + max(pause, told, rest),
        wait_until=now + told if told else None,
        rests=bool(rest),
        unknown=not isinstance(error, TransientError) or error.effect_unknown,
    )
    if attempts < terms.retry.attempts:
        return verdict
    if isinstance(error, TransientError):
        return replace(verdict, state="parked", outcome="parked")
    return replace(verdict, state="dead", outcome="dead")


def delay(retry: RetryPolicy, failed: int, *, jitter: float) -> timedelta:
    """How long to wait after so many failed attempts: doubling up to `max`, shortened by up to a quarter.

    Shortened and not lengthened, so that `max` is the longest wait anybody sees.
    """
    doubled = retry.first.total_seconds() * 2.0 ** min(failed - 1, 64)
    seconds = min(doubled, retry.max.total_seconds())
    return timedelta(seconds=seconds * (1 - JITTER_SHARE * jitter))


def error_class(error: Exception) -> str:
    """The name a delivery shows: the group the error belongs to, or the class of an unexpected one."""
    for group in (ApprovalNeededError, AuthError, PermanentError, TransientError):
        if isinstance(error, group):
            return group.__name__
    return type(error).__name__


def error_message(error: Exception) -> str:
    """What may be stored and shown of an error.

    Adapters and the hub promise that their messages hold neither secrets nor guests' data. An unexpected
    exception promises nothing (a ValidationError quotes its input): only its class and place are told.
    """
    if isinstance(error, AdapterError | HubError):
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
