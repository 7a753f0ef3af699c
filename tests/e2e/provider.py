"""The provider: the webhooks of many bookings, each repeated until a hub has taken it."""

import json
import random
import threading
from collections.abc import Sequence
from itertools import count
from typing import Any

import httpx

from tests.e2e.life import Life

THREADS = 4


class Provider:
    """Posts from several threads, each webhook to any of the `doors` until one answers 200.

    Until it is stopped there are always `bookings` that are not cancelled: a new one follows each that is.
    """

    def __init__(self, doors: Sequence[str], *, bookings: int, seed: int) -> None:
        self.lives: list[Life] = []
        self.receipts: list[str] = []
        self._doors = tuple(doors)
        self._bookings = bookings
        self._seed = seed
        self._numbers = count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._tend, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new webhooks; those under way are still repeated until they are answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive()

    def _tend(self) -> None:
        """Every thread tends its own bookings, so the webhooks of one booking are sent one by one."""
        with httpx.Client(timeout=20) as client:
            lives = [self._born(client) for _ in range(self._bookings // THREADS)]
            chance = random.Random(lives[0].number)
            while not self._stop.wait(chance.expovariate(20)):
                index = chance.randrange(len(lives))
                webhook = lives[index].change()
                if webhook is None:
                    lives[index] = self._born(client)
                else:
                    self._post(client, webhook, twice=chance.random() < 0.2)

    def _born(self, client: httpx.Client) -> Life:
        number = next(self._numbers)
        life = Life(number, random.Random(self._seed * 100_000 + number))
        self.lives.append(life)
        self._post(client, life.created())
        return life

    def _post(self, client: httpx.Client, webhook: dict[str, Any], *, twice: bool = False) -> None:
        body = json.dumps(webhook).encode()
        for _ in range(1 + twice):
            while not self._accepted(client, body):
                threading.Event().wait(0.05)

    def _accepted(self, client: httpx.Client, body: bytes) -> bool:
        try:
            answer = client.post(random.choice(self._doors), content=body)
        except httpx.TransportError:
            return False
        if answer.status_code == 200:
            self.receipts.append(answer.json()["receipt"])
        return answer.status_code == 200
