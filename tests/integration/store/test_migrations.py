"""A store is brought to the newest version, once, and never backwards."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from hub.errors import StoreTooNewError
from hub.store.database import Database
from hub.store.migrate import migrate
from hub.store.tables import Row


@pytest.fixture
def empty(empty_url):
    database = Database.open(empty_url)
    yield database
    database.close()


def differences(database):
    with database.write_engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Row.metadata)


def test_migrated_store_has_exactly_the_tables_of_the_code(empty):
    assert differences(empty)
    migrate(empty)
    assert differences(empty) == []


def test_migrating_again_changes_nothing(empty):
    migrate(empty)
    migrate(empty)
    assert differences(empty) == []


def test_hubs_starting_together_migrate_once(empty_url):
    databases = [Database.open(empty_url) for _ in range(4)]
    errors = []

    def start(database):
        try:
            migrate(database)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=start, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert differences(databases[0]) == []
    for database in databases:
        database.close()


def test_store_of_a_newer_hub_is_refused_and_left_alone(empty):
    migrate(empty)
    with empty.write_engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNewError, match="9999"):
        migrate(empty)
    with empty.write_engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_failed_migration_leaves_nothing_behind(empty):
    with empty.write_engine.begin() as connection:
        connection.execute(text("CREATE TABLE unconfirmed (x INTEGER)"))
    with pytest.raises(Exception, match="unconfirmed"):
        migrate(empty)
    with empty.write_engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["unconfirmed"]
