"""What is to be asked of each source, as the configuration has it now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from hub.settings.models import BackfillSettings, PollSettings


@dataclass(frozen=True, slots=True)
class Plan:
    """One source that can be asked.

    `tells` are the types of facts its webhooks tell of, `has_door` whether they have an address of ours.
    """

    poll: PollSettings
    backfill: BackfillSettings
    silence: timedelta
    tells: frozenset[str]
    has_door: bool = True
    register: bool = False

    @property
    def fills_back(self) -> bool:
        """Whether a list that is new begins with its history."""
        return bool(self.backfill.past + self.backfill.ahead)


Plans = Callable[[], Mapping[str, Plan]]
"""Asked again and again, for the configuration may change."""
