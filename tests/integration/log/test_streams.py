"""The three streams are made once, belong to one installation, and are never changed."""

import pytest

from hub.errors import ForeignLogError, LogMissingError
from hub.log import EventLog, LogConnection, OpenedLog, log_owner, open_streams, set_epoch
from hub.log.broker import JetStreamRefusedError
from hub.log.publish import Message, store
from hub.log.streams import stream_config, stream_state
from hub.log.subjects import stream_name
from tests.integration.log.samples import moves

KINDS = ("events", "inbox", "keys")


async def test_the_streams_are_made_as_designed(
    connection: LogConnection, prefix: str, streams: OpenedLog
) -> None:
    assert set(streams.created) == {stream_name(prefix, kind) for kind in KINDS}
    assert streams.differences == ()
    configs = {}
    for kind in KINDS:
        state = await stream_state(connection, stream_name(prefix, kind))
        assert state is not None
        configs[kind] = state.config
        assert state.config["storage"] == "file"
        assert (state.config["max_msgs"], state.config["max_bytes"]) == (-1, -1)
        assert state.config["allow_direct"]
        assert state.config["metadata"]["bookinghub-installation"] == "test-installation"
    events = configs["events"]
    assert events["subjects"] == [f"{prefix}.events.>"]
    assert (events["max_msgs_per_subject"], events["discard"]) == (1, "new")
    assert events["discard_new_per_subject"]
    assert events["allow_atomic"]
    assert events["deny_delete"]
    assert events["deny_purge"]
    assert events["max_age"] == 0
    assert configs["inbox"]["allow_atomic"]
    assert configs["keys"]["max_msgs_per_subject"] == 1
    for kind in ("inbox", "keys"):
        assert not configs[kind]["deny_delete"]
        assert not configs[kind]["deny_purge"]


async def test_opening_again_changes_nothing(
    connection: LogConnection, prefix: str, streams: OpenedLog
) -> None:
    before = [await stream_state(connection, stream_name(prefix, kind)) for kind in KINDS]
    again = await open_streams(
        connection, prefix=prefix, installation_id=streams.installation_id, events_known=True
    )
    assert (again.created, again.differences) == ((), ())
    assert (again.epoch, again.created_at) == (streams.epoch, streams.created_at)
    assert [await stream_state(connection, stream_name(prefix, kind)) for kind in KINDS] == before


async def test_nothing_in_the_log_can_be_deleted(
    connection: LogConnection, prefix: str, event_log: EventLog
) -> None:
    await event_log.append(moves("b1", 1), expected={("meetergo", "b1"): 0})
    stream = stream_name(prefix, "events")
    with pytest.raises(JetStreamRefusedError):
        await connection.api(f"STREAM.MSG.DELETE.{stream}", {"seq": 1})
    with pytest.raises(JetStreamRefusedError):
        await connection.api(f"STREAM.PURGE.{stream}")


async def test_another_installation_is_refused_and_nothing_is_made(
    connection: LogConnection, prefix: str, streams: OpenedLog
) -> None:
    await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'inbox')}")
    with pytest.raises(ForeignLogError, match="belongs to installation test-installation"):
        await open_streams(connection, prefix=prefix, installation_id="mine", events_known=False)
    assert await stream_state(connection, stream_name(prefix, "inbox")) is None
    assert await log_owner(connection, prefix=prefix) == "test-installation"


async def test_a_log_without_an_owner_is_ours_only_while_it_is_empty(
    connection: LogConnection, prefix: str
) -> None:
    for kind in KINDS:
        config = stream_config(prefix, kind)  # type: ignore[arg-type]
        await connection.api(f"STREAM.CREATE.{config['name']}", config)
    assert await log_owner(connection, prefix=prefix) is None
    await store(connection, stream_name(prefix, "events"), [Message(f"{prefix}.events.a.b.c.d", b"{}")])
    with pytest.raises(ForeignLogError, match="unknown owner"):
        await open_streams(connection, prefix=prefix, installation_id="mine", events_known=False)
    await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'events')}")
    opened = await open_streams(connection, prefix=prefix, installation_id="mine", events_known=False)
    assert opened.created == (stream_name(prefix, "events"),)
    assert await log_owner(connection, prefix=prefix) == "mine"
    for kind in KINDS:
        state = await stream_state(connection, stream_name(prefix, kind))
        assert state is not None
        assert state.installation_id == "mine"


