"""`bookinghub config diff` and `bookinghub config reload`: the files beside what a running hub works by."""

import json
from typing import Any

import typer

from hub.cli.asking import confirm, opened, say
from hub.cli.commands import Call, command
from hub.cli.output import UNKNOWN, counted, print_json, text, to_stderr, to_stdout
from hub.cli.running import DONE
from hub.client import ApiError, HubClient

WIDEST = 60


def add_to(app: typer.Typer) -> None:
    """Declare the commands."""
    command(app, "diff")(diff)
    command(app, "reload", acting=True)(reload)


def diff(call: Call) -> None:
    """Show what the files set otherwise than it is in effect, and what a reload would do to the targets."""
    with opened(call) as client:
        _print(call, _asked(call, client, lambda: client.get("/config/diff")))


def reload(call: Call) -> int:
    """Take the files over without a restart; what that does to the targets is shown first."""
    with opened(call) as client:
        before = _asked(call, client, lambda: client.post("/config/reload", {"dry_run": True}))
        if call.dry_run or not call.json:
            _print(call, before)
        if call.dry_run:
            return DONE
        touched = sum(
            one["enter"] + one["leave"] + one["rewrite"] + one["stay_behind"] for one in before["effects"]
        )
        if touched and not confirm(call, f"{counted(touched, 'object', 'objects')} at targets. Reload?"):
            return DONE
        done = client.post("/config/reload", {"preview": before["preview"]})
    if call.json:
        print_json(done)
    say(call, "reloaded")
    return DONE


def _asked(call: Call, client: HubClient, ask: Any) -> dict[str, Any]:
    """The hub's answer; problems of the files are listed, each at its place."""
    try:
        found: dict[str, Any] = ask()
    except ApiError as error:
        places = [one for one in error.problem.get("errors", ()) if "file" in one]
        if not call.json:
            for one in places:
                where = f"{one['file']}:{one['line']}:{one['column']}"
                to_stderr(text(f"  {where}  {one['pointer']}  {one['detail']}"))
        raise
    return found


def _print(call: Call, found: dict[str, Any]) -> None:
    if call.json:
        print_json(found)
        return
    for change in found["changes"]:
        after = "" if change["applies"] == "reload" else "   (at the next start)"
        to_stdout(text(f"  {change['key']}  {_short(change['before'])} → {_short(change['after'])}{after}"))
    for effect in found["effects"]:
        to_stdout(text(effect["text"]))
    if not found["changes"] and not found["effects"]:
        to_stdout("the files say what is in effect")
    elif not found["effects"]:
        to_stdout("no target is touched")


def _short(value: Any) -> str:
    written = (
        UNKNOWN
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
    )
    return written if len(written) <= WIDEST else f"{written[: WIDEST - 1]}…"
