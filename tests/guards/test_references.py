"""Whatever a page or a comment points at is there."""

import re
from pathlib import Path

import pytest

from tests.guards.reading import ROOT, name_of, own_files, pages

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
SPAN = re.compile(r"`[^`\n]+`")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
DOCS_PATH = re.compile(r"(?<![\w/.-])docs/[\w/.-]*[\w/]")
ADR = re.compile(r"docs/adr/(\d{4})$")
DOCUMENT = re.compile(r"(?<![\w/.-])[A-Z][A-Z-]{3,}\.md\b|\b[A-Z]{4,}-[A-Z]{4,}(?= \d)")
DECISIONS = ROOT / "docs" / "adr"


def without_code(page: Path) -> str:
    """A page's text without what it shows as code."""
    return SPAN.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))


def anchors_of(page: Path) -> set[str]:
    """The anchors that headings get: lower case, punctuation gone, spaces to dashes."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return {
        NOT_IN_ANCHORS.sub("", heading.replace("`", "")).strip().lower().replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead nowhere."""
    broken = []
    for link in LINK.findall(without_code(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    return broken


def exists(path: str) -> bool:
    """Whether a path below docs/ is there; a decision may be named by its number alone."""
    number = ADR.fullmatch(path)
    if number:
        return len(list(DECISIONS.glob(f"{number[1]}-*.md"))) == 1
    return (ROOT / path).exists()


@pytest.mark.parametrize("page", [ROOT / "CHANGELOG.md", *pages()], ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_pages_named_in_code_and_comments_are_there() -> None:
    missing = {}
    for path in own_files(".py", ".md", ".yaml", ".yml", ".toml"):
        named = set(DOCS_PATH.findall(path.read_text(encoding="utf-8")))
        if lost := sorted(one for one in named if not exists(one)):
            missing[name_of(path)] = lost
    assert missing == {}


def test_no_comment_points_at_a_document_that_readers_do_not_have() -> None:
    """Such as a design paper that is no part of the repository."""
    there = {path.name for path in ROOT.iterdir()}
    missing = {}
    for path in own_files(".py", ".md", ".yaml", ".yml", ".toml"):
        named = set(DOCUMENT.findall(path.read_text(encoding="utf-8")))
        if lost := sorted(named - there):
            missing[name_of(path)] = lost
    assert missing == {}


def test_decisions_are_numbered_once_and_listed() -> None:
    decisions = sorted(DECISIONS.glob("*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    assert len(set(numbers)) == len(numbers)
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for number, path in zip(numbers, decisions, strict=True):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), path.name
        assert f"| [{number}](adr/{path.name}) |" in index, f"docs/README.md does not list {path.name}"
        for heading in ("Context", "Decision", "Consequences", "Refused"):
            assert f"\n## {heading}\n" in text, f"{path.name} has no {heading}"


def test_every_page_below_docs_can_be_reached_from_its_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in LINK.findall(without_code(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file():
                waiting.append(target)
    assert {path for path in pages() if path.is_relative_to(ROOT / "docs")} - reached == set()
