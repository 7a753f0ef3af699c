"""The provider behind the stand-in: its behaviour in memory, its shapes, its webhooks."""

from adapters.meetergo.simulated.company import PERSONAL_TOKEN, PLATFORM_KEY, example_company
from adapters.meetergo.simulated.provider import Provider
from adapters.meetergo.simulated.state import State, Switches

__all__ = ["PERSONAL_TOKEN", "PLATFORM_KEY", "Provider", "State", "Switches", "example_company"]
