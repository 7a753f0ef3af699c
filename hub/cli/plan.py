"""`plan`: what would have to be done to bring the targets into step?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.asking import opened
from hub.cli.commands import Call, command
from hub.cli.output import print_json, to_stderr, to_stdout
from hub.cli.plan_lines import ACTIONS, heading, item_lines, summed, total
from hub.cli.running import DONE, FAILED, NO, PARTLY
from hub.client import ApiError, HubClient, segment, unreachable
from hub.program import pasteable

Sinks = Annotated[list[str] | None, typer.Argument(metavar="[SINK]…", help="As in the YAML; absent: all.")]
Booking = Annotated[str | None, typer.Option("--booking", metavar="REF", help="Of this booking only.")]

Plan = tuple[list[dict[str, Any]], dict[str, Any]]


def add_to(app: typer.Typer) -> None:
    """Declare the command."""
    command(app, "plan")(plan)


def plan(
    call: Call,
    sinks: Sinks = None,
    booking: Booking = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the plan there, to be applied later.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 3 if anything differs.")] = False,
) -> int:
    """Compare targets with what is wanted there now; changes nothing."""
    with opened(call) as client:
        mirrors = mirrors_of(client)
        plans, failed = compare(client, sinks or mirrors, booking, named=bool(sinks))
        if not (sinks or mirrors):
            to_stderr("no sink keeps anything that could be compared")
        if call.json:
            for line in lines_of(plans):
                print_json(line)
        else:
            print_plans(plans, client.timezone)
    if out is not None:
        _write(out, plans)
    if failed:
        return PARTLY if plans else FAILED
    differs = any(item["action"] != "none" for items, _ in plans for item in items)
    return NO if exit_code and differs else DONE


def compare(
    client: HubClient, sinks: Sequence[str], booking: str | None, *, named: bool
) -> tuple[list[Plan], bool]:
    """The plans of these sinks, and whether any could not be made.

    Of several one that cannot be compared is told and keeps the others from nothing; it is no failure
    unless somebody named it.
    """
    query = [("booking", booking)] if booking else []
    plans: list[Plan] = []
    failed = False
    for name in dict.fromkeys(sinks):
        try:
            plans.append(_plan(client, name, query))
        except ApiError as error:
            if len(sinks) == 1:
                raise
            failed = failed or named or error.code != "not-supported"
            to_stderr(f"{name}: {error}")
    return plans, failed or (not plans and bool(sinks))


def mirrors_of(client: HubClient) -> list[str]:
    """The sinks that keep something which can be compared."""
    sinks = client.get("/sinks")["items"]
    return [sink["name"] for sink in sinks if sink["kind"] in ("booking", "contact")]


def print_plans(plans: Sequence[Plan], timezone: str, *, most: int | None = None, hints: bool = True) -> None:
    """What differs, for people; at most so many items of each sink."""
    for items, end in plans:
        to_stdout(heading(end, named=len(plans) > 1))
        different = [item for item in items if item["action"] != "none"]
        for line in item_lines(different[:most], timezone):
            to_stdout(line)
        if most is not None and len(different) > most:
            to_stdout(f"    … and {len(different) - most} more")
        to_stdout(total(end["counts"]) + (_next(end) if hints else ""))


def lines_of(plans: Sequence[Plan]) -> list[dict[str, Any]]:
    """A plan as programs get it and files hold it: an item a line, the counts in the last one."""
    ends = [end for _, end in plans]
    return [*(item for items, _ in plans for item in items), {"counts": summed(ends), "sinks": ends}]


def _plan(client: HubClient, name: str, query: Sequence[tuple[str, str]]) -> Plan:
    found = list(client.lines(f"/sinks/{segment(name)}/plan", query))
    if not found or "counts" not in found[-1]:
        raise unreachable("the plan broke off")
    return found[:-1], found[-1]


def _next(end: dict[str, Any]) -> str:
    counts = end["counts"]
    if not any(counts[action] for action in ACTIONS):
        return ""
    command = f"bookinghub apply {end['sink']}"
    return f"    Next: {pasteable(command)}"


def _write(file: Path, plans: Sequence[Plan]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines_of(plans))
    # Guests' data: readable to the owner only, also where a file of that name was there before.
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(text, encoding="utf-8")
    to_stderr(f"written to {file}; do it with: {pasteable(f'bookinghub apply {file}')}")
