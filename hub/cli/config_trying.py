"""`bookinghub config test`: which sinks of these files take a booking, before the files are in effect."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.address import config_files
from hub.cli.asking import opened, say
from hub.cli.commands import Call, command
from hub.cli.output import counted, print_json, print_table, short, text, to_stderr, to_stdout
from hub.cli.running import DONE, NO, usage
from hub.cli.why import MARKS
from hub.client import segment

if TYPE_CHECKING:
    from hub.settings import Settings
    from hub.settings.expectations import Expectation, Tried
    from hub.settings.routing import Route


def add_to(app: typer.Typer) -> None:
    """Declare the command."""
    command(app, "test")(try_routing)


def try_routing(
    call: Call,
    booking: Annotated[
        str | None, typer.Option("--booking", metavar="REF", help="A booking of the running hub.")
    ] = None,
    payload: Annotated[
        Path | None, typer.Option("--payload", metavar="FILE", help="A webhook's body.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Whose payload it is.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every booking of the running hub.")] = False,
    tests: Annotated[
        Path | None,
        typer.Option("--tests", metavar="FILE", help="Instead of tests.yaml beside the first file."),
    ] = None,
) -> int:
    """Say which sinks take a booking and why not; without arguments run tests.yaml, exit 3 if one fails."""
    if sum((booking is not None, payload is not None, everything, tests is not None)) > 1:
        raise usage("choose one of --booking, --payload, --all and --tests")
    if source is not None and payload is None:
        raise usage("--source belongs to --payload")
    settings = _settings(call)
    if payload is not None:
        return _of_payload(call, settings, payload, source)
    if booking is not None:
        return _of_booking(call, settings, booking)
    return _of_all(call, settings) if everything else _run(call, settings, tests)


def _settings(call: Call) -> "Settings":
    from hub.cli.config import load_files

    return load_files(config_files(call.config), as_json=call.json).settings


def _of_payload(call: Call, settings: "Settings", file: Path, source: str | None) -> int:
    from datetime import UTC, datetime

    from hub.settings.routing import UnreadablePayloadError, facets_of_payload, route

    try:
        facets = facets_of_payload(settings, file, source=source, now=datetime.now(UTC))
    except UnreadablePayloadError as error:
        raise usage(str(error)) from error
    _print_routes(call, None, route(settings, facets))
    return DONE


def _of_booking(call: Call, settings: "Settings", ref: str) -> int:
    from hub.settings.routing import facets_of_object, route

    with opened(call) as client:
        shown = client.get(f"/bookings/{segment(ref)}")
    _print_routes(call, shown["booking_id"], route(settings, facets_of_object(shown)))
    return DONE


def _of_all(call: Call, settings: "Settings") -> int:
    """One line per booking for programs; for people how many each sink takes, and what keeps others out."""
    from hub.settings.routing import facets_of_object, route

    total, taken, kept_out = 0, dict.fromkeys(_enabled(settings), 0), dict[tuple[str, str], int]()
    with opened(call) as client:
        for shown in client.items("/bookings", limit=None):
            routes = route(settings, facets_of_object(shown))
            total += 1
            if call.json:
                _print_routes(call, shown["booking_id"], routes)
            for sink, one in routes.items():
                taken[sink] += one.takes
                if one.reason is not None:
                    key = (sink, one.reason.split(" is ")[0])
                    kept_out[key] = kept_out.get(key, 0) + 1
    if not call.json:
        to_stdout(counted(total, "booking", "bookings"))
        for sink, count in taken.items():
            reasons = ", ".join(f"{n} by {key}" for (of, key), n in kept_out.items() if of == sink)
            to_stdout(f"  {sink}  takes {count}" + (f"; kept out: {reasons}" if reasons else ""))
    return DONE


def _run(call: Call, settings: "Settings", file: Path | None) -> int:
    from datetime import UTC, datetime

    from hub.settings.expectations import FILE, try_out

    file = file or config_files(call.config)[0].parent / FILE
    if not file.is_file():
        raise usage(f"{file} is not there; write one, or say --booking REF, --payload FILE or --all")
    now = datetime.now(UTC)
    expectations = _expectations(file, settings)
    tried = [
        try_out(test, settings, number=number, now=now) for number, test in enumerate(expectations, start=1)
    ]
    for one in tried:
        _print_tried(call, one)
    failed = sum(bool(one.surprises) for one in tried)
    say(call, f"{file}: {counted(len(tried), 'test', 'tests')}, {failed or 'none'} failed")
    return NO if failed else DONE


def _expectations(file: Path, settings: "Settings") -> "Sequence[Expectation]":
    from hub.errors import ConfigError
    from hub.settings.expectations import read_expectations

    try:
        return read_expectations(file, settings)
    except ConfigError as error:
        to_stderr(str(error))
        raise usage(f"{file} cannot be used") from error


def _print_routes(call: Call, booking_id: str | None, routes: "Mapping[str, Route]") -> None:
    if call.json:
        sinks = {name: {"takes": one.takes, "reason": one.reason} for name, one in routes.items()}
        print_json({"booking_id": booking_id, "sinks": sinks})
        return
    if booking_id is not None:
        to_stdout(f"booking {short(booking_id)}")
    print_table(
        ("", "", ""),
        [
            (name, MARKS["in_step" if one.takes else "not_matched"], one.reason or "")
            for name, one in routes.items()
        ],
    )


def _print_tried(call: Call, tried: "Tried") -> None:
    if call.json:
        reasons = {name: one.reason for name, one in tried.routes.items() if one.reason}
        print_json(
            {
                "name": tried.name,
                "ok": not tried.surprises,
                "taken": list(tried.taken),
                "reasons": reasons,
                "surprises": list(tried.surprises),
            }
        )
        return
    to_stdout(text(f"{'FAILED' if tried.surprises else 'ok    '}  {tried.name}"))
    for line in tried.surprises:
        to_stdout(text(f"          {line}"))


def _enabled(settings: "Settings") -> list[str]:
    return [name for name, sink in settings.sinks.items() if sink.enabled]
