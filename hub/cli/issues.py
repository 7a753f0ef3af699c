"""`bookinghub issues …`."""

from typing import Annotated, Any

import typer

from hub.cli.asking import opened, print_list, print_one
from hub.cli.commands import Call, command, new_app
from hub.cli.output import when
from hub.client import segment
from hub.program import pasteable

app = new_app("What needs a person.")


@command(app, "list", offline=True)
def list_issues(call: Call) -> None:
    """List what needs a person, critical things first."""
    print_list(call, "/issues", ("issue", "severity", "since", "meaning", "what to do"), row)


@command(app, "show", offline=True)
def show_issue(
    call: Call,
    id: Annotated[str, typer.Argument(metavar="ISSUE", help="Id, or its code if there is one only.")],
) -> None:
    """Show one issue."""
    with opened(call) as client:
        issue = client.get(f"/issues/{segment(id)}")
        shown = issue if call.json else issue | {"what_to_do": pasteable(issue["what_to_do"])}
        print_one(call, shown, client)


def row(issue: dict[str, Any], timezone: str) -> list[Any]:
    """A line of the table."""
    return [
        issue["issue_id"],
        issue["severity"],
        when(issue["since"], timezone),
        issue["meaning"],
        pasteable(issue["what_to_do"]),
    ]
