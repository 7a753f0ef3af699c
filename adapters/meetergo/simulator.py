"""A stand-in for meetergo over HTTP: its API, its unsigned webhooks, and switches for what goes wrong there.

Plain ASGI: `uvicorn --factory adapters.meetergo.simulator:create_app`. Beside `/v4` and `/webhooks` it has
the control routes of `adapters.simulation` and of `adapters.meetergo.simulated.steering`.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.meetergo.simulated import shapes
from adapters.meetergo.simulated.access import USER_HEADER, Gate
from adapters.meetergo.simulated.api import Api
from adapters.meetergo.simulated.company import PERSONAL_TOKEN, PLATFORM_KEY, example_company
from adapters.meetergo.simulated.life import Life
from adapters.meetergo.simulated.post import post
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.refusals import PHRASES, ProviderRefusalError
from adapters.meetergo.simulated.routes import route_of
from adapters.meetergo.simulated.state import State
from adapters.meetergo.simulated.steering import steer
from adapters.meetergo.simulated.week import playground_company
from adapters.registry import SimulatorType
from adapters.simulation import RefusedError, Reply, Request, Simulation, json_reply

RETRY_AFTER = ("retry-after", "60")
_SHORTEST_NAP = 0.001


class Simulator(Simulation):
    """The ASGI application over one company; `clock` is real time, which the switches may set forward."""

    def __init__(self, state: State, *, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self._sending: asyncio.Task[None] | None = None
        self._nudge = asyncio.Event()
        self._load(state)

    @property
    def state(self) -> State:
        """Everything it remembers, to be written as JSON and read again."""
        return self.provider.state

    def call_of(self, request: Request) -> str:
        return route_of(request)[0]

    def noted(self, request: Request, call: str) -> dict[str, Any]:
        return {
            "call": call,
            "id": route_of(request)[1],
            "user": request.headers.get(USER_HEADER),
            "page": request.query.get("page", [None])[-1],
            "status": None,
        }

    def turned_away(self, request: Request) -> RefusedError | None:
        try:
            self._gate.admit(request, self.call_of(request), now=self.provider.records.now)
        except RefusedError as refusal:
            return refusal
        return None

    def objects(self) -> Mapping[str, Any]:
        return {
            appointment.id: {
                "start": shapes.api_time(appointment.start),
                "end": shapes.api_time(appointment.end),
                "cancelled": not appointment.is_active,
                "note": appointment.note,
                "attendees": {
                    attendee.id: {"missed": attendee.no_show, "guests": list(attendee.guests)}
                    for attendee in appointment.attendees
                },
            }
            for appointment in self.state.appointments.values()
        }

    def refused(self, refusal: RefusedError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        if isinstance(refusal, ProviderRefusalError):
            body = refusal.body
        else:
            phrase = PHRASES.get(refusal.status, "Error")
            body = {"statusCode": refusal.status, "message": refusal.message or phrase, "error": phrase}
        if refusal.status == 429 and not headers and self.state.switches.names_retry_after:
            headers = (RETRY_AFTER,)
        return Reply(refusal.status, json.dumps(body).encode(), headers=headers)

    def control(self, request: Request) -> Reply | None:
        match (request.method, request.path[0]):
            case ("GET", "_state"):
                return Reply(200, self.state.model_dump_json().encode())
            case ("PUT", "_state"):
                self._load(State.model_validate_json(request.body))
                reply: Reply | None = json_reply({})
            case _:
                reply = steer(self.provider, request)
        self._wake()
        return reply

    def keep(self) -> str:
        return self.state.model_dump_json()

    def restore(self, kept: str) -> None:
        self._load(State.model_validate_json(kept))
        self._wake()

    async def live(self, *, every: timedelta, misbehave: bool) -> None:
        """One act after the other, as soon as there is somebody to hear of them."""
        while True:
            await asyncio.sleep(every / timedelta(seconds=1))
            if self.state.subscriptions:
                Life(self.provider, self.neighbours, misbehave=misbehave).step()
                self._wake()

    async def steered(self, request: Request) -> Reply | None:
        if (request.method, request.path[0]) != ("POST", "_deliver"):
            return None
        queue = self.provider.records.post
        everything = bool(request.json().get("everything"))
        made = await post(queue.take_due(self.provider.records.now, everything=everything), queue)
        return json_reply([delivery.shown() for delivery in made])

    async def perform(self, request: Request, call: str) -> Reply:
        reply = self._api.answer(request, call, route_of(request)[1], self._gate.acting(request))
        self._wake()
        return reply

    def _load(self, state: State) -> None:
        self.provider = Provider(state, clock=self._clock)
        self._gate = Gate(state)
        self._api = Api(self.provider)

    def _wake(self) -> None:
        """Have what is on its way sent in its time, unless it is held."""
        self._nudge.set()
        asleep = self._sending is None or self._sending.done()
        if asleep and self.state.letters and not self.state.switches.hold:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        while not self.state.switches.hold:
            queue, now = self.provider.records.post, self.provider.records.now
            due = queue.next_due()
            if due is None:
                return
            if due <= now:
                await post(queue.take_due(now), queue)
                continue
            self._nudge.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max((due - now) / timedelta(seconds=1), _SHORTEST_NAP)):
                    await self._nudge.wait()


def create_app(state: State | None = None, *, clock: Callable[[], datetime] | None = None) -> Simulator:
    """A stand-in of the example company, or of one that was kept."""
    return Simulator(state or example_company(), clock=clock or (lambda: datetime.now(UTC)))


def create_playground() -> Simulator:
    """A stand-in that is open to every key, with a week of bookings on its books."""
    return create_app(playground_company(datetime.now(UTC)))


def config(url: str) -> dict[str, Any]:
    """The adapter's settings for a stand-in at this address."""
    return {"base_url": url, "key": PERSONAL_TOKEN}


simulator = SimulatorType(
    name="meetergo",
    summary="a company at meetergo: bookings, webhooks that go astray, lists, limits",
    create_app=create_app,
    config=config,
    secrets=(PLATFORM_KEY, PERSONAL_TOKEN),
    playground=create_playground,
)
