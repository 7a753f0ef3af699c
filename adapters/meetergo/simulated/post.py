"""Webhooks on their way, and what becomes of each: lost, doubled, late, or overtaken by the next one.

Every fate follows from the seed and the webhook's number, so a history that went wrong goes wrong again.
No page says that meetergo repeats a delivery that failed; the stand-in does not.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx

from adapters.meetergo.simulated.shapes import Event
from adapters.meetergo.simulated.state import Letter, State

OVERTAKEN_AFTER = timedelta(seconds=30)
"""A webhook that lets the next one pass comes by itself after this long, if there is none."""

COPY_AFTER = timedelta(seconds=2)
TIMEOUT_SECONDS = 30.0
REMEMBERED = 10_000

Mishap = Literal["lost", "doubled", "late", "reordered"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one webhook; `status` is the listener's answer, None if there was none."""

    number: int
    kind: str
    appointment_id: str
    outcome: Literal["delivered", "refused", "failed", "lost"]
    status: int | None = None
    copy_of: int | None = None

    def shown(self) -> dict[str, Any]:
        return asdict(self)


class Post:
    """The queue of one company's webhooks; its letters are part of the state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.deliveries: deque[Delivery] = deque(maxlen=REMEMBERED)

    def queue(self, event: Event, appointment_id: str, body: dict[str, Any], *, now: datetime) -> None:
        """One webhook for every address that wants this kind of event."""
        for subscription in self._state.subscriptions:
            if event not in subscription.event_types:
                continue
            letter = Letter(
                number=self._state.number(),
                kind=event,
                appointment_id=appointment_id,
                endpoint=subscription.endpoint,
                body=body,
                due=now,
            )
            self._send_off(letter, now)

    def take_due(self, now: datetime, *, everything: bool = False) -> list[Letter]:
        """The letters to be posted now, in the order in which they leave."""
        due = [letter for letter in self._state.letters if everything or letter.due <= now]
        taken = {letter.number for letter in due}
        self._state.letters = [letter for letter in self._state.letters if letter.number not in taken]
        return sorted(due, key=lambda letter: (letter.due, letter.number))

    def next_due(self) -> datetime | None:
        return min((letter.due for letter in self._state.letters), default=None)

    def note(self, letter: Letter, status: int | None) -> Delivery:
        """Remember how a delivery went."""
        outcome: Literal["delivered", "refused", "failed"] = "failed"
        if status is not None:
            outcome = "delivered" if 200 <= status < 300 else "refused"
        return self._noted(letter, outcome, status)

    def _send_off(self, letter: Letter, now: datetime) -> None:
        self._release_overtaken(letter, now)
        if self._happens("lost", letter):
            self._noted(letter, "lost", None)
            return
        self._state.letters += self._delayed(letter, now)
        if self._happens("doubled", letter):
            copy = {"number": self._state.number(), "copy_of": letter.number, "due": now + COPY_AFTER}
            self._state.letters.append(letter.model_copy(update=copy))

    def _delayed(self, letter: Letter, now: datetime) -> Iterator[Letter]:
        if self._happens("reordered", letter):
            yield letter.model_copy(update={"due": now + OVERTAKEN_AFTER, "after_next": True})
        elif self._happens("late", letter):
            late = timedelta(seconds=self._state.switches.late_seconds)
            yield letter.model_copy(update={"due": now + late})
        else:
            yield letter

    def _release_overtaken(self, passing: Letter, now: datetime) -> None:
        """Whoever waited for a letter to pass leaves right behind it: later by the smallest time there is."""
        behind = {"due": now + timedelta(microseconds=1), "after_next": False}
        self._state.letters = [
            letter.model_copy(update=behind)
            if letter.after_next and letter.endpoint == passing.endpoint
            else letter
            for letter in self._state.letters
        ]

    def _happens(self, mishap: Mishap, letter: Letter) -> bool:
        text = f"{self._state.seed}:{letter.number}:{mishap}"
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) / 2**56
        likely: float = getattr(self._state.switches, mishap)
        return drawn < likely

    def _noted(
        self,
        letter: Letter,
        outcome: Literal["delivered", "refused", "failed", "lost"],
        status: int | None,
    ) -> Delivery:
        delivery = Delivery(
            letter.number, letter.kind, letter.appointment_id, outcome, status, letter.copy_of
        )
        self.deliveries.append(delivery)
        return delivery


async def post(letters: list[Letter], queue: Post) -> list[Delivery]:
    """Post the letters one after the other, unsigned; a listener that is away has lost them."""
    made = []
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as http:
        for letter in letters:
            try:
                answer = await http.post(letter.endpoint, json=letter.body)
            except (httpx.HTTPError, httpx.InvalidURL):
                made.append(queue.note(letter, None))
            else:
                made.append(queue.note(letter, answer.status_code))
    return made
