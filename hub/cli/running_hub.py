"""`run`, `stop`, `version`."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.address import config_files, find_place, hub_process, is_alive
from hub.cli.asking import confirm, opened, say
from hub.cli.commands import Call, command
from hub.cli.output import print_json, to_stdout
from hub.cli.running import DONE, FAILED, CommandError, usage
from hub.client import UnreachableError, unreachable

STOP_SECONDS = 60
POLL_SECONDS = 0.1
ROLES = ("web", "work")


def add_to(app: typer.Typer) -> None:
    """Declare the commands."""
    command(app, "run")(run)
    command(app, "stop", acting=True)(stop)
    command(app, "version")(version)


def run(
    call: Call,
    roles: Annotated[str, typer.Option("--roles", metavar="R,…", help="web, work or both.")] = "web,work",
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Instead of http.listen.")
    ] = None,
    log_format: Annotated[str | None, typer.Option("--log-format", metavar="text|json")] = None,
) -> int:
    """Start the hub and stay until it is stopped."""
    named = [role.strip() for role in roles.split(",") if role.strip()]
    if not named or not set(named) <= set(ROLES):
        raise usage(f"--roles {roles}: write web, work or web,work")
    if log_format not in (None, "text", "json"):
        raise usage(f"--log-format {log_format}: write text or json")
    from hub.bootstrap import run_hub

    return run_hub(config_files(call.config), roles=named, listen=listen, log_format=log_format)


def stop(call: Call) -> int:
    """End the hub and wait until its process is gone."""
    process = None if call.url else hub_process(find_place(call.config).data_dir)
    if call.url is None and process is None:
        raise unreachable(f"no hub runs on {find_place(call.config).data_dir}")
    with opened(call) as client:
        if not call.dry_run and not _confirmed(call):
            return DONE
        begun = client.post("/stop", {"dry_run": call.dry_run})
        if call.json:
            print_json(begun)
        if call.dry_run:
            say(call, f"would stop the hub at {begun['url']} (process {begun['pid']})")
            return DONE
        waited = 0.0
        while waited < STOP_SECONDS:
            if _is_gone(process[0]) if process else not _answers(call):
                say(call, "stopped")
                return DONE
            client.pause(POLL_SECONDS)
            waited += POLL_SECONDS
    raise CommandError(
        f"the hub has not ended within {STOP_SECONDS} s", code=FAILED, next="bookinghub status"
    )


def version(call: Call) -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    number = installed("bookinghub")
    if call.json:
        print_json({"version": number})
    else:
        to_stdout(f"bookinghub {number}")


def _confirmed(call: Call) -> bool:
    """Another machine's hub is stopped only if that was meant."""
    return call.url is None or confirm(call, f"Stop the hub at {call.url}?")


def _answers(call: Call) -> bool:
    try:
        with opened(call) as client:
            client.get("/status")
    except UnreachableError:
        return False
    return True


def _is_gone(pid: int) -> bool:
    """Whether the process has ended; one that only waits for its parent to notice has."""
    if not is_alive(pid):
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[:1] == ["Z"]
