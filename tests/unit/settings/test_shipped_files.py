import shutil
from pathlib import Path

import pytest

from hub.errors import Problem
from hub.settings import Settings, load_settings

CONFIG = Path(__file__).parents[3] / "config"
INVENTED = {
    "MEETERGO_WEBHOOK_TOKEN": "an-invented-token-of-some-length",
    "MEETERGO_API_KEY": "rgo-an-invented-key",
    "BOOKINGHUB_NATS_PASSWORD": "invented",
    "BOOKINGHUB_DB_PASSWORD": "invented",
    "CALDAV_PASSWORD": "an-invented-password",
    "FEED_TOKEN": "an-invented-token-of-a-feed",
    "HUBSPOT_TOKEN": "pat-invented",
    "STRIPE_KEY": "rk_test_invented",
    "TEAM_CHAT_URL": "json://127.0.0.1/invented",
    "BACKEND_WEBHOOK_SECRET": "whsec_aW52ZW50ZWQtYnl0ZXMtb2YtYS1zZWNyZXQ=",
}


def complained(problem: Problem) -> str:
    return f"{problem.path}: {problem.message}"


def loaded(name: str, folder: Path) -> Settings:
    """A copy of the shipped file, so that nothing beside the original plays a part."""
    return load_settings([Path(shutil.copy(CONFIG / name, folder / name))], INVENTED)


def test_the_playground_needs_no_account_and_no_variable(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    settings = load_settings([Path(shutil.copy(CONFIG / "hub.yaml", folder))], {})
    assert [complained(warning) for warning in settings.warnings] == []
    assert settings.hub.data_dir == tmp_path / "data"
    assert settings.store.url == f"sqlite:///{tmp_path}/data/hub.db"
    assert settings.nats.mode == "embedded"
    source = settings.sources["meetergo"]
    assert (source.type, source.verify) == ("meetergo", "trust"), "a sample sent by hand gives its facts"
    assert [sink.type for sink in settings.sinks.values()] == ["google_calendar", "hubspot", "notify"]
    assert settings.simulator is not None
    assert set(settings.simulator.types) == {"meetergo", "google_calendar", "hubspot", "notify"}
    assert source.webhook is not None
    assert len(source.webhook.token.get_secret_value()) >= 32
    assert not (tmp_path / "data").exists()


def test_the_example_of_a_real_installation_loads(tmp_path: Path) -> None:
    (tmp_path / "google.json").write_text("{}")
    settings = loaded("live.example.yaml", tmp_path)
    assert [complained(warning) for warning in settings.warnings] == []
    calendar = settings.sinks["team-calendar"]
    assert (calendar.type, calendar.start) == ("google_calendar", "upcoming")
    assert calendar.config.calendar == "team@group.calendar.google.com"
    assert calendar.config.credentials.service_account_file == tmp_path / "google.json"
    crm = settings.sinks["crm"]
    assert (crm.type, crm.config.version, crm.config.contact.create) == ("hubspot", "2026-09", True)
    assert settings.sinks["crm-meetings"].config.meeting.outcomes.moved == "RESCHEDULED"
    rooms = settings.sinks["rooms"]
    assert (rooms.type, rooms.start) == ("resources", "upcoming")
    assert rooms.config.pools == {"room": ("Atelier", "Galerie"), "beamer": ("Beamer 1",)}
    webhook = settings.sources["meetergo"].webhook
    assert webhook is not None
    assert webhook.previous_token is None


def test_the_layer_for_containers_fits_on_the_playground() -> None:
    settings = load_settings([CONFIG / "hub.yaml", CONFIG / "docker.yaml"], INVENTED)
    assert [complained(warning) for warning in settings.warnings] == []
    assert settings.nats.mode == "foreign"
    assert settings.store.url.startswith("postgresql://")


@pytest.mark.parametrize("name", ["hub.yaml", "live.example.yaml"])
def test_no_secret_is_written_in_a_shipped_file(tmp_path: Path, name: str) -> None:
    warnings = loaded(name, tmp_path).warnings
    assert not [warning for warning in warnings if "written in the file" in warning.message]