async def test_a_lost_log_is_not_replaced_by_an_empty_one(
    connection: LogConnection, prefix: str, streams: OpenedLog
) -> None:
    await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'events')}")
    with pytest.raises(LogMissingError, match="the store knows a log"):
        await open_streams(
            connection, prefix=prefix, installation_id=streams.installation_id, events_known=True
        )
    assert await stream_state(connection, stream_name(prefix, "events")) is None


async def test_lost_keys_are_not_replaced_by_new_ones(
    connection: LogConnection, prefix: str, streams: OpenedLog, event_log: EventLog
) -> None:
    await event_log.append(moves("b1", 1), expected={("meetergo", "b1"): 0})
    await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'keys')}")
    with pytest.raises(LogMissingError, match="KEYS is gone"):
        await open_streams(
            connection, prefix=prefix, installation_id=streams.installation_id, events_known=True
        )


async def test_a_lost_inbox_is_made_again_and_named(
    connection: LogConnection, prefix: str, streams: OpenedLog
) -> None:
    await connection.api(f"STREAM.DELETE.{stream_name(prefix, 'inbox')}")
    opened = await open_streams(
        connection, prefix=prefix, installation_id=streams.installation_id, events_known=True
    )
    assert opened.created == (stream_name(prefix, "inbox"),)


async def test_a_first_start_cut_short_is_finished_by_the_next(
    connection: LogConnection, prefix: str
) -> None:
    config = stream_config(prefix, "keys")
    await connection.api(
        f"STREAM.CREATE.{config['name']}", {**config, "metadata": {"bookinghub-installation": "mine"}}
    )
    opened = await open_streams(connection, prefix=prefix, installation_id="mine", events_known=False)
    assert opened.created == (stream_name(prefix, "inbox"), stream_name(prefix, "events"))


async def test_a_changed_stream_is_reported_and_left_as_it_is(
    connection: LogConnection, prefix: str, streams: OpenedLog
) -> None:
    name = stream_name(prefix, "inbox")
    config = (await connection.api(f"STREAM.INFO.{name}"))["config"]
    await connection.api(f"STREAM.UPDATE.{name}", {**config, "max_age": 3600 * 10**9, "max_msgs": 5})
    opened = await open_streams(
        connection, prefix=prefix, installation_id=streams.installation_id, events_known=True
    )
    assert opened.differences == (
        f"{name}: max_msgs is 5, the hub would set -1",
        f"{name}: max_age is 1:00:00, the hub would set 30 days, 0:00:00",
    )
    state = await stream_state(connection, name)
    assert state is not None
    assert state.config["max_msgs"] == 5


async def test_the_epoch_changes_nothing_but_itself(
    connection: LogConnection, prefix: str, streams: OpenedLog, event_log: EventLog
) -> None:
    await event_log.append(moves("b1", 3), expected={("meetergo", "b1"): 0})
    name = stream_name(prefix, "events")
    before = await stream_state(connection, name)
    await set_epoch(connection, prefix=prefix, epoch=2)
    after = await stream_state(connection, name)
    assert before is not None
    assert after is not None
    assert (before.epoch, after.epoch) == (1, 2)
    assert (after.messages, after.created_at) == (3, before.created_at)
    assert {key for key in before.config if before.config[key] != after.config.get(key)} == {"metadata"}
    opened = await open_streams(
        connection, prefix=prefix, installation_id=streams.installation_id, events_known=True
    )
    assert (opened.epoch, opened.installation_id) == (2, streams.installation_id)
    assert len(await event_log.read(0, 10)) == 3


async def test_a_known_fact_is_refused_for_ever_not_for_a_window(
    connection: LogConnection, prefix: str, event_log: EventLog
) -> None:
    """The guard is the subject itself: no message id, no window of two minutes."""
    name = stream_name(prefix, "events")
    batch = moves("b1", 1)
    await event_log.append(batch, expected={("meetergo", "b1"): 0})
    (stored,) = await event_log.read_raw(0, 1)
    with pytest.raises(JetStreamRefusedError) as refused:
        await store(connection, name, [Message(stored.subject, b"{}")])
    assert refused.value.code == 10077
