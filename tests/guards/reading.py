"""The repository as the guards read it: its own files, and the code written in its pages."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

FOLDERS = (".ci", "adapters", "config", "docs", "events", "hub", "tests")
_GENERATED = ("__pycache__", ".egg-info", "data")
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^(?: {4}|\t).*$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")


def own_files(*suffixes: str) -> list[Path]:
    """Every file of the project with one of these suffixes (none: all of them), by path."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(path for path in found if _is_own(path) and (not suffixes or path.suffix in suffixes))


def pages() -> list[Path]:
    """Everything a person reads, the changelog's history of other states left out."""
    return [path for path in own_files(".md") if path.name != "CHANGELOG.md"]


def code_of(page: Path) -> Iterator[str]:
    """The lines and spans of a page that are code."""
    text = page.read_text(encoding="utf-8")
    for block in _FENCED.findall(text):
        yield from block.splitlines()[1:-1]
    rest = _FENCED.sub("", text)
    yield from (line.strip() for line in _INDENTED.findall(rest))
    yield from _SPAN.findall(rest)


def name_of(path: Path) -> str:
    """The path from the root, as a test's id."""
    return str(path.relative_to(ROOT))


def _is_own(path: Path) -> bool:
    return not any(part.endswith(_GENERATED) for part in path.relative_to(ROOT).parts)
