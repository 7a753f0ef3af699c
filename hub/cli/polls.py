"""`bookinghub sources …`: asking a source's provider."""

from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, follow, opened, print_one, say
from hub.cli.commands import Call, command
from hub.cli.operations import exit_code
from hub.cli.output import counted, print_json, to_stderr
from hub.cli.running import DONE
from hub.client import segment

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the YAML.")]


def add_to(app: typer.Typer) -> None:
    """Declare the commands."""
    command(app, "poll", acting=True)(poll)
    command(app, "backfill", selectors=(), acting=True)(backfill)
    command(app, "connect", acting=True)(connect)
    command(app, "disconnect", acting=True)(disconnect)


def poll(call: Call, name: Name) -> int:
    """Ask the provider now what changed."""
    if call.dry_run:
        return _tried(call, name, f"{name} would be asked what changed; nothing is written at the provider")
    return _followed(call, f"/sources/{segment(name)}/poll", {}, of="bookings")


def backfill(
    call: Call,
    name: Name,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="D", help="Meetings that begin then or later.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="D", help="Meetings that begin earlier.")] = None,
) -> int:
    """Read what there is at the provider, month by month; no reactor acts on what is found."""
    given = {key: value for key, value in (("from", begin), ("to", end)) if value}
    if call.dry_run:
        return _tried(call, name, f"the bookings of {name} would be read; nothing is written at the provider")
    return _followed(call, f"/sources/{segment(name)}/backfill", given, of="months")


def connect(call: Call, name: Name) -> None:
    """Enter the address of this source's door at the provider; safe to repeat."""
    with opened(call) as client:
        done = client.post(f"/sources/{segment(name)}/connect", {"dry_run": call.dry_run})
        print_one(call, done, client)
    would = "would be " if call.dry_run else ""
    say(
        call, f"{done['address']} {f'{would}entered' if done['made'] else 'stands'} at the provider of {name}"
    )
    if done["removed"]:
        say(call, f"{counted(done['removed'], 'former address', 'former addresses')} {would}taken out")


def disconnect(call: Call, name: Name) -> int:
    """Take our address out at the provider; what others have entered there stays."""
    path = f"/sources/{segment(name)}/disconnect"
    with opened(call) as client:
        shown = client.post(path, {"dry_run": True})
        found = counted(shown["removed"], "address of ours", "addresses of ours")
        if call.dry_run or not shown["removed"]:
            print_json(shown) if call.json else say(call, f"{found} at the provider of {name}")
            return DONE
        if not confirm(
            call, f"{found} at the provider of {name}: without it changes come by polls only. Go on?"
        ):
            return DONE
        print_one(call, client.post(path, {}), client)
    say(call, f"{name} is disconnected")
    return DONE


def _tried(call: Call, name: str, said: str) -> int:
    """What would be done, of a source that there is."""
    with opened(call) as client:
        source = client.get(f"/sources/{segment(name)}")
    if call.json:
        print_json({"source": source["name"], "dry_run": True})
    say(call, said)
    return DONE


def _followed(call: Call, path: str, body: dict[str, Any], *, of: str) -> int:
    with opened(call) as client:
        ended = follow(call, client, client.post(path, body), of=of)
    if call.json:
        print_json(ended)
    else:
        to_stderr(sentence(ended))
    return exit_code(ended)


def sentence(operation: dict[str, Any]) -> str:
    """What came of asking: `14 bookings, 37 facts`."""
    detail = operation["detail"]
    if "bookings" not in detail:
        return f"the {operation['kind']} {operation['state']}: {detail.get('error', 'no reason given')}"
    found = (
        f"{counted(detail['bookings'], 'booking', 'bookings')}, {counted(detail['facts'], 'fact', 'facts')}"
    )
    problems = detail.get("problems") or []
    return "; ".join([found, *map(str, problems)])
