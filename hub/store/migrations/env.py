"""Alembic's entry: brings the connection it is given, or `-x url=…` on the command line, to a version."""

from alembic import context
from sqlalchemy import Connection

from hub.store.database import Database
from hub.store.tables import Row


def run(connection: Connection) -> None:
    """Run the wanted migrations in the caller's transaction, or in one of their own."""
    context.configure(connection=connection, target_metadata=Row.metadata)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = Database.open(context.get_x_argument(as_dictionary=True)["url"])
    with database.write_engine.begin() as connection:
        run(connection)
    database.close()
