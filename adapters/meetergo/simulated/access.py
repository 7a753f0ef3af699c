"""Who may call meetergo, as whom and how often."""

from collections import defaultdict, deque
from datetime import datetime, timedelta

from adapters.meetergo.simulated.refusals import refused
from adapters.meetergo.simulated.state import Host, Key, State
from adapters.simulation import Request

USER_HEADER = "x-meetergo-api-user-id"
MISSING_USER = f"Missing required header '{USER_HEADER}' for API key authentication"
WITHOUT_USER = frozenset({"availability"})
"""Calls that are documented as not needing the header."""

_MINUTE = timedelta(minutes=1)


class Gate:
    """Checks the credential of a request and counts it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._made: dict[str, deque[datetime]] = defaultdict(deque)

    def admit(self, request: Request, call: str, *, now: datetime) -> Host | None:
        """Whom the request acts for, None if that does not matter; RefusedError otherwise."""
        key = self._key(request, now)
        self._count(key, now)
        named = request.headers.get(USER_HEADER)
        return self._named(named, call) if key.is_platform else self._owner(key, named)

    def acting(self, request: Request) -> Host:
        """Whom an admitted request acts for; an admin where it names nobody."""
        key = self._state.keys[_token(request)]
        user = self._state.hosts.get(request.headers.get(USER_HEADER) or key.owner or "")
        return user or next(host for host in self._state.hosts.values() if host.role == "admin")

    def _key(self, request: Request, now: datetime) -> Key:
        token = _token(request)
        if not token:
            raise refused(401, "Missing API key")
        key = self._state.keys.get(token) or self._issued(token)
        if key is None:
            raise refused(401, "Invalid API key")
        if key.expires_at is not None and key.expires_at <= now:
            raise refused(401, "API key has expired")
        return key

    def _issued(self, token: str) -> Key | None:
        """A key made for whoever comes with it, if this company is open."""
        if self._state.open_to is None:
            return None
        key = Key(token=token)
        key = key if key.is_platform else key.model_copy(update={"owner": self._state.open_to})
        self._state.keys[token] = key
        return key

    def _count(self, key: Key, now: datetime) -> None:
        """No minute holds more than the limit; what is refused does not count."""
        made = self._made[key.token]
        while made and made[0] + _MINUTE <= now:
            made.popleft()
        if len(made) >= self._state.switches.requests_per_minute:
            raise refused(429, "Too Many Requests")
        made.append(now)

    def _named(self, named: str | None, call: str) -> Host | None:
        if named is None:
            if call in WITHOUT_USER:
                return None
            raise refused(400, MISSING_USER)
        user = self._state.hosts.get(named)
        if user is None:
            raise refused(403, "Forbidden")
        return user

    def _owner(self, key: Key, named: str | None) -> Host:
        owner = self._state.hosts.get(key.owner or "")
        if owner is None or named not in (None, owner.id):
            raise refused(403, "Forbidden")
        return owner


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""
