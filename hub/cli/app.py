"""All commands together: the stand-alone ones, and one group per noun."""

from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from hub.cli import (
    adapters,
    apply,
    booking_acts,
    booking_questions,
    booking_range,
    bookings,
    config,
    config_running,
    config_trying,
    contacts,
    deliveries,
    events,
    inbox,
    issues,
    operations,
    plan,
    projections,
    rebuild,
    running_hub,
    sim,
    sinks,
    sources,
    status,
    tokens,
    why,
)
from hub.cli.running import usage

NOT_YET: Mapping[str, tuple[str, ...]] = {
    "": ("init", "doctor", "replay", "console"),
    "contacts": ("export", "forget"),
    "events": ("export", "import"),
    "operations": ("stop", "resume"),
    "issues": ("snooze",),
}  # fmt: skip
"""Commands that are planned: refused by name rather than as a typing error."""

NOUNS: Mapping[str, typer.Typer] = {
    "bookings": bookings.app,
    "contacts": contacts.app,
    "events": events.app,
    "inbox": inbox.app,
    "deliveries": deliveries.app,
    "sinks": sinks.app,
    "sources": sources.app,
    "projections": projections.app,
    "operations": operations.app,
    "issues": issues.app,
    "tokens": tokens.app,
    "config": config.app,
    "adapters": adapters.app,
    "sim": sim.app,
}


class Group(TyperGroup):
    """A group that knows what is planned."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        noun = "" if ctx.parent is None else str(self.name)
        if args and args[0] not in self.commands and args[0] in NOT_YET.get(noun, ()):
            raise usage(f"{ctx.command_path} {args[0]}: not yet", next=f"{ctx.command_path} --help")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="bookinghub",
    cls=Group,
    help="Keeps bookings true everywhere: what happened to a booking, and is everything in step?",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for alone in (running_hub, status, why, plan, apply, rebuild):
    alone.add_to(app)
for of_config in (config_trying, config_running):
    of_config.add_to(config.app)
for of_bookings in (booking_questions, booking_acts, booking_range):
    of_bookings.add_to(bookings.app)
for noun, commands in NOUNS.items():
    app.add_typer(commands, name=noun, cls=Group)
