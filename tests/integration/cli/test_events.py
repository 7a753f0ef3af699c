"""`events tail`: follows, takes up again, ends when interrupted."""

import os
import threading
from typing import Any

import pytest

from tests.integration.cli.served import bookinghub, wait_until
from tests.integration.web.world import World


def test_tail_follows_and_takes_up_again(hub: World, capfd: pytest.CaptureFixture[str]) -> None:
    hub.booking(provider_id="b1")
    hub.booking(provider_id="b2")
    ended: list[Any] = []

    def follow() -> None:
        from hub.cli.address import find_address
        from hub.client import HttpTransport, HubClient

        address = find_address((), os.environ["BOOKINGHUB_URL"])
        client = HubClient(HttpTransport(address.url), token=address.token)
        for event in client.events([], after=1):
            ended.append(event)
            if len(ended) == 2:
                return

    thread = threading.Thread(target=follow)
    thread.start()
    wait_until(lambda: ended, "the first event")
    hub.booking(provider_id="b3")
    thread.join(timeout=60)
    assert [event["booking_id"] for event in ended] == ["b2", "b3"]


def test_tail_prints_a_line_per_event_until_interrupted(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.cli import events

    hub.booking(provider_id="b1")
    hub.booking(provider_id="b2")
    seen: list[Any] = []
    original = events._print

    def stop_after_two(*arguments: Any) -> None:
        original(*arguments)
        seen.append(arguments)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(events, "_print", stop_after_two)
    ran = bookinghub("events", "tail", "--after", "0", "--json")
    assert ran.code == 130
    assert [event["booking_id"] for event in ran.lines] == ["b1", "b2"]
