"""`plan` and `apply`: how they look, what they ask, what they send, and how they end."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from adapters.api import Observed, Receipt
from adapters.errors import TransientError
from hub.delivery.applying import Wanted
from hub.delivery.comparison import Comparison
from hub.delivery.errors import NotComparableError
from hub.delivery.plan import About, Desired, Held, Standing, Waiting, compare
from hub.delivery.previews import object_digest
from hub.store import operations, receipts
from hub.store.tables import DeliveryRow, TargetReceiptRow
from tests.integration.cli.served import bookinghub, serving
from tests.integration.web.world import NOW, World

AT = datetime(2026, 10, 29, 13, 0, tzinfo=UTC)
EDITED = datetime(2026, 10, 28, 7, 12, tzinfo=UTC)


def entry(key: str, title: str, person: str, start: datetime, **more: Any) -> Desired:
    fields = {"summary": title, "start": start.isoformat().replace("+00:00", "Z")}
    shown = {} if more.get("cancelled") else {"": fields}
    about = About(title, (person,), start, cancelled=bool(more.get("cancelled")))
    return Desired(key, 5, shown, booking_id=key, may_be_absent=not shown, about=about)


def there(desired: Desired, **changes: Any) -> Observed:
    fields = {"summary": desired.about.title, "start": "2026-10-28T08:00:00Z"} | desired.parts.get("", {})
    return Observed(
        key=desired.key,
        external_id=f"e-{desired.key}",
        fields=fields | changes,
        etag='"1"',
        url=f"https://calendar.example/{desired.key}",
        edited_by="mara@studio.example",
        edited_at=EDITED,
    )


class Calendars:
    """What the hub finds when it compares, and what it was told to do about it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fails: dict[str, Exception] = {}
        self.asked: list[Wanted] = []
        self.queries: list[tuple[str, frozenset[str] | None]] = []
        self.ends: tuple[str, list[dict[str, Any]]] = ("done", [])
        self.demo = entry("b-demo-1", "Demo", "Jon Ekdal", AT)
        self.first = entry("b-first-2", "Erstgespräch", "Ilse Brandvold", AT - timedelta(days=2, hours=4))
        self.gone = entry("b-gone-3", "Beratung", "Ada", AT + timedelta(hours=21), cancelled=True)
        self.right = entry("b-right-4", "Demo", "Bo", AT)
        self.waiting: dict[str, Waiting] = {}
        self.observed: list[Observed] = [
            there(self.first, start="2026-10-28T08:00:00Z"),
            there(self.gone),
            there(self.right),
        ]

    async def compare(self, sink: str, *, keys: frozenset[str] | None = None) -> Comparison:
        self.queries.append((sink, keys))
        if sink in self.fails:
            raise self.fails[sink]
        wanted = (self.demo, self.first, self.gone, self.right) if sink == "team-calendar" else ()
        held = {
            one.key: {"": Held(Receipt(external_id=f"e-{one.key}"), object_digest(one.parts.get("", {})))}
            for one in wanted
        }
        standing = Standing(5, True, {one.key: one for one in wanted}, held, self.waiting)
        items = compare(sink, standing, self.observed if wanted else ())
        return Comparison(sink, "Google Calendar", True, items, len(wanted), requests=3, seconds=1.94)

    async def apply(self, wanted: Wanted) -> str:
        """The operation has ended by the time anybody looks."""
        self.asked.append(wanted)
        state, left = self.ends
        asks = wanted.asks or ()

        def work(session: Any) -> str:
            row = operations.start(session, kind="apply", total=len(asks), now=NOW)
            detail = {"counts": {"done": len(asks) - len(left)}, "not_done": left, "errors": {}}
            operations.finish(session, row.operation_id, state=state, now=NOW, detail=detail)  # type: ignore[arg-type]
            return row.operation_id

        found: str = await self.world.database.write(work)
        return found


@pytest.fixture
def calendars(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendars]:
    made = Calendars(world)
    monkeypatch.setenv("BOOKINGHUB_TOKEN", world.token("operate"))
    with serving(world.using(compare=made.compare, apply=made.apply)) as url:
        monkeypatch.setenv("BOOKINGHUB_URL", url)
        yield made


def asked(calendars: Calendars) -> Sequence[tuple[str, str]]:
    (wanted,) = calendars.asked
    return [(ask.key, ask.action) for ask in wanted.asks or ()]


def test_a_plan_looks_as_promised(calendars: Calendars) -> None:
    ran = bookinghub("plan", "team-calendar")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "4 bookings compared with Google Calendar (3 requests, 1.9 s)",
        "  + create  Demo, Jon Ekdal, Thu 29 Oct 14:00             deleted by hand",
        "  ~ change  Erstgespräch, Ilse Brandvold                  "
        "edited by hand by mara@studio.example, 28 Oct 08:12",
        "              start  Wed 28 Oct 09:00 → Tue 27 Oct 10:00",
        "  - remove  Beratung (cancelled), Ada, Fri 30 Oct 11:00   entry outlived its booking",
        "1 to create, 1 to change, 1 to remove, 1 in step.    Next: bookinghub apply team-calendar",
    ]


