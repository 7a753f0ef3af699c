"""The properties a sink needs: whether they are there, and making them."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.errors import PermanentError
from adapters.hubspot.client import HubSpotClient
from adapters.hubspot.mapping import Definition


class Preparing:
    """The properties of one kind of object. `like` names one of HubSpot's own, whose group they join."""

    def __init__(
        self,
        client: HubSpotClient,
        kind: str,
        definitions: Sequence[Definition],
        *,
        like: str,
        instance: str,
    ) -> None:
        self._client = client
        self._kind = kind
        self._definitions = definitions
        self._like = like
        self._instance = instance

    async def check(self) -> None:
        """PermanentError naming what is missing: a write would be refused for it, and not repeated."""
        missing = await self._missing()
        if missing:
            names = ", ".join(definition.name for definition in missing)
            raise PermanentError(
                f"HubSpot has no property {names} on {self._kind}; "
                f"make it with: bookinghub sinks prepare {self._instance}"
            )

    async def make(self, *, dry_run: bool) -> Sequence[str]:
        """Create what is missing; names it with its type."""
        missing = await self._missing()
        if not missing or dry_run:
            return [self._told(definition) for definition in missing]
        group = await self._group()
        return [
            self._told(definition)
            for definition in missing
            if await self._client.define(self._kind, definition, group=group)
        ]

    async def _missing(self) -> list[Definition]:
        missing = []
        for definition in self._definitions:
            there = await self._client.definition(self._kind, definition.name)
            if there is None:
                missing.append(definition)
            elif definition.unique and not _is_unique(there):
                raise PermanentError(
                    f"the property {definition.name} on {self._kind} does not have unique values and cannot "
                    f"get them any more; name another one as identity in the settings of {self._instance}"
                )
        return missing

    async def _group(self) -> str:
        own = await self._client.definition(self._kind, self._like)
        group = own.get("groupName") if own else None
        if not isinstance(group, str):
            raise PermanentError(f"HubSpot shows no group of the property {self._like} on {self._kind}")
        return group

    def _told(self, definition: Definition) -> str:
        return f"{self._kind}.{definition.name} ({definition.kind})"


def _is_unique(definition: Mapping[str, Any]) -> bool:
    return definition.get("hasUniqueValue") is True
