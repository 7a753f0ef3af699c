"""Where the hub is: `--url`, else the hub.json of the data directory, else the configured `http.listen`.

Reading the whole configuration takes longer than most answers, so only the two keys needed here are
read; anything out of the ordinary is left to the settings themselves.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hub
from hub.cli.running import usage
from hub.client import unreachable

DEFAULT_FILE = Path("config/hub.yaml")
DEFAULT_LISTEN = "127.0.0.1:8080"
TOKEN_VARIABLE = "BOOKINGHUB_TOKEN"  # noqa: S105 - the name of a variable, not a token


@dataclass(frozen=True, slots=True)
class Place:
    """What the configuration says about where the hub is."""

    data_dir: Path
    listen: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where to ask, and with which token."""

    url: str
    token: str | None


def find_address(config: Sequence[Path], url: str | None) -> Address:
    """The hub's address; raises UnreachableError if none runs on this data directory."""
    token = os.environ.get(TOKEN_VARIABLE)
    if url is not None:
        _check_url(url)
        if token is None and _names_a_configuration(config):
            token = _admin_token(find_place(config).data_dir)
        return Address(url, token)
    place = find_place(config)
    return Address(_running(place), token or _admin_token(place.data_dir))


def config_files(config: Sequence[Path]) -> list[Path]:
    """The files that were named, or the default one: here, else that of this installation."""
    if config:
        return list(config)
    if DEFAULT_FILE.exists():
        return [DEFAULT_FILE]
    shipped = Path(hub.__file__).parent.parent / DEFAULT_FILE
    return [shipped if shipped.exists() else DEFAULT_FILE]


def find_place(config: Sequence[Path]) -> Place:
    """Data directory and address as configured."""
    files = config_files(config)
    for file in files:
        if not file.is_file():
            raise usage(f"{file} is not there; name a configuration with --config or a hub with --url")
    return _read_quickly(files) or _read_fully(files)


def hub_process(data_dir: Path) -> tuple[int, str] | None:
    """Process id and address of the hub that runs on this data directory."""
    try:
        known = json.loads((data_dir / "hub.json").read_text(encoding="utf-8"))
        pid, url = int(known["pid"]), str(known["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (pid, url) if is_alive(pid) else None


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _running(place: Place) -> str:
    process = hub_process(place.data_dir)
    if process is not None:
        return process[1]
    host, _, port = place.listen.rpartition(":")
    if port == "0":
        raise unreachable(f"no hub runs on {place.data_dir}")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - an address to ask, not to bind
    return f"http://{host}:{port}"


def _names_a_configuration(config: Sequence[Path]) -> bool:
    return bool(config) or DEFAULT_FILE.is_file()


def _admin_token(data_dir: Path) -> str | None:
    try:
        return (data_dir / "admin.token").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise usage(f"{url!r} is not the address of a hub; write http://HOST:PORT")


def _read_quickly(files: Sequence[Path]) -> Place | None:
    """The two keys if they are plain; None leaves everything else to the settings."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    data_dir, listen = files[0].parent / "data", DEFAULT_LISTEN
    for file in files:
        try:
            content = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        except (OSError, YAMLError, ValueError):
            return None
        written_dir, written_listen = _at(content, "hub", "data_dir"), _at(content, "http", "listen")
        if not (_plain(written_dir) and _plain(written_listen)):
            return None
        if written_dir is not None:
            data_dir = file.parent / written_dir
        if written_listen is not None:
            listen = written_listen
    return Place(data_dir, listen)


def _at(content: Any, section: str, key: str) -> Any:
    """A key of a section; an odd one where a null could mean that a lower layer is taken back."""
    if not isinstance(content, dict) or section not in content:
        return None
    below = content[section]
    if not isinstance(below, dict) or (key in below and below[key] is None):
        return ...
    return below.get(key)


def _plain(value: Any) -> bool:
    return value is None or (isinstance(value, str) and "$" not in value and not value.startswith("~"))


def _read_fully(files: Sequence[Path]) -> Place:
    from hub.settings import load_settings

    settings = load_settings(files, os.environ)
    return Place(settings.hub.data_dir, str(settings.http.listen))
