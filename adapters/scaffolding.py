"""Writes a new adapter: a copy of `adapters/scaffold` under another name, with its entry points.

The scaffold is an adapter like any other, checked and tested in place, so what is written works.
"""

import keyword
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCAFFOLD = HERE / "scaffold"
TESTS = Path("tests") / "contract"

_NAMES = re.compile(r"adapters\.scaffold|Board|team-board|board")
_OWN_IMPORTS = re.compile(r"(?:^from adapters\.[\w.]+ import [\w, ]+\n)+", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class ScaffoldError(Exception):
    """The adapter was not written; nothing was changed."""


def write_adapter(name: str, *, root: Path = HERE.parent) -> list[str]:
    """Write package and test and register both entry points; the paths, relative to the repository.

    Raises ScaffoldError for a name that is taken or cannot be one, before anything is written.
    """
    _check(name, root)
    written = []
    for source in sorted(SCAFFOLD.iterdir()):
        if source.suffix in (".py", ".md"):
            written.append(_copied(source, root / "adapters" / name / source.name, name))
    tests = root / TESTS / "scaffold" / "test_contract.py"
    written.append(_copied(tests, root / TESTS / name / "test_contract.py", name))
    written.append(_registered(root / "pyproject.toml", name))
    return [str(path.relative_to(root)) for path in written]


def _check(name: str, root: Path) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > 40:
        raise ScaffoldError(
            f"{name!r} cannot be an adapter's name; write lower case letters, such as team_board"
        )
    if not (root / "pyproject.toml").exists() or not (root / TESTS).exists():
        raise ScaffoldError(f"{root} is no checkout of the hub; adapters are written into one")
    for taken in (root / "adapters" / name, root / "adapters" / f"{name}.py", root / TESTS / name):
        if taken.exists():
            raise ScaffoldError(f"{taken.relative_to(root)} exists already; choose another name")


def _copied(source: Path, target: Path, name: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(renamed(source.read_text(), name))
    return target


def renamed(text: str, name: str) -> str:
    """The scaffold's text with the new adapter's names, imports in order."""
    names = {
        "adapters.scaffold": f"adapters.{name}",
        "Board": "".join(part.capitalize() for part in name.split("_")),
        "team-board": f"team-{name.replace('_', '-')}",
        "board": name,
    }
    text = _NAMES.sub(lambda match: names[match[0]], text)
    return _OWN_IMPORTS.sub(lambda block: "".join(sorted(block[0].splitlines(keepends=True))), text)


def _registered(path: Path, name: str) -> Path:
    """Add the entry points and the package to the lists of the import checks."""
    text = path.read_text()
    for group, line in (
        ("hub.adapters", f'{name} = "adapters.{name}:adapter"'),
        ("hub.simulators", f'{name} = "adapters.{name}.simulator:simulator"'),
    ):
        header = f'[project.entry-points."{group}"]\n'
        if header not in text:
            raise ScaffoldError(f"{path.name} has no section {header.strip()}")
        text = text.replace(header, f"{header}{line}\n")
    text = text.replace('"adapters.console_log", ', f'"adapters.console_log", "adapters.{name}", ')
    path.write_text(text)
    return path
