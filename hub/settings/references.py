"""Replaces `${VAR}`, `${VAR:-default}`, `${VAR:?why}`, `${file:PATH}`, `${generated:NAME}`, `${sim:TYPE}`.

That happens in scalars and after parsing, so a value can hold any character and never changes the
file's shape.
"""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from hub.errors import Problem
from hub.settings.environment import Variables
from hub.settings.generated import GeneratedSecrets, UnreadableSecretsError
from hub.settings.nodes import Entry, Items, KeyPath, Map, Node, Origin, Place, Scalar, whole_characters
from hub.settings.stand_ins import NoStandInError, StandIns

MAX_BYTES = 64 * 1024
_DOLLAR = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)(.*))?", re.DOTALL)
_SCHEME = re.compile(r"(file|generated|sim):(.*)", re.DOTALL)
DATA_DIR: KeyPath = ("hub", "data_dir")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class _ReferenceError(Exception):
    """A reference that has no value; the message is for the problem list."""


@dataclass(frozen=True, slots=True)
class References:
    """Expands scalars; what has no value becomes a problem and a broken scalar."""

    variables: Variables
    generated: GeneratedSecrets
    stand_ins: StandIns
    problems: list[Problem]

    def expand(self, node: Node, path: KeyPath = ()) -> Node:
        """The tree with every reference replaced."""
        if isinstance(node, Map):
            return self.expand_map(node, path)
        if isinstance(node, Items):
            return Items(
                node.place, tuple(self.expand(item, (*path, index)) for index, item in enumerate(node.values))
            )
        return self._scalar(node, path) if "$" in node.text and not node.broken else node

    def expand_map(self, node: Map, path: KeyPath = ()) -> Map:
        """The same for a map, which stays one."""
        entries = node.entries.items()
        return Map(
            node.place,
            {key: Entry(entry.place, self.expand(entry.node, (*path, key))) for key, entry in entries},
        )

    def _scalar(self, scalar: Scalar, path: KeyPath) -> Scalar:
        origins: list[Origin] = []
        failed = False

        def replace(match: re.Match[str]) -> str:
            nonlocal failed
            if match[0] == "$$":
                return "$"
            try:
                if not match[2]:
                    raise _ReferenceError('"${" is never closed; write $${ for these two characters')
                value, origin = self._look_up(match[1], scalar.place, path)
            except _ReferenceError as error:
                failed = True
                self.problems.append(scalar.place.problem(path, str(error)))
                return ""
            origins.append(origin)
            return value

        text = _DOLLAR.sub(replace, scalar.text)
        return dataclasses.replace(
            scalar, text=scalar.text if failed else text, origins=tuple(origins), broken=failed
        )

    def _look_up(self, body: str, place: Place, path: KeyPath) -> tuple[str, Origin]:
        variable = _VARIABLE.fullmatch(body)
        if variable:
            return self._variable(*variable.groups())
        scheme = _SCHEME.fullmatch(body)
        if scheme is None:
            raise _ReferenceError(
                "${" + body + "} is not a reference; write ${VAR}, ${VAR:-default}, ${VAR:?why}, ${file:PATH}"
                ", ${generated:NAME} or ${sim:TYPE}, and $$ for a dollar sign"
            )
        kind, name = scheme.groups()
        if kind == "file":
            return _file(name, place)
        if kind == "generated":
            return self._generated(name, path)
        return self._simulated(name, path)

    def _variable(self, name: str, operator: str | None, argument: str | None) -> tuple[str, Origin]:
        found = self.variables.get(name)
        if found and (found[0] or operator is None):
            if whole_characters(found[0]) is None:
                raise _ReferenceError(f"${{{name}}} is not UTF-8")
            return found
        if operator == ":-":
            return argument or "", Origin("fallback", name)
        why = f": {argument}" if argument else ""
        state = "is empty" if found else "is not set"
        raise _ReferenceError(f"${{{name}}} {state}{why}; looked in {self.variables.searched}")

    def _generated(self, name: str, path: KeyPath) -> tuple[str, Origin]:
        if not _NAME.fullmatch(name):
            raise _ReferenceError(
                f'"{name}" cannot name a generated secret; use letters, digits, "_", "-" and "."'
            )
        if path == DATA_DIR:
            raise _ReferenceError("generated secrets are kept in this folder, so it cannot be named by one")
        try:
            return self.generated.get(name), Origin("generated", name, self.generated.place())
        except UnreadableSecretsError as error:
            raise _ReferenceError(str(error)) from error

    def _simulated(self, name: str, path: KeyPath) -> tuple[str, Origin]:
        if path == DATA_DIR:
            raise _ReferenceError("the ports of stand-ins are kept in this folder, so it cannot name one")
        try:
            return self.stand_ins.address(name), Origin("simulated", name, self.stand_ins.ports.place())
        except NoStandInError as error:
            raise _ReferenceError(f"${{sim:{name}}}: {error}") from error


def _file(written: str, place: Place) -> tuple[str, Origin]:
    """The content without the line end that editors put behind it."""
    try:
        path = Path(place.file).parent / Path(written).expanduser()
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _ReferenceError(f"${{file:{written}}}: not UTF-8") from error
    except OSError as error:
        raise _ReferenceError(f"${{file:{written}}}: {path}: {error.strerror}") from error
    except (ValueError, RuntimeError) as error:
        raise _ReferenceError(f"${{file:{written}}}: {error}") from error
    if len(data) > MAX_BYTES:
        raise _ReferenceError(f"${{file:{written}}}: larger than 64 KiB")
    return text.rstrip("\r\n"), Origin("file", written, Place(str(path), 1, 1))
