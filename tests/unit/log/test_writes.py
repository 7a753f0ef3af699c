from hub.log.writes import Writes


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def given_up(
    writes: Writes, clock: Clock, *, times: int, seconds: float = 5.0, stream: str = "HUB_INBOX"
) -> None:
    for _ in range(times):
        clock.now += seconds
        writes.unanswered(stream, seconds=seconds)


def test_writes_left_unanswered_for_ten_seconds_are_a_stall() -> None:
    clock = Clock()
    writes = Writes(clock)
    given_up(writes, clock, times=1)
    assert (writes.stalled, writes.problem) == ((), None)
    given_up(writes, clock, times=1)
    assert writes.stalled == ("HUB_INBOX",)
    assert "HUB_INBOX" in (writes.problem or "")


def test_one_write_is_no_stall_however_long_it_took() -> None:
    clock = Clock()
    writes = Writes(clock)
    given_up(writes, clock, times=1, seconds=60)
    assert writes.stalled == ()


def test_many_writes_given_up_at_once_are_no_stall() -> None:
    clock = Clock()
    writes = Writes(clock)
    given_up(writes, clock, times=1)
    for _ in range(20):
        writes.unanswered("HUB_INBOX", seconds=5)
    assert writes.stalled == ()


def test_an_answer_ends_the_stall_of_its_own_stream_only() -> None:
    clock = Clock()
    writes = Writes(clock)
    given_up(writes, clock, times=2)
    given_up(writes, clock, times=2, stream="HUB_EVENTS")
    writes.answered("HUB_EVENTS")
    assert writes.stalled == ("HUB_INBOX",)
    writes.answered("HUB_INBOX")
    assert writes.stalled == ()


def test_a_lost_connection_begins_anew() -> None:
    clock = Clock()
    writes = Writes(clock)
    given_up(writes, clock, times=2)
    writes.forget()
    assert writes.stalled == ()
    given_up(writes, clock, times=1)
    assert writes.stalled == ()


def test_nobody_is_kept_away_for_ever_by_a_stall_that_nobody_tries_again() -> None:
    clock = Clock()
    writes = Writes(clock)
    given_up(writes, clock, times=2)
    clock.now += 61
    assert writes.problem is None
    assert writes.stalled == ("HUB_INBOX",)
    given_up(writes, clock, times=1)
    assert writes.problem is not None
