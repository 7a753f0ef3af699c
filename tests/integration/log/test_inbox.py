"""Receipts: durable before the answer, whatever happens to the server, and handed on at least once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import LogError, LogUnavailableError
from hub.log import InboxConsumer, InboxLog, LogConnection, NewReceipt, StoredReceipt, connect, open_streams
from hub.log.inbox_log import ACK_WAIT_SECONDS, MOST_UNACKED
from hub.log.publish import Message, store
from hub.log.streams import stream_state
from hub.log.subjects import inbox_subject, stream_name
from tests.nats_process import NatsProcess
from tests.waiting import until

RECEIVED = datetime(2026, 10, 12, 7, 31, 9, 123456, tzinfo=UTC)


def receipt(number: int = 1, **overrides: object) -> NewReceipt:
    made = NewReceipt(
        receipt_id=f"r_{number}",
        source="meetergo",
        received_at=RECEIVED,
        kind="booking_created",
        status="accepted",
        digest="d" * 64,
        provider_id="b1",
        body=b'{"id": "b1"}',
    )
    return replace(made, **overrides)  # type: ignore[arg-type]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsProcess]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def own_connection(own_server: NatsProcess) -> AsyncIterator[LogConnection]:
    async with await connect(own_server.address) as connection:
        await open_streams(connection, prefix="hub", installation_id="i1", events_known=False)
        yield connection


class Handled:
    """Takes receipts as the ingest would, and can be told to fail."""

    def __init__(self) -> None:
        self.receipts: list[StoredReceipt] = []
        self.failures: Counter[str] = Counter()
        self._more = asyncio.Event()

    async def __call__(self, taken: StoredReceipt) -> None:
        self.receipts.append(taken)
        self._more.set()
        if self.failures[taken.receipt_id] > 0:
            self.failures[taken.receipt_id] -= 1
            raise RuntimeError("told to fail")

    @property
    def ids(self) -> Counter[str]:
        return Counter(taken.receipt_id for taken in self.receipts)

    async def until(self, count: int, *, within: float = 60) -> None:
        """Wait until so many different receipts were taken."""
        async with asyncio.timeout(within):
            while len(self.ids) < count:
                self._more.clear()
                await self._more.wait()


async def until_nothing_waits(inbox: InboxLog) -> None:
    async def nothing_waits() -> bool:
        return await inbox.waiting() == 0

    await until(nothing_waits)


@pytest.mark.parametrize(
    "stored",
    [
        receipt(),
        receipt(version=RECEIVED.replace(microsecond=0), attendee_ids=("a1", "ä")),
        receipt(body=b"\x00\xff not JSON \r\n\r\n"),
        receipt(body=b""),
        receipt(reason=" two\r\nlines: ä \u2028 ", kind=" k ", provider_id="ä.b", status="quarantined"),
        receipt(reason=None, provider_id=None, status="ignored"),
    ],
    ids=["usual", "all that is shown", "not text", "empty", "odd text", "absent"],
)
async def test_a_receipt_comes_back_as_it_was(inbox_log: InboxLog, stored: NewReceipt) -> None:
    sequence = await inbox_log.store(stored)
    expected = StoredReceipt(**{name: getattr(stored, name) for name in stored.__slots__}, sequence=sequence)
    assert await inbox_log.get(sequence) == expected
    assert await inbox_log.read(0, 10) == [expected]


async def test_receipts_of_one_moment_are_stored_together_and_know_their_places(inbox_log: InboxLog) -> None:
    receipts = [receipt(number, body=b"%d" % number) for number in range(1000)]
    places = await asyncio.gather(*map(inbox_log.store, receipts))
    assert sorted(places) == list(range(1, 1001))
    stored = await inbox_log.read(0, 1000)
    assert {one.sequence: one.receipt_id for one in stored} == {
        place: one.receipt_id for place, one in zip(places, receipts, strict=True)
    }


async def test_large_receipts_are_spread_over_several_batches(inbox_log: InboxLog) -> None:
    receipts = [receipt(number, body=b"x" * 256 * 1024) for number in range(40)]
    assert sorted(await asyncio.gather(*map(inbox_log.store, receipts))) == list(range(1, 41))


async def test_a_receipt_larger_than_nats_takes_fails_alone(
    inbox_log: InboxLog, connection: LogConnection
) -> None:
    outcomes = await asyncio.gather(
        inbox_log.store(receipt(1)),
        inbox_log.store(receipt(2, body=b"x" * connection.max_message_bytes)),
        inbox_log.store(receipt(3)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], LogError)
    assert sorted(one for one in outcomes if isinstance(one, int)) == [1, 2]


async def test_a_receipt_the_stream_refuses_does_not_take_others_with_it(
    inbox_log: InboxLog, connection: LogConnection
) -> None:
    config = (await connection.api(f"STREAM.INFO.{inbox_log.stream}"))["config"]
    await connection.api(f"STREAM.UPDATE.{inbox_log.stream}", {**config, "max_msg_size": 2000})
    receipts = [receipt(number, body=b"x" * (4000 if number == 3 else 10)) for number in range(8)]
    async with asyncio.timeout(12):
        outcomes = await asyncio.gather(*map(inbox_log.store, receipts), return_exceptions=True)
    assert isinstance(outcomes[3], LogUnavailableError)
    assert sorted(one for one in outcomes if isinstance(one, int)) == list(range(1, 8))


async def test_a_caller_who_gives_up_does_not_hold_up_the_others(inbox_log: InboxLog) -> None:
    first, *others = [asyncio.create_task(inbox_log.store(receipt(number))) for number in range(20)]
    first.cancel()
    await asyncio.gather(*others)
    assert first.cancelled()


async def test_a_missing_stream_fails_every_caller_in_time(connection: LogConnection, prefix: str) -> None:
    inbox = InboxLog(connection, prefix, patience=0.5)
    async with asyncio.timeout(12):
        outcomes = await asyncio.gather(
            *(inbox.store(receipt(number)) for number in range(300)), return_exceptions=True
        )
    assert {type(outcome) for outcome in outcomes} == {LogUnavailableError}
    await inbox.close()


async def test_stopping_leaves_no_caller_waiting(connection: LogConnection, prefix: str) -> None:
    inbox = InboxLog(connection, prefix)
    callers = [asyncio.create_task(inbox.store(receipt(number))) for number in range(300)]
    await asyncio.sleep(0)
    await inbox.close()
    async with asyncio.timeout(12):
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LogUnavailableError}
    with pytest.raises(LogUnavailableError):
        await inbox.store(receipt())


async def test_callers_wait_for_a_server_that_comes_back(
    own_server: NatsProcess, own_connection: LogConnection
) -> None:
    inbox = InboxLog(own_connection, "hub", patience=60)
    own_server.kill()
    callers = [asyncio.create_task(inbox.store(receipt(number))) for number in range(50)]
    await asyncio.wait(callers, timeout=0.3)
    assert not any(caller.done() for caller in callers)
    await asyncio.to_thread(own_server.start)
    async with asyncio.timeout(60):
        await asyncio.gather(*callers)
    assert {one.receipt_id for one in await inbox.read(0, 1000)} == {f"r_{number}" for number in range(50)}
    await inbox.close()


async def test_without_a_server_callers_are_told_after_their_patience(
    own_server: NatsProcess, own_connection: LogConnection
) -> None:
    inbox = InboxLog(own_connection, "hub", patience=0.4)
    own_server.kill()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    outcomes = await asyncio.gather(
        *(inbox.store(receipt(number)) for number in range(500)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {LogUnavailableError}
    assert 0.3 < loop.time() - begun < 12, "sooner than with the patience it has by itself"
    await inbox.close()


async def test_the_consumer_is_made_as_the_hub_needs_it_and_set_right(
    inbox_log: InboxLog, connection: LogConnection
) -> None:
    for _ in range(2):
        await inbox_log.ensure_consumer()
        info = await connection.api(f"CONSUMER.INFO.{inbox_log.stream}.{inbox_log.consumer}")
        config = info["config"]
        assert config["ack_wait"] == ACK_WAIT_SECONDS * 10**9
        assert (config["ack_policy"], config["max_ack_pending"]) == ("explicit", MOST_UNACKED)
        changed = {**config, "ack_wait": 60 * 10**9, "max_ack_pending": 1}
        await connection.api(
            f"CONSUMER.CREATE.{inbox_log.stream}.{inbox_log.consumer}.{config['filter_subject']}",
            {"stream_name": inbox_log.stream, "config": changed},
        )


async def test_every_receipt_is_handled_and_acknowledged(
    inbox_log: InboxLog, connection: LogConnection
) -> None:
    assert await inbox_log.waiting() == 0
    handled = Handled()
    stored = [receipt(number, body=b'{"n": %d}' % number) for number in range(250)]
    await asyncio.gather(*map(inbox_log.store, stored))
    consumer = InboxConsumer(connection, inbox_log, handled)
    await consumer.start()
    await handled.until(250)
    await inbox_log.store(receipt(250))
    await handled.until(251)
    await until_nothing_waits(inbox_log)
    await consumer.stop()
    assert set(handled.ids.values()) == {1}
    assert {one.receipt_id: one.body for one in handled.receipts if one.receipt_id != "r_250"} == {
        one.receipt_id: one.body for one in stored
    }


async def test_a_failed_receipt_comes_again_and_holds_up_nobody(
    inbox_log: InboxLog, connection: LogConnection
) -> None:
    handled = Handled()
    handled.failures["r_0"] = 1
    consumer = InboxConsumer(connection, inbox_log, handled)
    await consumer.start()
    await asyncio.gather(*(inbox_log.store(receipt(number)) for number in range(5)))
    await handled.until(5)
    await until_nothing_waits(inbox_log)
    await consumer.stop()
    assert handled.ids == Counter({"r_0": 2, "r_1": 1, "r_2": 1, "r_3": 1, "r_4": 1})


async def test_a_message_that_is_no_receipt_is_put_aside(
    inbox_log: InboxLog, connection: LogConnection, prefix: str
) -> None:
    await store(connection, stream_name(prefix, "inbox"), [Message(inbox_subject(prefix, "x"), b"{}")])
    with pytest.raises(LogError, match="not a receipt"):
        await inbox_log.get(1)
    handled = Handled()
    consumer = InboxConsumer(connection, inbox_log, handled)
    await consumer.start()
    await inbox_log.store(receipt())
    await handled.until(1)
    await until_nothing_waits(inbox_log)
    await consumer.stop()


async def test_a_consumer_that_vanished_is_made_again(inbox_log: InboxLog, connection: LogConnection) -> None:
    handled = Handled()
    consumer = InboxConsumer(connection, inbox_log, handled)
    await consumer.start()
    await inbox_log.store(receipt(1))
    await handled.until(1)
    await connection.api(f"CONSUMER.DELETE.{inbox_log.stream}.{inbox_log.consumer}")
    await inbox_log.store(receipt(2))
    await handled.until(2)
    await until_nothing_waits(inbox_log)
    await consumer.stop()


async def test_handling_goes_on_after_a_restart_of_the_server(
    own_server: NatsProcess, own_connection: LogConnection
) -> None:
    inbox, handled = InboxLog(own_connection, "hub"), Handled()
    consumer = InboxConsumer(own_connection, inbox, handled)
    await consumer.start()
    await inbox.store(receipt(1))
    await handled.until(1)
    own_server.kill()
    await asyncio.to_thread(own_server.start)
    await inbox.store(receipt(2))
    await handled.until(2)
    await until_nothing_waits(inbox)
    await consumer.stop()
    await inbox.close()


async def test_a_connection_closed_by_the_server_does_not_stop_the_process(
    own_server: NatsProcess, own_connection: LogConnection
) -> None:
    """With nats-py's own client the loop below would never turn again."""
    inbox, handled = InboxLog(own_connection, "hub"), Handled()
    consumer = InboxConsumer(own_connection, inbox, handled)
    await consumer.start()
    # A message over the limit, which the hub itself refuses to send, makes the server close the connection.
    await own_connection.client.publish("x", b"x" * own_connection.max_message_bytes, headers={"a": "b"})
    await until(lambda: own_connection.reconnects > 0)
    await inbox.store(receipt(1))
    await handled.until(1)
    await consumer.stop()
    await inbox.close()


