"""myworld: a Google Calendar that nobody here wrote, as a process of its own."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from adapters.api import AdapterContext
from adapters.google_calendar.config import GoogleCalendarConfig
from adapters.google_calendar.sink import GoogleCalendarSink
from tests.e2e.harness import free_port

OWNER = "host@acme.com"
COLLEAGUE = "deniz@acme.com"


class MyWorld:
    """The server; each world on it is separate."""

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("myworld") is None:
            raise AssertionError("the package myworld is not installed; make test installs it")
        port = free_port()
        self._log = (folder / "myworld.log").open("wb")
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("myworld"), "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self._await_answer(folder)

    def _await_answer(self, folder: Path) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.get("/")
            except httpx.TransportError:
                said = (folder / "myworld.log").read_text()
                assert self._process.poll() is None, f"myworld ended: {said}"
                assert time.monotonic() < deadline, f"myworld does not answer: {said}"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


class World:
    """One empty calendar system with two people."""

    def __init__(self, server: MyWorld) -> None:
        self._client = server.client
        seed = {
            "user": {"email": OWNER, "name": "Host"},
            "people": [{"email": COLLEAGUE, "name": "Deniz"}],
            "timeZone": "Europe/Berlin",
            "events": [],
        }
        spec = {"name": "hub", "servers": {"calendar": {"service": "calendar", "seed": seed}}}
        made = self._client.post("/envs", json={"spec": spec}).raise_for_status().json()
        self._id = made["id"]
        self._instance = made["servers"]["calendar"]["instance"]
        self.token: str = made["credentials"]["agent"]["google_access_token"]

    @property
    def url(self) -> str:
        return f"{self._client.base_url}/gw/www.googleapis.com/calendar/v3/"

    def close(self) -> None:
        self._client.delete(f"/envs/{self._id}")

    def fault(self, call: str, kind: str) -> None:
        """The next such call goes wrong."""
        fault = {"tool": f"calendar.events.{call}", "kind": kind, "on_call": 1}
        self._client.put(f"/instances/{self._instance}/faults", json=[fault]).raise_for_status()

    def events(self) -> list[dict[str, Any]]:
        """The truth behind the API, tombstones included."""
        state = self._client.get(f"/instances/{self._instance}/state").raise_for_status().json()
        return list(state["state"]["events"].values())

    def shown(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["status"] != "cancelled"]

    def calls(self) -> list[str]:
        return [call["tool"].rpartition(".")[2] for call in self._called()]

    def met(self, kind: str) -> bool:
        """Whether a call ran into this fault."""
        return any(call["fault"] == kind for call in self._called())

    def _called(self) -> list[dict[str, Any]]:
        answer = self._client.get(f"/envs/{self._id}/calls").raise_for_status().json()
        return list(answer["calls"])

    def delete_by_hand(self, entry_id: str) -> None:
        self._by_hand("DELETE", f"/{entry_id}")

    def edit_by_hand(self, entry_id: str, **members: Any) -> None:
        self._by_hand("PATCH", f"/{entry_id}", members)

    def insert_by_hand(self, **members: Any) -> str:
        """The id of an entry that a person made."""
        return str(self._by_hand("POST", "", members).json()["id"])

    def _by_hand(self, method: str, below: str, members: dict[str, Any] | None = None) -> httpx.Response:
        return self._client.request(
            method,
            f"{self.url}calendars/{OWNER}/events{below}",
            json=members,
            headers={"Authorization": f"Bearer {self.token}"},
        ).raise_for_status()

    def sink(self, context: AdapterContext, **members: Any) -> GoogleCalendarSink:
        credentials = {"access_token": self.token}
        where = {} if members.get("per") == "host" else {"calendar": OWNER}
        config = {"base_url": self.url, "credentials": credentials} | where | members
        return GoogleCalendarSink(GoogleCalendarConfig.model_validate(config), context)
