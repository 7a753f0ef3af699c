"""`apply`: do what a plan shows, and only that."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, follow, opened
from hub.cli.commands import Call, command
from hub.cli.output import counted, print_json, to_stderr
from hub.cli.plan import Booking, Plan, compare, lines_of, mirrors_of, print_plans
from hub.cli.plan_lines import ACTIONS, ON_ITS_WAY, heading, item_lines, total
from hub.cli.running import DONE, FAILED, PARTLY, usage
from hub.client import HubClient

SHOWN = 20
AT_A_TIME = 2000
ASKED = ("sink", "key", "part", "action", "external_id", "observed")
RESULTS = ("done", "refused", "failed", "waiting")

Item = Mapping[str, Any]


def add_to(app: typer.Typer) -> None:
    """Declare the command."""
    command(app, "apply", acting=True)(apply)


def apply(
    call: Call,
    sinks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SINK]…|FILE", help="Sinks as in the YAML, or a plan that was written."),
    ] = None,
    booking: Booking = None,
) -> int:
    """Repair what differs at the targets: shows it, asks, and does exactly that."""
    file = _file(sinks or ())
    with opened(call) as client:
        mirrors = mirrors_of(client)
        if file is not None:
            plans, failed = _read(file, booking), False
        else:
            plans, failed = compare(client, sinks or mirrors, booking, named=bool(sinks))
        due = [item for items, _ in plans for item in items if is_due(item)]
        _show(call, plans, due, client.timezone)
        if call.dry_run or not due:
            return FAILED if failed else DONE
        if not confirm(call, f"{_effects(due)}. Do this?"):
            return DONE
        told = [one for some in _batches(due) for one in _do(call, client, some)]
        _print_told(call, told, client.timezone)
    return _code(told, failed=failed)


def is_due(item: Item) -> bool:
    """Whether there is anything to do about an item that is not being done already."""
    return item["action"] != "none" and item["cause"] not in ON_ITS_WAY


def _batches(due: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """As many items as one request may hold."""
    return (due[first : first + AT_A_TIME] for first in range(0, len(due), AT_A_TIME))


def _do(call: Call, client: HubClient, due: Sequence[Item]) -> list[dict[str, Any]]:
    """Have these items done; each with what became of it."""
    asked = [{name: item[name] for name in ASKED} for item in due]
    begun = client.post("/operations", {"kind": "apply", "items": asked})
    return _told(due, follow(call, client, begun, of="objects"))


def _file(named: Sequence[str]) -> Path | None:
    """The plan that is meant; a sink's name has neither dot nor slash in it."""
    if len(named) != 1:
        return None
    file = Path(named[0])
    if file.is_file():
        return file
    if "." in named[0] or "/" in named[0]:
        raise usage(f"there is no file {file}", next="bookinghub plan --out FILE")
    return None


def _read(file: Path, booking: str | None) -> list[Plan]:
    """A plan as it was written, by sink."""
    if booking is not None:
        raise usage("--booking does not go with a plan that was written; make one for that booking")
    try:
        *items, last = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
        plans = [([item for item in items if item["sink"] == end["sink"]], end) for end in last["sinks"]]
        whole = len(items) == sum(len(found) for found, _ in plans)
        whole = whole and all(set(ASKED) <= item.keys() for item in items)
        for found, end in plans:
            _check_shown(found, end)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise usage(f"{file} is not a plan", next="bookinghub plan --out FILE") from error
    if not whole:
        raise usage(f"{file} is not a whole plan", next="bookinghub plan --out FILE")
    return plans


def _check_shown(items: Sequence[Item], end: Mapping[str, Any]) -> None:
    """Raise what showing it would raise: a file may have been edited."""
    list(item_lines(items, "UTC"))
    heading(end, named=True)
    total(end["counts"])
    _effects([item for item in items if is_due(item)])


def _show(call: Call, plans: Sequence[Plan], due: Sequence[Item], timezone: str) -> None:
    """What would be done, before anything is."""
    if call.json:
        for line in lines_of(plans) if call.dry_run else ():
            print_json(line)
        return
    print_plans(plans, timezone, most=SHOWN, hints=False)
    if not due:
        to_stderr("nothing to do")


def _effects(due: Sequence[Item]) -> str:
    actions = [item["action"] for item in due]
    return ", ".join(f"{actions.count(action)} to {action}" for action in ACTIONS if action in actions)


def _told(due: Sequence[Item], ended: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every item with what became of it; the operation names those that are not done."""
    detail = ended["detail"]
    left = {_name(one): one for one in detail.get("not_done", ())}
    unknown = {"result": "failed", "message": detail.get("error") or f"the operation {ended['state']}"}
    whole = ended["state"] in ("done", "partly", "failed") and "counts" in detail
    told = []
    for item in due:
        result = left.get(_name(item), {"result": "done", "message": None} if whole else unknown)
        happened = {"result": result["result"], "message": result["message"]}
        told.append({**item, **happened, "operation_id": ended["operation_id"]})
    return told


def _name(item: Item) -> tuple[Any, ...]:
    return item["sink"], item["key"], item["part"], item["external_id"]


def _print_told(call: Call, told: Sequence[Item], timezone: str) -> None:
    counts = {result: sum(one["result"] == result for one in told) for result in RESULTS}
    if call.json:
        for one in told:
            print_json(one)
        print_json({"counts": counts})
        return
    for one in told:
        if one["result"] != "done":
            (line, *_) = item_lines([{**one, "fields": []}], timezone)
            reason = f": {one['message']}" if one["message"] else ""
            to_stderr(f"{line.strip()}  {one['result']}{reason}")
    parts = [f"{count} {result}" for result, count in counts.items() if count]
    to_stderr(f"{', '.join(parts)} of {counted(len(told), 'object', 'objects')}")


def _code(told: Sequence[Item], *, failed: bool) -> int:
    done = sum(one["result"] == "done" for one in told)
    if done == len(told):
        return PARTLY if failed else DONE
    waits = any(one["result"] == "waiting" for one in told)
    return PARTLY if done or waits else FAILED
