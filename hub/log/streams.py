"""The three streams: made once, checked at every start, never changed by the hub.

`update_stream` with another limit empties even a stream that denies deletes, so a difference is
reported and left to the operator. The one thing the hub updates is the metadata, which says whose
log this is and in which epoch.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hub.errors import ForeignLogError, LogError, LogMissingError, LogUnavailableError
from hub.log.broker import JetStreamRefusedError, LogConnection
from hub.log.subjects import Kind, stream_filter, stream_name

INBOX_AGE = timedelta(days=30)

_STREAM_NOT_FOUND = 10059
_NAME_IN_USE = 10058

_INSTALLATION = "bookinghub-installation"
_EPOCH = "bookinghub-epoch"
_LOST = "bookinghub-lost"

# The events last: where they exist, the keys that open them were there before.
_ORDER: tuple[Kind, ...] = ("keys", "inbox", "events")

_ONE_PER_SUBJECT = {"max_msgs_per_subject": 1, "discard": "new", "discard_new_per_subject": True}
_DEFAULTS: dict[str, Any] = {
    "retention": "limits",
    "storage": "file",
    "discard": "old",
    "discard_new_per_subject": False,
    "max_msgs": -1,
    "max_msgs_per_subject": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msg_size": -1,
    "max_consumers": -1,
    "allow_direct": True,
    "allow_atomic": False,
    "deny_delete": False,
    "deny_purge": False,
    "sealed": False,
}
_OWN: dict[Kind, dict[str, Any]] = {
    "events": {**_ONE_PER_SUBJECT, "allow_atomic": True, "deny_delete": True, "deny_purge": True},
    "inbox": {"allow_atomic": True, "max_age": int(INBOX_AGE.total_seconds()) * 10**9},
    "keys": _ONE_PER_SUBJECT,
}


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as the server describes it; `created_at` changes when it is made anew."""

    first: int
    last: int
    messages: int
    bytes: int
    created_at: str
    config: dict[str, Any] = field(repr=False)

    @property
    def installation_id(self) -> str | None:
        return (self.config.get("metadata") or {}).get(_INSTALLATION)

    @property
    def epoch(self) -> int:
        return int((self.config.get("metadata") or {}).get(_EPOCH, 1))

    @property
    def missing(self) -> int:
        """How many positions the server counts but does not hold, beyond what is accepted as lost."""
        return self.last - self.messages - sum(map(len, self.lost))

    @property
    def lost(self) -> tuple[range, ...]:
        """Positions that are known to be lost for good, see `accept_losses`."""
        noted = (self.config.get("metadata") or {}).get(_LOST, "")
        pairs = (part.split("-") for part in noted.split(",") if part)
        return tuple(range(int(first), int(last) + 1) for first, last in pairs)


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """What `open_streams` found or made."""

    installation_id: str
    epoch: int
    created_at: str
    created: tuple[str, ...]
    """Streams that did not exist before."""
    differences: tuple[str, ...]
    """Where a stream is not as the hub would make it, one sentence each."""


async def stream_state(connection: LogConnection, stream: str) -> StreamState | None:
    """The present state of a stream; None if there is none."""
    try:
        info = await connection.api(f"STREAM.INFO.{stream}")
    except JetStreamRefusedError as error:
        if error.code == _STREAM_NOT_FOUND:
            return None
        raise
    return _read(info)


async def open_streams(
    connection: LogConnection,
    *,
    prefix: str,
    installation_id: str,
    events_known: bool,
    replicas: int = 1,
) -> OpenedLog:
    """Find the three streams or make them, and prove that they belong to this installation.

    `events_known`: the store remembers a log, so HUB_EVENTS must be there; LogMissingError otherwise,
    because an empty one would hide the loss. ForeignLogError if a stream carries another id.
    """
    states = {kind: await stream_state(connection, stream_name(prefix, kind)) for kind in _ORDER}
    _check_present(prefix, states, events_known=events_known)
    for kind, state in states.items():
        if state is not None:
            _check_owner(stream_name(prefix, kind), state, installation_id)
    created: list[str] = []
    differences: list[str] = []
    for kind, state in states.items():
        name, wanted = stream_name(prefix, kind), stream_config(prefix, kind, replicas=replicas)
        if state is None:
            states[kind] = await _create(connection, name, wanted, installation_id)
            created.append(name)
            continue
        if state.installation_id is None:
            states[kind] = await _update_metadata(connection, name, {_INSTALLATION: installation_id})
        differences += [f"{name}: {text}" for text in _differences(wanted, state.config)]
    events = states["events"]
    if events is None:
        raise LogUnavailableError(f"{stream_name(prefix, 'events')} vanished while it was opened")
    return OpenedLog(installation_id, events.epoch, events.created_at, tuple(created), tuple(differences))


async def log_owner(connection: LogConnection, *, prefix: str) -> str | None:
    """The installation id HUB_EVENTS carries; None if there is no such stream or it carries none."""
    state = await stream_state(connection, stream_name(prefix, "events"))
    return state.installation_id if state else None


