"""The hub's hand on its playground: what people do there, what breaks, and where webhooks go.

Speaks to the control routes that every stand-in has (`adapters.simulation`).
"""

from collections.abc import Mapping
from typing import Any

import httpx
import structlog

from hub.errors import HubError
from hub.simulation.stage import RESET

TIMEOUT_SECONDS = 10.0

_log = structlog.get_logger(__name__)


class PlaygroundError(HubError):
    """A stand-in does not answer, or cannot do what it was asked."""


class Playground:
    """The stand-ins at these ports, by adapter type."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.types = tuple(ports)
        self._urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self._doors: Mapping[str, str] = {}

    async def play(self, type_name: str, act: Mapping[str, Any]) -> dict[str, Any]:
        """Have somebody do something at the system; what it is about, as it is then."""
        done: dict[str, Any] = await self._send(type_name, "POST", "/_play", act)
        return done

    async def break_down(self, type_name: str, fault: Mapping[str, Any]) -> None:
        """Have calls of the system's API go wrong; see `adapters.simulation.Fault`."""
        await self._send(type_name, "POST", "/_faults", fault)

    async def misplace(self, type_name: str, mishap: str, *, share: float) -> None:
        """Have this share of the webhooks of a system lost, doubled, late or overtaken."""
        await self._send(type_name, "POST", "/_switches", {mishap: share})

    async def heal(self, type_name: str) -> None:
        """Switch off all that goes wrong at this system."""
        await self._send(type_name, "DELETE", "/_faults")
        if type_name in self._doors:
            for mishap in ("lost", "doubled", "late", "reordered"):
                await self.misplace(type_name, mishap, share=0)

    async def reset(self) -> None:
        """Begin again: every system is as on the first day."""
        for name in self.types:
            await self._send(name, "POST", RESET)
        await self.tell_doors(self._doors)

    async def tell_doors(self, doors: Mapping[str, str]) -> None:
        """Where the systems of these types post their webhooks; one that does not listen is left alone."""
        self._doors = {name: door for name, door in doors.items() if name in self._urls}
        for name, door in self._doors.items():
            try:
                await self._send(name, "POST", "/_listen", {"endpoint": door})
            except PlaygroundError as error:
                _log.warning("playground_posts_nothing", stand_in=name, error=str(error))

    async def _send(
        self, type_name: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        if type_name not in self._urls:
            raise PlaygroundError(f"{type_name} is not among simulator.types")
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as http:
            try:
                answer = await http.request(method, self._urls[type_name] + path, json=body)
            except httpx.HTTPError as error:
                raise PlaygroundError(f"the stand-in for {type_name} does not answer") from error
        if answer.is_success:
            return answer.json()
        raise PlaygroundError(f"the stand-in for {type_name} refuses: {_message(answer)}")


def _message(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    return str(told.get("message", f"HTTP {answer.status_code}")) if isinstance(told, dict) else "?"