async def test_receipts_expire_and_may_be_deleted(inbox_log: InboxLog, connection: LogConnection) -> None:
    state = await stream_state(connection, inbox_log.stream)
    assert state is not None
    assert state.config["max_age"] == 30 * 24 * 3600 * 10**9
    first, second = [await inbox_log.store(receipt(number)) for number in (1, 2)]
    await connection.api(f"STREAM.MSG.DELETE.{inbox_log.stream}", {"seq": first})
    assert await inbox_log.get(first) is None
    assert [one.sequence for one in await inbox_log.read(0, 10)] == [second]


async def test_zero_waiting_means_that_everything_stored_before_was_handled(
    inbox_log: InboxLog, connection: LogConnection
) -> None:
    """The server's own count of what is pending comes late by a moment."""
    handled = Handled()
    consumer = InboxConsumer(connection, inbox_log, handled)
    await consumer.start()
    for number in range(300):
        await inbox_log.store(receipt(number))
        if await inbox_log.waiting() == 0:
            assert f"r_{number}" in handled.ids
    await consumer.stop()


async def test_without_its_consumer_everything_waits(inbox_log: InboxLog, connection: LogConnection) -> None:
    await inbox_log.ensure_consumer()
    await asyncio.gather(*(inbox_log.store(receipt(number)) for number in range(50)))
    await connection.api(f"CONSUMER.DELETE.{inbox_log.stream}.{inbox_log.consumer}")
    assert await inbox_log.waiting() == 50
