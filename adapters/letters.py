"""Writing to one person because somebody asked for it by hand, beside whatever a sink does by itself."""

from abc import ABC, abstractmethod


class LetterWriter(ABC):
    """What a sink also is, if it can reach people by mail who are not in its configuration."""

    @abstractmethod
    def can_write(self) -> bool:
        """Whether its settings name a way to send mail."""

    @abstractmethod
    async def write(self, address: str, *, title: str, body: str) -> None:
        """One message to one mail address, handed over once; TransientError if it may not have been taken."""
