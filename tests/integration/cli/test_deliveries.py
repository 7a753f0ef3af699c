"""Acting on deliveries: what is asked first, and the flags that stand for the answer."""

from typing import Any

from sqlmodel import select

from hub.store import deliveries
from hub.store.deliveries import ASKS, DeliveryFilter
from hub.store.tables import DeliveryRow
from tests.integration.cli.served import bookinghub
from tests.integration.web.world import World


def dead(world: World, sink: str = "crm") -> None:
    def work(session: Any) -> None:
        for row in session.exec(select(DeliveryRow)).all():
            row.state = "dead" if row.sink == sink else "delivered"

    world.change(work)


def asking(world: World, sink: str = "crm") -> None:
    """What this sink has to do waits for a person to let it through; all else is done."""

    def work(session: Any) -> None:
        for row in session.exec(select(DeliveryRow)).all():
            row.state = "parked" if row.sink == sink else "delivered"
            row.error_class, row.error_message = ASKS, "49.00 EUR would go back"

    world.change(work)


def test_acting_on_many_asks_and_needs_a_flag_without_a_terminal(hub: World) -> None:
    hub.booking(provider_id="b1")
    dead(hub)
    ran = bookinghub("deliveries", "retry", "--sink", "crm")
    assert ran.code == 2
    assert "--yes" in ran.err
    ran = bookinghub("deliveries", "retry", "--sink", "crm", "--dry-run")
    assert ran.code == 0
    assert "crm: 1 dead" in ran.err
    ran = bookinghub("deliveries", "retry", "--sink", "crm", typed="n\n")
    assert (ran.code, "nothing was done" in ran.err) == (0, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"dead": 1}
    ran = bookinghub("deliveries", "retry", "--sink", "crm", typed="y\n")
    assert (ran.code, "1 delivery. Try these again?" in ran.err) == (0, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"pending": 1}


def test_letting_money_through_needs_the_number(hub: World) -> None:
    hub.booking(provider_id="b1")
    asking(hub)
    approve = ("deliveries", "approve", "--sink", "crm")
    ran = bookinghub(*approve, "--dry-run")
    assert (ran.code, "49.00 EUR would go back" in ran.out) == (0, True)
    ran = bookinghub(*approve, "--yes")
    assert (ran.code, "--confirm 1" in ran.err) == (2, True)
    ran = bookinghub(*approve, "--confirm", "2")
    assert (ran.code, "nothing was let through" in ran.err) == (2, True)
    ran = bookinghub(*approve, typed="y\n")
    assert (ran.code, "nothing was let through" in ran.err) == (2, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"parked": 1}
    ran = bookinghub(*approve, typed="1\n")
    assert (ran.code, "1 delivery. Type the number" in ran.err) == (0, True)
    assert hub.database.read_now(lambda s: deliveries.counts(s))["crm"] == {"pending": 1}
    ran = bookinghub(*approve, "--confirm", "1")
    assert (ran.code, "nothing matches" in ran.err) == (0, True)


def test_dropping_with_a_flag_does_not_ask(hub: World) -> None:
    hub.booking(provider_id="b1")
    dead(hub)
    event = hub.log.events[0].event_id
    ran = bookinghub("deliveries", "drop", event[:10], "--yes", "--reason", "gone", "--json")
    assert (ran.code, ran.json["count"]) == (0, 1)
    page = hub.database.read_now(lambda s: deliveries.listing(s, DeliveryFilter(sink="crm")))
    assert page.items[0].reason == "dropped by admin-test: gone"
    assert bookinghub("deliveries", "drop", "--sink", "crm").err == "nothing matches\n"
    assert bookinghub("deliveries", "drop").code == 2
    assert "delivered" in bookinghub("deliveries", "list").out
