"""YAML files and environment -> frozen settings, or every problem at once.

Nothing is written, connected or started here, with one exception that is asked for: `generate=True`
stores newly made secrets once the whole configuration has been found usable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.config_types import SourceText
from hub.errors import Problem
from hub.settings.advice import warnings_about
from hub.settings.environment import Variables, read_variables
from hub.settings.generated import GeneratedSecrets, UnreadableSecretsError
from hub.settings.instances import INSTALLED, Adapters, Checked, InstanceCheck
from hub.settings.layers import merge, plain, plain_map
from hub.settings.messages import model_problems, unknown_nulls
from hub.settings.models import (
    FileContent,
    HubSettings,
    Settings,
    SinkEntry,
    SinkSettings,
    SourceEntry,
    SourceSettings,
)
from hub.settings.nodes import Map, Place, Scalar, find, is_null
from hub.settings.not_yet import without_not_yet
from hub.settings.references import DATA_DIR, References
from hub.settings.report import config_error, ordered
from hub.settings.stand_ins import NoStandInError, StandIns, named_types, unknown_types
from hub.settings.values import OFF
from hub.settings.yaml_tree import MAX_BYTES, read_tree

DEFAULT_DATA_DIR = "data"
DATABASE = "hub.db"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings together with the tree they were read from, for those who explain them."""

    settings: Settings
    root: Map


def load_settings(
    paths: Sequence[Path],
    environ: Mapping[str, str],
    *,
    generate: bool = False,
    adapters: Adapters = INSTALLED,
) -> Settings:
    """The settings of these files, the later ones on top; raises ConfigError with all problems.

    With `generate`, secrets made for `${generated:…}` are stored; without it they are made up for
    this call and nothing is touched.
    """
    return load(paths, environ, generate=generate, adapters=adapters).settings


def load(
    paths: Sequence[Path],
    environ: Mapping[str, str],
    *,
    generate: bool = False,
    adapters: Adapters = INSTALLED,
) -> Configuration:
    """Like `load_settings`, with the tree."""
    if not paths:
        raise ValueError("at least one configuration file is needed")
    files = tuple(map(Path, paths))
    while True:
        configuration, made = _load(files, environ, adapters)
        if not generate or all(_keep(one, files) for one in made):
            return configuration


def _keep(made: GeneratedSecrets, files: tuple[Path, ...]) -> bool:
    try:
        return made.keep()
    except (OSError, UnreadableSecretsError) as error:
        place = made.place() or Place(str(files[0]), 1, 1)
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise config_error([place.problem((), f"what is made up cannot be kept: {reason}")], files) from error


def _load(
    files: tuple[Path, ...], environ: Mapping[str, str], adapters: Adapters
) -> tuple[Configuration, tuple[GeneratedSecrets, ...]]:
    """The configuration, and what was made up for it."""
    problems: list[Problem] = []
    trees = [_read(file, problems) for file in files]
    variables = read_variables(environ, files[0].parent / "hub.env", problems)
    usable = [tree for tree in trees if tree is not None]
    if len(usable) < len(trees):
        raise config_error(problems, files)
    written = reduce(merge, usable)
    data_dir = _data_dir(written, variables, files[0])
    secrets, stand_ins = GeneratedSecrets(data_dir), StandIns(data_dir, named_types(written))
    references = References(variables, secrets, stand_ins, problems)
    root = without_not_yet(references.expand_map(written), problems)
    content = _content(_with_defaults(plain_map(root), files[0], data_dir), root, problems)
    check = InstanceCheck(root, adapters)
    sources, sinks = check.check("sources"), check.check("sinks")
    problems.extend((*check.problems, *unknown_types(root, stand_ins.simulators)))
    if problems or content is None:
        raise config_error(problems, files)
    settings = _with_ports(_settings(content, sources, sinks, files), stand_ins)
    warnings = ordered(warnings_about(settings, root, sinks), files)
    return Configuration(replace(settings, warnings=warnings), root), (secrets, stand_ins.ports)


def _with_ports(settings: Settings, stand_ins: StandIns) -> Settings:
    try:
        ports, second_ports = stand_ins.all_ports(), stand_ins.second_ports()
    except NoStandInError as error:
        place = stand_ins.ports.place() or Place(str(settings.files[0]), 1, 1)
        raise config_error([place.problem((), str(error))], settings.files) from error
    return replace(settings, simulator_ports=ports, simulator_second_ports=second_ports)


def _read(file: Path, problems: list[Problem]) -> Map | None:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        problems.append(Place(str(file), 1, 1).problem((), "there is no such file"))
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problems.append(Place(str(file), 1, 1).problem((), f"cannot be read: {reason}"))
        return None
    return read_tree(str(file), data, problems)


def _data_dir(root: Map, variables: Variables, first: Path) -> Path | None:
    """The data folder, needed before all else since it holds the generated secrets; None if unusable."""
    node = find(root, DATA_DIR)
    if node is None or is_null(node):
        return (first.parent / DEFAULT_DATA_DIR).absolute()
    reported_later: list[Problem] = []
    references = References(variables, GeneratedSecrets(None), StandIns(None), reported_later)
    known = references.expand(node, DATA_DIR)
    if not isinstance(known, Scalar) or known.broken:
        return None
    try:
        return HubSettings.model_validate({"data_dir": plain(known)}).data_dir
    except ValidationError:
        return None


def _with_defaults(data: dict[str, Any], first: Path, data_dir: Path | None) -> dict[str, Any]:
    """Adds the defaults that depend on where the files stand or on other keys."""
    hub = data.setdefault("hub", {})
    if isinstance(hub, dict):
        hub.setdefault("data_dir", SourceText(DEFAULT_DATA_DIR, first.parent))
    store = data.setdefault("store", {})
    if isinstance(store, dict):
        store.setdefault("url", f"sqlite:///{(data_dir or Path(DEFAULT_DATA_DIR)) / DATABASE}")
    nats = data.get("nats")
    if isinstance(nats, dict) and "url" in nats:
        nats.setdefault("mode", "foreign")
    sources = data.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        if isinstance(source, dict) and str(source.get("enabled", "true")).lower() not in OFF:
            source.setdefault("webhook", {})
    return data


def _content(data: dict[str, Any], root: Map, problems: list[Problem]) -> FileContent | None:
    problems.extend(unknown_nulls(root, (), FileContent))
    try:
        return FileContent.model_validate(data)
    except ValidationError as error:
        problems.extend(model_problems(error, root, (), FileContent))
        return None


def _settings(
    content: FileContent,
    sources: Mapping[str, Checked],
    sinks: Mapping[str, Checked],
    files: tuple[Path, ...],
) -> Settings:
    return Settings(
        hub=content.hub,
        http=content.http,
        nats=content.nats,
        store=content.store,
        logging=content.logging,
        simulator=content.simulator,
        sources={name: _source(name, entry, sources[name]) for name, entry in content.sources.items()},
        sinks={name: _sink(name, entry, sinks[name]) for name, entry in content.sinks.items()},
        files=files,
    )


def _source(name: str, entry: SourceEntry, checked: Checked) -> SourceSettings:
    verify = entry.verify or ("fetch" if checked.can_be_asked else "trust")
    return SourceSettings.model_validate(
        {**dict(entry), "name": name, "verify": verify, "config": checked.config}
    )


def _sink(name: str, entry: SinkEntry, checked: Checked) -> SinkSettings:
    start = entry.start or ("now" if checked.is_reactor else "upcoming")
    grace = max(entry.grace, checked.least_grace)
    return SinkSettings.model_validate(
        {**dict(entry), "name": name, "start": start, "grace": grace, "config": checked.config}
    )
