"""All that is kept under a sink's name goes along with it, or goes with it."""

from datetime import timedelta

from hub.store import renaming, sinks
from hub.store.statements import table_of
from hub.store.tables import AttemptRow, DeliveryRow, Row, SinkRow, TargetReceiptRow
from tests.integration.store.rows import NOW, delivery


def filled(session, name):
    sinks.see(session, name, type="x", start_position=0, now=NOW)
    rows = [delivery("b1", 1), delivery("b2", 2)]
    for row in rows:
        row.sink, row.changed_at = name, NOW
    session.add_all(rows)
    session.add(TargetReceiptRow(sink=name, key="b1", part="", external_id="x", position=1, updated_at=NOW))
    session.add(
        AttemptRow(
            sink=name, event_id="e", key="b1", booking_id="b1", at=NOW + timedelta(0), number=1, outcome="x"
        )
    )


def names(session, model):
    return sorted(session.connection().scalars(table_of(model).select().with_only_columns(column(model))))


def column(model):
    table = table_of(model)
    return table.c.sink if "sink" in table.c else table.c.name


def test_every_table_that_names_a_sink_is_thought_of():
    with_sinks = {
        mapper.class_ for mapper in Row._sa_registry.mappers if "sink" in table_of(mapper.class_).columns
    }
    assert with_sinks == set(renaming.NAMED)


def test_a_new_name_has_everything_and_the_old_one_nothing(database):
    database.write_now(lambda session: filled(session, "old"))
    assert database.write_now(lambda session: renaming.carry_over(session, old="old", new="new"))
    assert not database.write_now(lambda session: renaming.carry_over(session, old="old", new="new"))
    for model in (SinkRow, DeliveryRow, AttemptRow, TargetReceiptRow):
        assert set(database.read_now(lambda session, model=model: names(session, model))) == {"new"}


def test_a_sink_is_forgotten_piece_by_piece_and_others_stay(database, monkeypatch):
    monkeypatch.setattr(renaming, "ROWS_AT_ONCE", 1)
    database.write_now(lambda session: filled(session, "old"))
    database.write_now(lambda session: filled(session, "kept"))
    pieces = 0
    while database.write_now(lambda session: renaming.forget_some(session, "old")):
        pieces += 1
    assert pieces == 5
    for model in (SinkRow, DeliveryRow, AttemptRow, TargetReceiptRow):
        assert set(database.read_now(lambda session, model=model: names(session, model))) == {"kept"}
