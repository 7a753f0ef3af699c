"""What the embedded server keeps on disk survives being cut short, and tells processes apart."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hub.log.processes import command_line, send_signal, started_at
from hub.log.server_files import ServerFiles, ServerRecord

RECORD = ServerRecord(url="nats://127.0.0.1:20000", user="hub", password="secret", pid=7, started_at="1")


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    files = ServerFiles(tmp_path)
    files.prepare()
    return files


def test_a_record_is_read_back(files: ServerFiles) -> None:
    files.write_record(RECORD)
    assert files.read_record() == RECORD
    assert RECORD.port == 20000
    assert "secret" not in repr(RECORD)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"url": 1}', '{"other": 1}'])
def test_a_record_that_is_none_is_as_good_as_missing(files: ServerFiles, content: str | None) -> None:
    if content is not None:
        files.record.write_text(content)
    assert files.read_record() is None


def test_a_replacement_cut_short_leaves_the_old_record(files: ServerFiles) -> None:
    files.write_record(RECORD)
    files.record.with_name("nats.json.new").write_text('{"url": "na')
    assert files.read_record() == RECORD


def test_forgetting_removes_every_copy_of_the_password(files: ServerFiles, tmp_path: Path) -> None:
    files.write_config(RECORD)
    files.write_record(RECORD)
    assert any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    files.forget()
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_the_last_words_explain_an_early_end(files: ServerFiles) -> None:
    assert files.last_words() == "it left no message"
    files.log.write_text("one\ntwo\n\n")
    assert files.last_words() == "two"
    files.output.write_text("before the log: bad configuration\n")
    assert files.last_words() == "before the log: bad configuration"


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    program = [sys.executable, "-c", "print(flush=True); input()", "marked (x) y"]
    child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    # Its command line can be read only once it runs.
    assert child.stdout.readline()
    started = started_at(child.pid)
    assert started is not None
    assert started == started_at(child.pid)
    assert "marked (x) y" in command_line(child.pid)
    mine = ServerRecord("nats://127.0.0.1:1", "u", "p", child.pid, started)
    other = ServerRecord("nats://127.0.0.1:1", "u", "p", child.pid, started + "1")
    assert mine.is_running()
    assert not other.is_running()
    assert not send_signal(child.pid, signal.SIGKILL, started=started + "1")
    assert child.poll() is None
    assert send_signal(child.pid, signal.SIGKILL, started=started)
    # Dead but not yet reaped: it holds no lock and answers nothing.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not mine.is_running()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert started_at(child.pid) is None
    assert command_line(child.pid) == ""
    assert not send_signal(child.pid, signal.SIGTERM, started=started)
    assert not ServerRecord("nats://127.0.0.1:1", "u", "p").is_running()
