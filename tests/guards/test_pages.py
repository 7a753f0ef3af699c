"""Pages that speak of the code say what the code says."""

import json
import re
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from adapters.registry import GROUP, known_types, load_adapter
from adapters.scaffolding import SCAFFOLD
from events.base import BookingEvent, DomainEvent
from events.catalogue import CATALOGUE
from events.state import Attendee, Booking
from hub.web.generate import FOLDER, files
from hub.web.issues import KINDS
from tests.guards.reading import ROOT
from tests.guards.test_commands import problem_with, words_of

RUNBOOKS = ROOT / "docs" / "runbooks"
MEMBER = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no {heading}"
    return found[1]


def members_in(text: str) -> set[str]:
    return {name for cell in MEMBER.findall(text) for name in re.findall(r"`(\w+)`", cell)}


def own_members(model: type[BaseModel], *bases: type[BaseModel]) -> set[str]:
    inherited: Iterable[str] = (name for base in bases for name in base.model_fields)
    shown = {name for name, field in model.model_fields.items() if not field.exclude}
    return shown - set(inherited)


@pytest.fixture(scope="module")
def events_page() -> str:
    return (ROOT / "docs" / "events.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_event_is_described_with_its_members(events_page: str, name: str) -> None:
    base = BookingEvent if issubclass(CATALOGUE[name], BookingEvent) else DomainEvent
    assert members_in(section(events_page, name)) == own_members(CATALOGUE[name], base)


def test_no_event_is_described_that_does_not_exist(events_page: str) -> None:
    described = set(re.findall(r"^## ((?:[A-Z][a-z]+){2,})$", events_page, re.MULTILINE))
    assert described == set(CATALOGUE)


def test_versions_on_the_page_of_events_are_those_of_the_code(events_page: str) -> None:
    assert {event.schema_version for event in CATALOGUE.values()} == {1}
    assert "All types are\nat schema version 1" in events_page


def test_what_all_events_hold_is_described(events_page: str) -> None:
    expected = {*DomainEvent.model_fields, *BookingEvent.model_fields}
    assert members_in(section(events_page, "What every event holds")) == expected


@pytest.mark.parametrize("model", [Booking, Attendee], ids=lambda model: model.__name__)
def test_the_state_in_an_event_is_described(events_page: str, model: type[BaseModel]) -> None:
    assert members_in(section(events_page, model.__name__)) == own_members(model)


@pytest.mark.parametrize("code", KINDS)
def test_each_issue_has_a_runbook(code: str) -> None:
    text = (RUNBOOKS / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code}\n\n{KINDS[code].severity.capitalize()}. ")
    assert len(section(text, "Meaning").split()) > 20
    assert re.search(r"^ {4,}bookinghub ", section(text, "What to do"), re.MULTILINE)


@pytest.mark.parametrize("code", KINDS)
def test_what_to_do_about_an_issue_is_a_command(code: str) -> None:
    program, _, arguments = KINDS[code].what_to_do.partition(" ")
    assert program == "bookinghub"
    assert problem_with(words_of(arguments)) is None


def test_runbooks_and_their_index_name_the_issues_there_are() -> None:
    assert {path.stem for path in RUNBOOKS.iterdir()} == set(KINDS)
    index = section((ROOT / "docs" / "README.md").read_text(encoding="utf-8"), "Runbooks")
    assert set(re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\)", index, re.MULTILINE)) == set(KINDS)


def test_json_schemas_are_current() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / FOLDER).iterdir()}
    assert kept == files(), "run make generate"


def test_json_schemas_are_schemas() -> None:
    for content in files().values():
        Draft202012Validator.check_schema(json.loads(content))


def package_of(name: str) -> str:
    """The folder of an adapter: a package stands for one outside system and may hold several adapters."""
    (entry,) = entry_points(group=GROUP, name=name)
    return entry.module.removeprefix("adapters.")


@pytest.mark.parametrize("name", known_types())
def test_each_adapter_loads_and_has_a_readme_in_the_list(name: str) -> None:
    adapter, package = load_adapter(name), package_of(name)
    assert adapter.name == name
    readme = (ROOT / "adapters" / package / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"# {package}\n")
    roles = [role for role, found in (("source", adapter.source), ("sink", adapter.sink)) if found]
    listed = section((ROOT / "README.md").read_text(encoding="utf-8"), "Adapters")
    row = f"| [{name}](adapters/{package}/README.md) | {' and '.join(roles)} |"
    assert row in listed, f"the README's list of adapters has no row for {name}"


def test_each_package_of_an_adapter_is_an_entry_point() -> None:
    packages = {path.parent.name for path in (ROOT / "adapters").glob("*/__init__.py")}
    assert packages - {SCAFFOLD.name} == {package_of(name) for name in known_types()}, (
        "pyproject.toml and the installation differ: run make setup"
    )


def test_the_changelog_names_what_exists() -> None:
    text = Path(ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    named = {*CATALOGUE, *known_types(), *KINDS, "HUB_EVENTS", "HUB_INBOX", "HUB_KEYS"}
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []
