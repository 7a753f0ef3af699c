"""`why`: the story of one booking as people read it."""

from datetime import timedelta
from typing import Any

from sqlmodel import select

from hub.store import attempts, inbox
from hub.store.tables import AttemptRow, DeliveryRow
from tests.factories import ILSE, NOON, at, history, snapshot
from tests.integration.cli.served import bookinghub
from tests.integration.web.test_story import receipt
from tests.integration.web.world import World


def story(world: World) -> None:
    """A booking that moved, was delivered at the second try, and whose webhook came twice."""
    moved = NOON + timedelta(days=4)
    facts = history(
        snapshot(provider_id="6f1c2d3e-4b5a", attendees=[ILSE], version=at(0)),
        snapshot(provider_id="6f1c2d3e-4b5a", attendees=[ILSE], version=at(1)),
        snapshot(
            provider_id="6f1c2d3e-4b5a", attendees=[ILSE], version=at(60), start=moved, rescheduled_at=at(60)
        ),
    )
    envelopes = world.happened(facts, recorded_at=at(60.02))

    def fill(session: Any) -> None:
        inbox.insert(
            session,
            [
                receipt("r_8f2a0001", provider_id="6f1c2d3e-4b5a", received_at=at(60.01)),
                receipt("r_90c10002", provider_id="6f1c2d3e-4b5a", received_at=at(61), status="duplicate"),
            ],
        )
        for row in session.exec(select(DeliveryRow)).all():
            row.state = "delivered" if row.position == 3 else "covered"
            row.finished_at = at(60.2)
        last = envelopes[-1].event_id
        tries = [
            (1, "retry", "503 backendError", None),
            (2, "changed", None, "https://calendar.example/4k2f"),
        ]
        attempts.add(
            session,
            [
                AttemptRow(
                    sink="team-calendar", event_id=last, key="6f1c2d3e-4b5a", booking_id="6f1c2d3e-4b5a",
                    at=at(60.05 + number), number=number, outcome=outcome, message=message,
                    duration_seconds=0.18, url=url,
                )
                for number, outcome, message, url in tries
            ],
        )  # fmt: skip

    world.change(fill)


def test_why_tells_the_story(hub: World) -> None:
    story(hub)
    ran = bookinghub("why", "ilse")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "Erstgespräch: Ilse Brandvold with Mara Lindqvist        booking 6f1c2d3e, meetergo"
    assert lines[1] == (
        "active · Tue 27 Oct 2026 09:00\N{EN DASH}09:45 Europe/Berlin · moved once (was Fri 23 Oct 10:00)"
    )
    assert lines[2] == "in step   team-calendar ✓   crm ✓   team-chat ✓"
    assert lines[3] == ""
    told = [line for line in lines if line.startswith("12 Oct")]
    assert told[0].startswith("12 Oct 10:31:09.6  inbox          booking_created, receipt r_8f2a0001")
    assert told[0].endswith("accepted")
    moved = next(line for line in told if "BookingRescheduled" in line)
    assert "fact   #3" in moved
    assert "Fri 23 Oct 10:00 → Tue 27 Oct 09:00" in moved
    assert moved.endswith("webhook")
    assert "BookingDetailsChanged" not in ran.out
    assert any("retry: 503 backendError in 0.18 s" in line and line.endswith("attempt 1") for line in told)
    assert any(
        "changed in 0.18 s" in line and line.endswith("https://calendar.example/4k2f") for line in told
    )
    assert any("the same webhook again, receipt r_90c10002" in line for line in told)
    assert lines[-1] == "Nothing pending."
    times = [line[:18] for line in told]
    assert times == sorted(times)
    assert (
        len({line.index(word) for line in told for word in ("inbox", "fact ", "crm ") if word in line[:30]})
        == 1
    )


def test_why_says_what_is_pending(hub: World) -> None:
    hub.booking(provider_id="b1", attendees=[ILSE])
    ran = bookinghub("why", "b1")
    assert "Pending: crm pending, due" in ran.out
    assert "Nothing pending" not in ran.out
    assert set(bookinghub("why", "b1", "--json").json) == {
        "booking", "inbox", "events", "deliveries", "targets", "pending", "no_match",
    }  # fmt: skip
