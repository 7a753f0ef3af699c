"""Whether the streams still take what is to be stored.

A write that fails once at the server, on a full disk say, is the last one it tries: seen with nats-server
2.15.1, it then leaves every write to that stream unanswered, also when there is room again, until it is
started anew. All other questions it answers as before, so only the writes themselves tell.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

_FEWEST = 2
_SECONDS = 10.0
_REMEMBERED_SECONDS = 60.0

Clock = Callable[[], float]


@dataclass(slots=True)
class _Silence:
    """Writes of one stream that were not answered, since the last one that was."""

    since: float
    last: float
    writes: int = 1


class Writes:
    """What became of the newest writes, stream by stream; a slow answer alone makes no silence."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._silences: dict[str, _Silence] = {}

    def answered(self, stream: str) -> None:
        """A write to this stream is on disk."""
        self._silences.pop(stream, None)

    def unanswered(self, stream: str, *, seconds: float) -> None:
        """A write was given up after so many seconds, although the connection stands."""
        now = self._clock()
        silence = self._silences.setdefault(stream, _Silence(since=now - seconds, last=now, writes=0))
        silence.last = now
        silence.writes += 1

    def forget(self) -> None:
        """The connection was lost: whoever answers next may be another server, or the same one anew."""
        self._silences.clear()

    @property
    def stalled(self) -> tuple[str, ...]:
        """The streams that have left several writes in a row unanswered, for ten seconds and more."""
        return tuple(name for name, silence in sorted(self._silences.items()) if _is_long(silence))

    @property
    def problem(self) -> str | None:
        """What is wrong, for a person; None again a minute after the last try: only a new one can tell."""
        now = self._clock()
        recent = [name for name in self.stalled if now - self._silences[name].last <= _REMEMBERED_SECONDS]
        return (
            f"NATS answers, but stores nothing in {', '.join(recent)}: is its disk full?" if recent else None
        )


def _is_long(silence: _Silence) -> bool:
    return silence.writes >= _FEWEST and silence.last - silence.since >= _SECONDS