async def set_epoch(connection: LogConnection, *, prefix: str, epoch: int) -> None:
    """Begin this epoch: write it into HUB_EVENTS, accept what is lost, and change nothing else."""
    added = {_EPOCH: str(epoch)} | _noted(await _lost(connection, stream_name(prefix, "events")))
    await _update_metadata(connection, stream_name(prefix, "events"), added)


async def accept_losses(connection: LogConnection, *, prefix: str) -> tuple[range, ...]:
    """Note in HUB_EVENTS which positions the server itself says are gone, and return them.

    A server whose files were damaged may keep the numbers of what it lost free for ever. Readers
    refuse such a hole until it is noted, which is part of handling a divergence.
    """
    name = stream_name(prefix, "events")
    lost = await _lost(connection, name)
    if lost:
        await _update_metadata(connection, name, _noted(lost))
    return lost


def stream_config(prefix: str, kind: Kind, *, replicas: int = 1) -> dict[str, Any]:
    """The configuration the hub gives this stream."""
    return {
        **_DEFAULTS,
        **_OWN[kind],
        "name": stream_name(prefix, kind),
        "subjects": [stream_filter(prefix, kind)],
        "num_replicas": replicas,
    }


def _check_present(prefix: str, states: dict[Kind, StreamState | None], *, events_known: bool) -> None:
    events, keys = states["events"], states["keys"]
    if events is None and events_known:
        raise LogMissingError(
            f"the store knows a log, but NATS has no stream {stream_name(prefix, 'events')}: restore it, or "
            "start with an empty store"
        )
    if keys is None and events is not None and events.messages:
        raise LogMissingError(
            f"{stream_name(prefix, 'keys')} is gone: without it no name or address in "
            f"{stream_name(prefix, 'events')} can be read; restore it"
        )


def _check_owner(name: str, state: StreamState, installation_id: str) -> None:
    """An empty stream without an id was prepared for the hub; one with messages is somebody's."""
    owner = state.installation_id
    if owner is None and not state.messages:
        return
    if owner != installation_id:
        whose = f"installation {owner}" if owner else "an unknown owner"
        raise ForeignLogError(
            f"{name} belongs to {whose}, this is {installation_id}: choose another nats.prefix, or the store "
            "that belongs to it"
        )


async def _create(
    connection: LogConnection, name: str, wanted: dict[str, Any], installation_id: str
) -> StreamState:
    config = {**wanted, "metadata": {_INSTALLATION: installation_id, _EPOCH: "1"}}
    try:
        return _read(await connection.api(f"STREAM.CREATE.{name}", config, timeout=15.0))
    except JetStreamRefusedError as error:
        state = await stream_state(connection, name) if error.code == _NAME_IN_USE else None
        if state is None:
            raise
        # Another hub was faster, or a lost answer made us ask twice.
        _check_owner(name, state, installation_id)
        return state


async def _update_metadata(connection: LogConnection, name: str, added: dict[str, str]) -> StreamState:
    """Send back exactly the configuration that was read, with these entries in its metadata."""
    before = await stream_state(connection, name)
    if before is None:
        raise LogUnavailableError(f"{name} is not there")
    config = {**before.config, "metadata": {**(before.config.get("metadata") or {}), **added}}
    after = _read(await connection.api(f"STREAM.UPDATE.{name}", config, timeout=15.0))
    keys = {*config, *after.config} - {"metadata"}
    changed = {key for key in keys if config.get(key) != after.config.get(key)}
    if changed:
        raise LogError(f"{name}: the server changed {', '.join(sorted(changed))} with the metadata")
    return after


async def _lost(connection: LogConnection, name: str) -> tuple[range, ...]:
    """All positions from 1 on that the server counts but does not hold."""
    info = await connection.api(f"STREAM.INFO.{name}", {"deleted_details": True}, timeout=30.0)
    state = info["state"]
    before = (range(1, state["first_seq"]),) if state["first_seq"] > 1 else ()
    return before + _ranges(state.get("deleted") or [])


def _noted(lost: tuple[range, ...]) -> dict[str, str]:
    return {_LOST: ",".join(f"{one[0]}-{one[-1]}" for one in lost)} if lost else {}


def _ranges(positions: list[int]) -> tuple[range, ...]:
    """The same positions as few ranges, in order."""
    found: list[range] = []
    for position in sorted(positions):
        if found and found[-1].stop == position:
            found[-1] = range(found[-1].start, position + 1)
        else:
            found.append(range(position, position + 1))
    return tuple(found)


def _differences(wanted: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    return [
        f"{key} is {_shown(key, actual.get(key))}, the hub would set {_shown(key, value)}"
        for key, value in wanted.items()
        if actual.get(key, _DEFAULTS.get(key)) != value
    ]


def _shown(key: str, value: Any) -> str:
    if key == "max_age" and value:
        return str(timedelta(microseconds=value / 1000))
    return str(value)


def _read(info: dict[str, Any]) -> StreamState:
    state = info["state"]
    return StreamState(
        first=state["first_seq"],
        last=state["last_seq"],
        messages=state["messages"],
        bytes=state["bytes"],
        created_at=info["created"],
        config=info["config"],
    )
