"""The small tables: what is remembered of sinks, sources, tokens, requests, operations and leases."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.store import idempotency, installation, leases, operations, sinks, sources, tokens
from hub.store.idempotency import Begun
from tests.integration.store.rows import MINUTE, NOW


def write(database, function, *arguments, **options):
    return database.write_now(lambda session: function(session, *arguments, **options))


def read(database, function, *arguments, **options):
    return database.read_now(lambda session: function(session, *arguments, **options))


def test_sink_keeps_the_start_of_its_first_sight(database):
    first = write(database, sinks.see, "cal", type="google_calendar", start_position=5, now=NOW)
    again = write(database, sinks.see, "cal", type="caldav", start_position=99, now=NOW + MINUTE)
    assert (first.start_position, first.state, first.first_seen_at) == (5, "running", NOW)
    assert (again.start_position, again.type, again.first_seen_at) == (5, "caldav", NOW)
    assert [row.name for row in read(database, sinks.every)] == ["cal"]


def test_state_of_a_sink_says_since_when(database):
    write(database, sinks.see, "cal", type="google_calendar", start_position=0, now=NOW)
    set_state = {"reason": "401", "probe_at": NOW + 5 * MINUTE}
    assert write(database, sinks.set_state, "cal", state="auth_failed", now=NOW + MINUTE, **set_state)
    assert write(database, sinks.set_state, "cal", state="auth_failed", now=NOW + 2 * MINUTE, **set_state)
    row = read(database, sinks.get, "cal")
    assert (row.state, row.reason, row.since, row.probe_at) == (
        "auth_failed",
        "401",
        NOW + MINUTE,
        NOW + 5 * MINUTE,
    )
    write(database, sinks.set_state, "cal", state="running", reason=None, now=NOW + 3 * MINUTE)
    row = read(database, sinks.get, "cal")
    assert (row.state, row.since, row.probe_at) == ("running", NOW + 3 * MINUTE, None)
    assert not write(database, sinks.set_state, "absent", state="paused", reason=None, now=NOW)


def test_sink_shows_its_newest_success_and_failure(database):
    write(database, sinks.see, "cal", type="google_calendar", start_position=0, now=NOW)
    write(database, sinks.record_success, "cal", at=NOW + MINUTE)
    write(database, sinks.record_success, "cal", at=NOW)
    write(database, sinks.record_success, "cal", at=NOW + MINUTE + timedelta(milliseconds=999))
    write(database, sinks.record_error, "cal", error_class="TransientError", message="503", at=NOW + MINUTE)
    write(database, sinks.record_error, "cal", error_class="TransientError", message="older", at=NOW)
    write(database, sinks.set_target, "cal", target="team@group")
    row = read(database, sinks.get, "cal")
    assert (row.last_success_at, row.last_error_message, row.last_error_at, row.target) == (
        NOW + MINUTE,
        "503",
        NOW + MINUTE,
        "team@group",
    )


def test_source_is_remembered_from_its_first_sight(database):
    write(database, sources.see, "meetergo", type="meetergo", now=NOW)
    write(database, sources.set_state, "meetergo", state="paused", reason="401")
    write(database, sources.touch_webhook, "meetergo", at=NOW + MINUTE)
    write(database, sources.touch_webhook, "meetergo", at=NOW)
    row = write(database, sources.see, "meetergo", type="meetergo", now=NOW + 9 * MINUTE)
    assert (row.first_seen_at, row.state, row.reason, row.last_webhook_at) == (
        NOW,
        "paused",
        "401",
        NOW + MINUTE,
    )
    assert read(database, sources.get, "absent") is None
    assert [row.name for row in read(database, sources.every)] == ["meetergo"]


def test_token_is_known_by_its_secret_until_revoked(database):
    secret = tokens.new_secret()
    row = write(database, tokens.create, name="ops", scope="operate", secret=secret, now=NOW)
    found = read(database, tokens.authenticate, secret)
    assert (found.token_id, found.name, found.scope) == (row.token_id, "ops", "operate")
    assert read(database, tokens.authenticate, secret + "x") is None
    assert write(database, tokens.revoke, row.token_id, now=NOW)
    assert not write(database, tokens.revoke, row.token_id, now=NOW)
    assert read(database, tokens.authenticate, secret) is None
    assert [row.name for row in read(database, tokens.every)] == ["ops"]


def test_secret_of_a_token_is_nowhere_in_the_store(database):
    secret = tokens.new_secret()
    write(database, tokens.create, name="ops", scope="admin", secret=secret, now=NOW)
    stored = database.read_now(lambda session: session.execute(text("SELECT * FROM tokens")).one())
    assert secret not in repr(stored)


def test_storing_one_token_twice_gives_one_row(database):
    first = write(database, tokens.create, name="admin", scope="admin", secret="s", now=NOW)
    second = write(database, tokens.create, name="admin", scope="admin", secret="s", now=NOW + MINUTE)
    assert first.token_id == second.token_id


def test_use_of_a_token_is_noted_at_most_once_a_minute(database):
    row = write(database, tokens.create, name="ops", scope="read", secret="s", now=NOW)
    assert write(database, tokens.touch, row.token_id, now=NOW)
    assert not write(database, tokens.touch, row.token_id, now=NOW + timedelta(seconds=59))
    assert write(database, tokens.touch, row.token_id, now=NOW + MINUTE)


def test_installation_is_made_once_although_two_hubs_start(database, other):
    assert read(database, installation.get) is None
    first = write(database, installation.get_or_create, now=NOW)
    second = write(other, installation.get_or_create, now=NOW + MINUTE)
    assert first.installation_id == second.installation_id
    assert (second.epoch, second.created_at, second.last_known_position) == (1, NOW, 0)


def test_known_position_of_the_log_never_moves_back(database):
    write(database, installation.get_or_create, now=NOW)
    write(database, installation.bind_log, log_created="then")
    write(database, installation.note_position, 9)
    write(database, installation.note_position, 4)
    row = read(database, installation.get)
    assert (row.last_known_position, row.log_created) == (9, "then")


def test_epoch_rises_once_for_one_divergence(database, other):
    write(database, installation.get_or_create, now=NOW)
    write(database, installation.note_position, 9)
    raising = {"expected": 1, "log_created": "again", "position": 3, "now": NOW + MINUTE}
    assert write(database, installation.raise_epoch, **raising)
    assert not write(other, installation.raise_epoch, **raising)
    row = read(database, installation.get)
    assert (row.epoch, row.diverged_at, row.log_created, row.last_known_position) == (
        2,
        NOW + MINUTE,
        "again",
        3,
    )


def begin(database, request_hash="h", now=NOW, key="k"):
    return write(database, idempotency.begin, "t", key, request_hash=request_hash, now=now)


def test_repeated_request_gets_the_stored_answer(database):
    assert begin(database) == Begun("new")
    assert begin(database) == Begun("running")
    write(database, idempotency.finish, "t", "k", status=202, response='{"ok": true}')
    assert begin(database) == Begun("answered", 202, '{"ok": true}')
    assert begin(database, request_hash="another") == Begun("reused")
    assert begin(database, key="k2") == Begun("new")


def test_abandoned_request_may_be_made_again_and_an_answered_one_not(database):
    begin(database)
    write(database, idempotency.abandon, "t", "k")
    assert begin(database) == Begun("new")
    write(database, idempotency.finish, "t", "k", status=200, response="")
    write(database, idempotency.abandon, "t", "k")
    assert begin(database).outcome == "answered"


def test_request_that_died_unanswered_gives_its_key_back_to_one(database, other):
    begin(database)
    later = NOW + idempotency.GIVEN_UP_AFTER
    assert begin(database, now=later - MINUTE) == Begun("running")
    assert begin(other, now=later) == Begun("new")
    assert begin(database, now=later) == Begun("running")


def test_old_answers_are_forgotten(database):
    begin(database)
    assert write(database, idempotency.expire, now=NOW + MINUTE, kept=MINUTE) == 0
    assert write(database, idempotency.expire, now=NOW + 2 * MINUTE, kept=MINUTE) == 1
    assert read(database, idempotency.get, "t", "k") is None


def test_operation_tells_how_far_it_is_and_how_it_ended(database):
    started = write(database, operations.start, kind="rebuild", total=None, now=NOW, detail={"of": "all"})
    assert write(database, operations.progress, started.operation_id, done=3, failed=1, total=10)
    assert write(database, operations.progress, started.operation_id, done=5, failed=1)
    row = read(database, operations.get, started.operation_id)
    assert (row.state, row.done, row.failed, row.total) == ("running", 5, 1, 10)
    assert write(database, operations.finish, row.operation_id, state="partly", now=NOW, detail={"why": "x"})
    row = read(database, operations.get, started.operation_id)
    assert (row.state, row.finished_at, row.detail) == ("partly", NOW, {"of": "all", "why": "x"})


def test_ended_operation_neither_goes_on_nor_ends_again(database):
    row = write(database, operations.start, kind="rebuild", total=1, now=NOW)
    assert write(database, operations.finish, row.operation_id, state="stopped", now=NOW)
    assert not write(database, operations.progress, row.operation_id, done=1)
    assert not write(database, operations.finish, row.operation_id, state="done", now=NOW)
    assert read(database, operations.get, row.operation_id).state == "stopped"


def test_operations_of_a_dead_process_are_stopped(database):
    running = write(database, operations.start, kind="rebuild", total=1, now=NOW)
    done = write(database, operations.start, kind="rebuild", total=1, now=NOW + MINUTE)
    write(database, operations.finish, done.operation_id, state="done", now=NOW + MINUTE)
    assert write(database, operations.stop_running, now=NOW + 2 * MINUTE) == 1
    page = read(database, operations.listing)
    assert [(row.operation_id, row.state) for row in page.items] == [
        (done.operation_id, "done"),
        (running.operation_id, "stopped"),
    ]
    stopped = read(database, operations.listing, state="stopped")
    assert [row.operation_id for row in stopped.items] == [running.operation_id]


def lease(database, act, owner, now=NOW, **options):
    return write(database, act, "poll", owner=owner, now=now, length=MINUTE)


def test_lease_is_held_by_one_until_its_time_is_over(database, other):
    assert lease(database, leases.acquire, "a")
    assert not lease(other, leases.acquire, "b")
    assert lease(database, leases.acquire, "a", now=NOW + timedelta(seconds=30))
    assert not lease(other, leases.acquire, "b", now=NOW + MINUTE)
    assert read(database, leases.holder, "poll", now=NOW + MINUTE, length=MINUTE) == "a"
    assert lease(other, leases.acquire, "b", now=NOW + timedelta(seconds=90))
    assert read(database, leases.holder, "poll", now=NOW + timedelta(seconds=90), length=MINUTE) == "b"


def test_lease_of_a_clock_that_went_wrong_keeps_nobody_out(database, other):
    """Its holder died while the clock was ahead; once that is set right the lease would last for a day."""
    assert lease(database, leases.acquire, "a", now=NOW + timedelta(days=1))
    assert read(other, leases.holder, "poll", now=NOW, length=MINUTE) is None
    assert lease(other, leases.acquire, "b")
    assert not lease(database, leases.renew, "a")
    assert read(database, leases.holder, "poll", now=NOW, length=MINUTE) == "b"


def test_lease_of_a_clock_that_is_somewhat_ahead_counts(database, other):
    assert lease(database, leases.acquire, "a", now=NOW + timedelta(seconds=59))
    assert not lease(other, leases.acquire, "b")


def test_lost_lease_is_not_renewed(database):
    assert lease(database, leases.acquire, "a")
    assert lease(database, leases.renew, "a", now=NOW + timedelta(seconds=59))
    assert not lease(database, leases.renew, "b", now=NOW + timedelta(seconds=60))
    assert not lease(database, leases.renew, "a", now=NOW + 5 * MINUTE)


@pytest.mark.parametrize(("owner", "free"), [("a", True), ("b", False)], ids=["own", "foreign"])
def test_lease_is_released_by_its_holder_only(database, owner, free):
    lease(database, leases.acquire, "a")
    write(database, leases.release, "poll", owner=owner)
    assert (read(database, leases.holder, "poll", now=NOW, length=MINUTE) is None) is free
    assert lease(database, leases.acquire, "b") is free
