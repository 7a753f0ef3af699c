"""`status`: is everything in step?"""

from typing import Annotated, Any

import typer

from hub.cli.asking import opened
from hub.cli.commands import Call, command
from hub.cli.output import UNKNOWN, counted, print_json, print_table, to_stdout, when
from hub.cli.running import DONE, NO
from hub.program import pasteable

WATCH_SECONDS = 2.0


def add_to(app: typer.Typer) -> None:
    """Declare the command."""
    command(app, "status", offline=True)(status)


def status(
    call: Call,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 unless the state is ok.")] = False,
) -> int:
    """Show how the hub stands: log, inbox, projections, sources and sinks."""
    with opened(call) as client:
        while True:
            shown = client.get("/status")
            if call.json:
                print_json(shown)
            else:
                print_status(shown, client.timezone)
            if not watch:
                return NO if exit_code and shown["state"] != "ok" else DONE
            client.pause(WATCH_SECONDS)


def print_status(shown: dict[str, Any], timezone: str) -> None:
    """The status for people: one sentence, then a table."""
    to_stdout(f"{shown['state']}  {headline(shown)}")
    log, inbox = shown["log"], shown["inbox"]
    rows: list[list[Any]] = [
        [
            "log",
            log["mode"],
            f"position {_number(log['last_position'])}",
            f"{_number(log['events'])} events",
            _disk(log),
        ],
        [
            "inbox",
            "",
            f"waiting {_number(inbox['waiting'])}",
            f"dirty {_number(inbox['dirty'])}",
            _door(inbox),
        ],
    ]
    for name, source in shown["sources"].items():
        facts = f"{source['facts_by_webhook']} facts by webhook"
        rows.append(
            [
                "source",
                name,
                source["state"],
                facts,
                f"last webhook {when(source['last_webhook_at'], timezone)}",
            ]
        )
    if shown["projections"]:
        first = next(iter(shown["projections"].values()))
        rows.append(
            [
                "projections",
                "",
                f"position {first['position']}",
                _lag(first),
                f"generation {first['generation']}",
            ]
        )
    for name, sink in shown["sinks"].items():
        rows.append(["sink", name, sink["state"], _lag(sink), _troubles(sink)])
    print_table([""] * 5, rows)
    issues = shown["issues"]
    if issues["critical"] or issues["warning"]:
        parts = f"{issues['critical']} critical, {issues['warning']} warning"
        to_stdout(f"{parts}: {pasteable('bookinghub issues list')}")


def headline(shown: dict[str, Any]) -> str:
    """Whether everything answered so far is done."""
    inbox = shown["inbox"]
    if shown["log"]["last_position"] is None or inbox["waiting"] is None:
        return "the event log does not answer"
    waiting = inbox["waiting"] + inbox["dirty"]
    lag = max((projection["lag_events"] or 0 for projection in shown["projections"].values()), default=0)
    behind = [name for name, sink in shown["sinks"].items() if sink["lag_events"] or sink["out_of_step"]]
    if waiting or lag:
        return f"{counted(waiting, 'receipt', 'receipts')} and {counted(lag, 'event', 'events')} on their way"
    if behind:
        return f"not in step: {', '.join(behind)}"
    return "everything is in step"


def _lag(shown: dict[str, Any]) -> str:
    if shown["lag_events"] is None:
        return f"lag {UNKNOWN}"
    return f"lag {shown['lag_events']} events, {shown['lag_seconds']:g} s"


def _troubles(sink: dict[str, Any]) -> str:
    names = ("out_of_step", "parked", "dead", "uncertain")
    found = [f"{sink[name]} {name.replace('_', ' ')}" for name in names if sink[name]]
    return ", ".join(found) or "in step"


def _door(inbox: dict[str, Any]) -> str:
    return f"quarantined {_number(inbox['quarantined'])}, unconfirmed {_number(inbox['unconfirmed'])}"


def _disk(log: dict[str, Any]) -> str:
    durability = {True: "durable", False: "not durable", None: "durability unknown"}[log["durable"]]
    return f"{durability}, diverged" if log["diverged_at"] else durability


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)
