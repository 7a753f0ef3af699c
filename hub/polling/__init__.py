"""Asking the sources' providers by schedule and on demand: polls, backfills, webhook registration."""
