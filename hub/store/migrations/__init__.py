"""Alembic's environment; `hub.store.migrate` runs it."""
