"""The board's API: cards by id, with an etag that changes at every write."""

from dataclasses import dataclass
from typing import Any

from adapters.errors import PermanentError, TransientError
from adapters.http import Answer, HttpClient, Sorting

CHANGED_MEANWHILE, NOT_FOUND = 412, 404
_SORTING = Sorting(forbidden=PermanentError)


@dataclass(frozen=True, slots=True)
class BoardCard:
    """A card as the board shows it."""

    content: dict[str, Any]
    etag: str | None


class BoardClient:
    """Reads and writes cards; failures arrive sorted by `HttpClient`."""

    def __init__(self, http: HttpClient, *, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, card_id: str) -> BoardCard | None:
        """The card, None if there is none."""
        answer = await self._call("GET", f"/cards/{card_id}", allow={NOT_FOUND})
        return None if answer.status == NOT_FOUND else _card(answer)

    async def put(self, card_id: str, content: dict[str, Any], *, over: BoardCard | None) -> BoardCard:
        """Write the card if nobody did meanwhile; TransientError if somebody did."""
        condition = {"If-Match": over.etag or "*"} if over else {"If-None-Match": "*"}
        answer = await self._call("PUT", f"/cards/{card_id}", condition, json=content)
        return _card(answer)

    async def delete(self, card_id: str, *, held: BoardCard) -> None:
        """Remove the card if nobody changed it meanwhile; one that is gone already is success."""
        await self._call("DELETE", f"/cards/{card_id}", {"If-Match": held.etag or "*"}, allow={NOT_FOUND})

    async def cards(self) -> list[BoardCard]:
        """Every card of the board, strangers' cards included."""
        answer = await self._call("GET", "/cards")
        return [BoardCard(content, None) for content in answer.json()["cards"]]

    async def _call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        allow = {CHANGED_MEANWHILE, *options.pop("allow", ())}
        answer = await self._http.request(
            method,
            self._url + path,
            headers=self._headers | (headers or {}),
            allow=allow,
            sorting=_SORTING,
            **options,
        )
        if answer.status == CHANGED_MEANWHILE:
            raise TransientError("the card changed meanwhile")
        return answer


def _card(answer: Answer) -> BoardCard:
    content = answer.json()
    if not isinstance(content, dict):
        raise TransientError(f"{answer.host} answered something that is no card")
    return BoardCard(content, answer.headers.get("etag"))