def test_all_in_step_is_one_sentence(calendars: Calendars) -> None:
    calendars.observed = [there(calendars.demo), there(calendars.first), there(calendars.right)]
    ran = bookinghub("plan", "team-calendar", "--exit-code")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "All 4 in step.")


def test_json_is_one_item_per_line_and_the_counts_last(calendars: Calendars) -> None:
    ran = bookinghub("plan", "team-calendar", "--json", "--exit-code")
    assert ran.code == 3
    *items, last = ran.lines
    assert last["counts"] == {
        "create": 1, "change": 1, "remove": 1, "on_its_way": 0, "in_step": 1, "compared": 4,
    }  # fmt: skip
    assert [(item["booking_id"], item["action"], item["cause"]) for item in items] == [
        ("b-demo-1", "create", "deleted_by_hand"),
        ("b-first-2", "change", "edited_by_hand"),
        ("b-gone-3", "remove", "outlived"),
        ("b-right-4", "none", "in_step"),
    ]
    assert {"sink", "booking_id", "part", "action", "cause", "fields"} <= items[0].keys()
    assert items[1]["fields"] == [
        {"name": "start", "is": "2026-10-28T08:00:00Z", "wanted": "2026-10-27T09:00:00Z"}
    ]
    assert items[1]["edited_at"] == "2026-10-28T07:12:00Z"


def test_what_is_on_its_way_is_told_and_nothing_to_apply(calendars: Calendars) -> None:
    calendars.waiting = {"b-demo-1": "delivery_pending"}
    calendars.observed = [there(calendars.first), there(calendars.right)]
    ran = bookinghub("plan", "team-calendar")
    assert ran.out.splitlines()[1:] == [
        "  + create  Demo, Jon Ekdal, Thu 29 Oct 14:00   delivery on its way",
        "1 on the way, 3 in step.",
    ]
    assert bookinghub("plan", "team-calendar", "--exit-code").code == 3
    ran = bookinghub("apply", "team-calendar", "--yes")
    assert (ran.code, ran.err, calendars.asked) == (0, "nothing to do\n", [])


def test_without_a_name_every_mirror_is_compared(calendars: Calendars) -> None:
    ran = bookinghub("plan")
    assert ran.code == 0
    assert calendars.queries == [("team-calendar", None), ("crm", None)]
    assert "team-calendar: 4 bookings compared" in ran.out
    assert "crm: 0 bookings compared" in ran.out
    calendars.fails = {"crm": NotComparableError("crm cannot be read back")}
    ran = bookinghub("plan")
    assert (ran.code, ran.err) == (0, "crm: crm cannot be read back\n")
    assert bookinghub("plan", "team-calendar", "crm").code == 4
    calendars.fails = {"crm": TransientError("503 backendError")}
    assert bookinghub("plan").code == 4


def test_what_keeps_a_single_plan_from_being_made_is_its_error(calendars: Calendars) -> None:
    calendars.fails = {"crm": TransientError("503 backendError")}
    ran = bookinghub("plan", "crm")
    assert (ran.code, ran.out, ran.err) == (1, "", "503 backendError\n")
    assert json.loads(bookinghub("plan", "crm", "--json").err)["code"] == "target-unreachable"
    assert bookinghub("plan", "nobody").code == 1


def test_a_booking_is_found_by_its_ref(calendars: Calendars) -> None:
    calendars.world.booking(provider_id="b-demo-1")
    assert bookinghub("plan", "team-calendar", "--booking", "b-demo").code == 0
    assert calendars.queries[-1] == ("team-calendar", frozenset({"b-demo-1"}))
    bookinghub("plan", "crm", "--booking", "b-demo")
    (contacts,) = [keys for sink, keys in calendars.queries if sink == "crm"]
    assert contacts is not None
    assert contacts != frozenset({"b-demo-1"})
    assert len(contacts) == 1


def test_apply_shows_asks_and_does_exactly_what_was_shown(calendars: Calendars) -> None:
    ran = bookinghub("apply", "team-calendar", typed="n\n")
    assert (ran.code, calendars.asked) == (0, [])
    assert "1 to create, 1 to change, 1 to remove. Do this? [y/N]" in ran.err
    ran = bookinghub("apply", "team-calendar", typed="y\n")
    assert ran.code == 0
    assert "~ change  Erstgespräch, Ilse Brandvold" in ran.out
    assert "Next:" not in ran.out
    assert ran.err.splitlines()[-1] == "3 done of 3 objects"
    assert asked(calendars) == [("b-demo-1", "create"), ("b-first-2", "change"), ("b-gone-3", "remove")]


def test_apply_needs_a_terminal_or_yes(calendars: Calendars) -> None:
    ran = bookinghub("apply", "team-calendar")
    assert (ran.code, calendars.asked) == (2, [])
    assert "--yes" in ran.err
    ran = bookinghub("apply", "team-calendar", "--dry-run", "--json")
    assert (ran.code, calendars.asked) == (0, [])
    assert len(ran.lines) == 5


