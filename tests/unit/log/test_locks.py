"""A lock belongs to whoever holds the open file, and to nobody after that."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.errors import AlreadyRunningError
from hub.log.locks import FileLock, HubLock


def test_only_one_holds_a_lock(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire()
    assert first.try_acquire()
    assert not second.try_acquire()
    first.close()
    first.close()
    assert second.try_acquire()
    second.close()
    with pytest.raises(RuntimeError):
        assert second.descriptor


def test_a_child_that_inherits_the_file_holds_the_lock_alone(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.try_acquire()
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.descriptor,)
    )
    lock.close()
    assert not other.try_acquire()
    child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
    assert other.try_acquire()
    other.close()


def test_the_hubs_own_lock_is_not_inherited(tmp_path: Path) -> None:
    lock = HubLock(tmp_path)
    lock.acquire()
    # It speaks once it runs: a spawned process still holds every file until its exec is complete.
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        lock.release()
        with HubLock(tmp_path):
            pass
        child.kill()


def test_a_refusal_names_the_holder_and_how_to_stop_it(tmp_path: Path) -> None:
    lock = HubLock(tmp_path / "made" / "on demand")
    lock.acquire()
    with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}\\); stop it first: bookinghub stop"):
        HubLock(lock.data_dir).acquire()
    lock.announce("http://127.0.0.1:8300")
    with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}, http://127.0.0.1:8300"):
        HubLock(lock.data_dir).acquire()
    lock.release()
    lock.release()


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"pid": "x"}', json.dumps({"pid": 2**22 + 1, "address": None})]
)
def test_an_unreadable_note_of_the_holder_does_not_hide_the_refusal(tmp_path: Path, note: str) -> None:
    lock = HubLock(tmp_path)
    lock.acquire()
    (tmp_path / "hub.lock").write_text(note)
    with pytest.raises(AlreadyRunningError, match="a hub already works on"):
        HubLock(tmp_path).acquire()
    lock.release()
