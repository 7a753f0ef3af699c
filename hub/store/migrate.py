"""Brings a store to the version this code expects."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hub.errors import StoreTooNewError
from hub.store.database import Database
from hub.store.failures import store_error


def migrate(database: Database) -> None:
    """Bring the database to the newest version, or raise StoreTooNewError if it is past that.

    Everything is one transaction, and those that write exclude each other, so of several hubs that
    start together one migrates and the others find it done. Blocks.
    """
    try:
        with database.write_engine.begin() as connection:
            _upgrade(connection, location=database.location)
    except DBAPIError as error:
        raise store_error(error, database.location) from error


def _upgrade(connection: Connection, *, location: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == scripts.get_current_head():
        return
    if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreTooNewError(
            f"the store ({location}) has version {present}, made by a newer bookinghub: "
            "run that one, or use another store"
        )
    command.upgrade(config, "head")