def test_what_was_not_done_is_named_and_the_code_says_so(calendars: Calendars) -> None:
    refused = {
        "sink": "team-calendar",
        "key": "b-first-2",
        "part": "",
        "external_id": "e-b-first-2",
        "action": "change",
        "result": "refused",
        "message": "the target has changed since",
    }
    calendars.ends = ("partly", [refused])
    ran = bookinghub("apply", "team-calendar", "--yes", "--json")
    assert ran.code == 4
    *told, last = ran.lines
    assert {one["key"]: one["result"] for one in told} == {
        "b-demo-1": "done",
        "b-first-2": "refused",
        "b-gone-3": "done",
    }
    assert last["counts"] == {"done": 2, "refused": 1, "failed": 0, "waiting": 0}
    people = bookinghub("apply", "team-calendar", "--yes")
    assert people.code == 4
    assert "refused: the target has changed since" in people.err
    calendars.ends = ("failed", [refused])
    calendars.observed = [there(calendars.demo), there(calendars.first, start="x"), there(calendars.right)]
    assert bookinghub("apply", "team-calendar", "--yes").code == 1


def test_a_plan_that_was_written_is_applied_as_it_was(calendars: Calendars, tmp_path: Path) -> None:
    file = tmp_path / "plan.jsonl"
    ran = bookinghub("plan", "--out", str(file), "--exit-code")
    assert ran.code == 3
    assert f"bookinghub apply {file}" in ran.err
    assert file.stat().st_mode & 0o777 == 0o600, "guests' data"
    calendars.observed = []
    queries = list(calendars.queries)
    ran = bookinghub("apply", str(file), "--yes")
    assert ran.code == 0
    assert calendars.queries == queries, "the hub compares again, not the command"
    assert asked(calendars) == [("b-demo-1", "create"), ("b-first-2", "change"), ("b-gone-3", "remove")]
    assert "1 to create, 1 to change, 1 to remove, 1 in step." in ran.out
    assert bookinghub("apply", str(file), "--booking", "b-demo").code == 2


@pytest.mark.parametrize(
    "content", ["", "no plan", '{"counts": {}}', "[]", '{"sink": "x"}\n{"counts": {}, "sinks": []}']
)
def test_a_file_that_is_no_plan_is_refused(calendars: Calendars, tmp_path: Path, content: str) -> None:
    file = tmp_path / "plan.jsonl"
    file.write_text(content)
    ran = bookinghub("apply", str(file), "--yes")
    assert (ran.code, calendars.asked) == (2, [])
    assert "plan" in ran.err
    assert bookinghub("apply", str(tmp_path / "none.jsonl")).code == 2


@pytest.mark.parametrize(
    ("line", "edit"),
    [
        (0, {"cause": None}),
        (0, {"action": "x"}),
        (0, {"part": 7}),
        (0, {"fields": 7}),
        (0, {"about": {}}),
        (0, {"edited_at": "x"}),
        (-1, {"sinks": [{"sink": "team-calendar", "counts": {}}]}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_plan_that_somebody_broke_is_refused(
    calendars: Calendars, tmp_path: Path, line: int, edit: dict[str, Any]
) -> None:
    file = tmp_path / "plan.jsonl"
    bookinghub("plan", "team-calendar", "--out", str(file))
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    lines[line] |= edit
    file.write_text("".join(json.dumps(one) + "\n" for one in lines))
    ran = bookinghub("apply", str(file), "--yes")
    assert (ran.code, calendars.asked) == (2, [])
    assert f"{file} is not a plan" in ran.err


def test_without_a_mirror_there_is_nothing_to_compare(calendars: Calendars) -> None:
    calendars.world.using(sink_kinds={"team-chat": "reactor"})
    with serving(calendars.world) as url:
        ran = bookinghub("plan", "--url", url, "--json")
    assert (ran.code, ran.err) == (0, "no sink keeps anything that could be compared\n")
    (last,) = ran.lines
    assert set(last["counts"].values()) == {0}


def test_why_leads_to_the_plan_of_a_booking_that_a_target_holds(calendars: Calendars) -> None:
    world = calendars.world
    world.booking(provider_id="b-demo-1")
    world.change(lambda session: [setattr(row, "state", "delivered") for row in _rows(session)] and None)
    assert bookinghub("why", "b-demo").out.splitlines()[-1] == "Nothing pending."
    held = TargetReceiptRow(sink="team-calendar", key="b-demo-1", part="", external_id="e1", updated_at=NOW)
    world.change(lambda session: receipts.put(session, held))
    last = bookinghub("why", "b-demo").out.splitlines()[-1]
    assert last == ("Nothing pending.  Compare with the targets now: bookinghub plan --booking b-demo-1")


def _rows(session: Any) -> list[DeliveryRow]:
    return list(session.exec(select(DeliveryRow)))
