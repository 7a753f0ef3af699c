"""`bookinghub sim …`: what people do at the simulated provider, and what breaks at simulated systems."""

from typing import Annotated, Any

import typer

from hub.cli.asking import confirm, opened, say
from hub.cli.commands import Call, command, new_app
from hub.cli.output import print_json, short
from hub.cli.running import DONE, usage

app = new_app("The playground: act at the simulated provider, break and heal simulated systems.")

Ref = Annotated[
    str | None, typer.Argument(metavar="[REF]", help="Any REF of a booking; none: one that fits.")
]
Start = Annotated[str | None, typer.Option("--to", metavar="T", help="When; tomorrow if it is left out.")]
Guest = Annotated[str | None, typer.Option("--attendee", metavar="A", help="Id, mail or name part.")]
Target = Annotated[str, typer.Argument(metavar="TARGET", help="A sink or source, or its adapter type.")]


@command(app, "book", acting=True)
def book(
    call: Call,
    name: Annotated[
        str | None, typer.Option("--name", help="Who; one of the regular guests if left out.")
    ] = None,
    email: Annotated[str | None, typer.Option("--email", help="Their mail address.")] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="T", help="When; tomorrow if left out.")
    ] = None,
    meeting_type: Annotated[str | None, typer.Option("--meeting-type", help="Id or slug.")] = None,
) -> int:
    """Book a meeting, as a guest does."""
    return _play(call, "book", name=name, email=email, start=start, meeting_type=meeting_type)


@command(app, "move", acting=True)
def move(call: Call, ref: Ref = None, to: Start = None) -> int:
    """Move a meeting."""
    return _play(call, "move", booking=ref, start=to)


@command(app, "cancel", acting=True)
def cancel(
    call: Call,
    ref: Ref = None,
    attendee: Guest = None,
    reason: Annotated[str | None, typer.Option("--reason", help="What the guest reads.")] = None,
) -> int:
    """Cancel a meeting, or the part of one guest in it."""
    return _play(call, "cancel", booking=ref, attendee=attendee, reason=reason)


@command(app, "no-show", acting=True)
def no_show(
    call: Call,
    ref: Ref = None,
    attendee: Guest = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the mark back.")] = False,
) -> int:
    """Mark a guest as not having come; no webhook says so."""
    return _play(call, "no-show", booking=ref, attendee=attendee, undo=undo)


@command(app, "break", acting=True)
def break_down(
    call: Call,
    target: Target,
    status: Annotated[int | None, typer.Option("--status", help="What it answers; 503 if left out.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="K", help="status, lost-reply, disconnect or html.")
    ] = None,
    times: Annotated[int | None, typer.Option("--times", metavar="N", help="For so many calls.")] = None,
    webhooks: Annotated[
        str | None, typer.Option("--webhooks", metavar="HOW", help="lost, doubled, late or reordered.")
    ] = None,
) -> int:
    """Have a simulated system fail, until it is healed."""
    if webhooks is not None and (status, kind, times) != (None, None, None):
        raise usage("--webhooks stands alone: it is about what the provider posts, not about its API")
    return _play(call, "break", target=target, status=status, kind=kind, times=times, webhooks=webhooks)


@command(app, "heal", acting=True)
def heal(
    call: Call,
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="As with break; none: everything.")
    ] = None,
) -> int:
    """Switch off what goes wrong."""
    return _play(call, "heal", target=target)


@command(app, "reset", acting=True)
def reset(call: Call) -> int:
    """Put all simulated systems back to their first day; what the hub knows stays."""
    if not call.dry_run and not confirm(call, "Everything the simulated systems hold is replaced. Go on?"):
        return DONE
    return _play(call, "reset")


def _play(call: Call, act: str, **asked: Any) -> int:
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    with opened(call) as client:
        played = client.post(f"/sim/{act}", given | {"dry_run": call.dry_run})
    if call.json:
        print_json(played)
    else:
        say(call, _told(played))
    return DONE


def _told(played: dict[str, Any]) -> str:
    would = "would be asked" if played["dry_run"] else "done"
    done = played["done"]
    about = f": {short(done['id'])}, {done['start']}" if done.get("id") else ""
    return f"{played['act']} at {played['target']} {would}{about}"
