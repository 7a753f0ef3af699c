"""What a command is told when the hub goes away in the middle of it."""

import socket
import threading
from collections.abc import Iterator

import pytest

from hub.client import HttpTransport, HubClient, UnreachableError


@pytest.fixture
def hangs_up() -> Iterator[str]:
    """The address of a hub that takes a request and dies over it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)

    serving = threading.Thread(target=serve)
    serving.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    serving.join(5)
    listening.close()


def problem_of(url: str, *, acts: bool) -> UnreachableError:
    client = HubClient(HttpTransport(url))
    with pytest.raises(UnreachableError) as raised:
        client.post("/bookings/b1/rebook") if acts else client.get("/bookings/b1")
    return raised.value


def test_an_act_whose_answer_is_lost_may_have_been_done(hangs_up: str) -> None:
    error = problem_of(hangs_up, acts=True)
    assert "may have been done" in str(error)
    assert error.problem["next"] == "bookinghub status"


def test_a_question_whose_answer_is_lost_changed_nothing(hangs_up: str) -> None:
    assert "may have been done" not in str(problem_of(hangs_up, acts=False))


def test_an_act_that_reached_nobody_was_not_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    error = problem_of(url, acts=True)
    assert "may have been done" not in str(error)
    assert error.problem["next"] == "bookinghub run"
