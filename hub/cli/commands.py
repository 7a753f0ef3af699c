"""How a command is declared: its own parameters, and those every command shares, put in here once.

A command is a function of a `Call`; `command` adds `--config`, `--url`, `--json`, `--yes` after it and,
where asked for, selectors, paging, `--offline` and `--dry-run`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_LIMIT = 50

Act = Callable[..., int | None]

_HELP = {
    "from": "Meetings that begin then or later.",
    "to": "Meetings that begin earlier; a date includes its day.",
    "since": "Recorded then or later: 2h, a date, RFC 3339.",
    "until": "Recorded earlier; a date includes its day.",
    "booking": "Of this booking: any REF.",
    "contact": "Of this contact: id, mail, phone or name part.",
    "sink": "Of this sink.",
    "source": "Of this source.",
    "type": "Of this type.",
    "host": "With this host: id, mail or name.",
    "meeting_type": "Of this meeting type: id, slug or name, * for anything.",
    "state": "In this state.",
    "event": "Of this event.",
}


@dataclass(frozen=True, slots=True)
class Call:
    """What was said beside a command's own parameters."""

    config: tuple[Path, ...] = ()
    url: str | None = None
    json: bool = False
    yes: bool = False
    offline: bool = False
    dry_run: bool = False
    selectors: Sequence[tuple[str, str]] = field(default=())
    limit: int | None = DEFAULT_LIMIT
    cursor: str | None = None


def new_app(help: str) -> typer.Typer:
    """The commands of one noun."""
    return typer.Typer(help=help, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


def command(
    app: typer.Typer,
    name: str,
    *,
    selectors: Sequence[str] = (),
    listing: bool = False,
    offline: bool = False,
    acting: bool = False,
) -> Callable[[Act], Act]:
    """Declare a command of this app; the function's first parameter is the call."""

    def declare(act: Act) -> Act:
        own = list(inspect.signature(act, eval_str=True).parameters.values())[1:]
        shared = _shared(selectors, listing=listing, offline=offline, acting=acting)
        parameters = sorted([*own, *shared], key=lambda one: one.default is not inspect.Parameter.empty)

        @wraps(act)
        def called(**given: Any) -> int | None:
            mine = {one.name: given[one.name] for one in own}
            return act(_call(given, selectors), **mine)

        del called.__wrapped__  # typer would read the signature behind it
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        app.command(name)(called)
        return act

    return declare


def _call(given: Mapping[str, Any], selectors: Sequence[str]) -> Call:
    pairs = [(name, value) for name in selectors for value in given[f"by_{name}"] or ()]
    return Call(
        config=tuple(given["config"] or ()),
        url=given["url"],
        json=given["as_json"],
        yes=given["yes"],
        offline=given.get("offline", False),
        dry_run=given.get("dry_run", False),
        selectors=pairs,
        limit=None if given.get("everything") else given.get("limit", DEFAULT_LIMIT),
        cursor=given.get("cursor"),
    )


def _shared(
    selectors: Sequence[str], *, listing: bool, offline: bool, acting: bool
) -> list[inspect.Parameter]:
    found = [_many(f"by_{name}", f"--{name.replace('_', '-')}", _HELP[name]) for name in selectors]
    if listing:
        found += [
            _one("limit", int, DEFAULT_LIMIT, "--limit", "At most so many.", min=1),
            _one("everything", bool, False, "--all", "All of them."),
            _one("cursor", str | None, None, "--cursor", "Read on from where a list was cut."),
        ]
    if offline:
        found.append(_one("offline", bool, False, "--offline", "Read the data directory; no hub may run."))
    if acting:
        found.append(_one("dry_run", bool, False, "--dry-run", "Show what would be done, and do nothing."))
    return [
        *found,
        inspect.Parameter(
            "config",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                list[Path] | None, typer.Option("--config", metavar="FILE", help="Configuration, repeatable.")
            ],
        ),
        _one("url", str | None, None, "--url", "Address of the hub.", envvar="BOOKINGHUB_URL"),
        _one("as_json", bool, False, "--json", "Print JSON only."),
        _one("yes", bool, False, "--yes", "Do not ask."),
    ]


def _many(name: str, option: str, help: str) -> inspect.Parameter:
    return _one(name, list[str] | None, None, option, help)


def _one(name: str, kind: Any, default: Any, option: str, help: str, **more: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, typer.Option(option, help=help, **more)],
    )
