"""`bookinghub adapters …`: what is installed, a new one, and proof that one keeps its promises."""

import sys
from typing import Annotated, Any

import typer

from hub.cli.commands import Call, command, new_app
from hub.cli.output import print_json, print_members, print_table, to_stderr, to_stdout
from hub.cli.running import DONE, NO, CommandError, usage

app = new_app("Outside systems this hub can read from and write to.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Adapter type, such as google_calendar.")]


@command(app, "list")
def list_adapters(call: Call) -> None:
    """List the installed adapter types."""
    from adapters.registry import known_types

    shown = [_shown(name) for name in known_types()]
    if call.json:
        for one in shown:
            print_json(one)
        return
    print_table(
        ("adapter", "what", "stand-in", "summary"),
        (
            (a["name"], ", ".join(a["contracts"]), "yes" if a["stand_in"] else "no", a["summary"])
            for a in shown
        ),
    )


@command(app, "show")
def show_adapter(call: Call, name: Name) -> None:
    """Show one adapter type and the settings it takes."""
    shown = _shown(_known(name))
    if call.json:
        print_json(shown)
        return
    print_members({key: value for key, value in shown.items() if key != "settings"}, timezone="UTC")
    for contract, settings in shown["settings"].items():
        to_stdout(f"\nsettings of the {contract}, under config:")
        print_table(
            ("", "", ""),
            ((s["name"], "needed" if s["required"] else "", s["meaning"]) for s in settings),
            indent="  ",
        )


@command(app, "new")
def new_adapter(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case, such as relay or team_board.")],
) -> None:
    """Write a working adapter with config, sink, mapping, stand-in, test and README."""
    from adapters.scaffolding import ScaffoldError, write_adapter

    try:
        written = write_adapter(name)
    except ScaffoldError as error:
        raise usage(str(error)) from error
    if call.json:
        for path in written:
            print_json({"path": path})
        return
    for path in written:
        to_stdout(f"  {path}")
    to_stdout("Next: make setup, then: bookinghub adapters certify " + name)


@command(app, "certify")
def certify_adapters(
    call: Call,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="None: all that have a stand-in.")
    ] = None,
    kills: Annotated[int, typer.Option("--kills", min=0, help="Workers to kill per adapter.")] = 50,
    seed: Annotated[int, typer.Option("--seed", help="The same seed repeats the same storm.")] = 1,
) -> int:
    """Break adapters against their stand-ins: kills, lost replies, every refusal; exit 3 if one fails."""
    from adapters.registry import certifiable
    from adapters.testing_certify import Subject, certify

    passed = True
    for name in names or certifiable():
        try:
            subject = Subject(*_loaded(name))
            certificate = certify(subject, kills=kills, seed=seed, told=_progress(name, quiet=call.json))
        except TypeError as error:
            raise CommandError(str(error), code=NO, name="not-certifiable") from error
        _print_certificate(certificate, as_json=call.json)
        passed = passed and certificate.passed
    return DONE if passed else NO


def _loaded(name: str) -> tuple[Any, Any]:
    from adapters import registry

    _known(name)
    if name in registry.known_other_sides():
        return registry.load_adapter(name), registry.load_other_side(name)
    if name not in registry.known_simulators():
        raise CommandError(
            f"{name} has no stand-in to be tried on",
            code=NO,
            next="bookinghub adapters list",
            name="no-stand-in",
        )
    return registry.load_adapter(name), registry.load_simulator(name)


def _known(name: str) -> str:
    from adapters.registry import known_types

    if name not in known_types():
        raise usage(f"{name} is no installed adapter type", next="bookinghub adapters list")
    return name


def _shown(name: str) -> dict[str, Any]:
    from adapters.api import ContactMirror, Reactor
    from adapters.registry import known_other_sides, known_simulators, load_adapter

    adapter = load_adapter(name)
    settings, contracts = {}, []
    if adapter.source_config is not None:
        contracts.append("source")
        settings["source"] = _settings(adapter.source_config)
    if adapter.sink is not None and adapter.sink_config is not None:
        kinds = ((Reactor, "reactor"), (ContactMirror, "contact mirror"))
        kind = next(
            (word for contract, word in kinds if issubclass(adapter.sink, contract)), "booking mirror"
        )
        contracts.append(kind)
        settings[kind] = _settings(adapter.sink_config)
    return {
        "name": name,
        "summary": adapter.summary,
        "contracts": contracts,
        "stand_in": name in (*known_simulators(), *known_other_sides()),
        "settings": settings,
    }


def _settings(config: Any) -> list[dict[str, Any]]:
    return [
        {"name": field, "required": info.is_required(), "meaning": info.description or ""}
        for field, info in config.model_fields.items()
    ]


def _progress(name: str, *, quiet: bool) -> Any:
    if quiet or not sys.stderr.isatty():
        return lambda _: None
    return lambda line: sys.stderr.write(f"\r\x1b[K{name}: {line[:70]}")


def _print_certificate(certificate: Any, *, as_json: bool) -> None:
    storm = certificate.storm
    if as_json:
        print_json(
            {
                "adapter": certificate.adapter,
                "passed": certificate.passed,
                "cases": [
                    {"name": c.name, "outcome": c.outcome, "detail": c.detail} for c in certificate.cases
                ],
                "kills": dict(sorted(storm.kills.items())),
                "faults": dict(sorted(storm.faults.items())),
                "uncertain": storm.uncertain,
                "problems": storm.problems,
                "seed": certificate.seed,
                "duration_seconds": round(certificate.seconds, 1),
            }
        )
        return
    if sys.stderr.isatty():
        to_stderr("\r\x1b[K")
    to_stdout(certificate.adapter)
    print_table(("", "", ""), ((c.outcome, c.name, c.detail) for c in certificate.cases), indent="  ")
    to_stdout(f"  {storm.killed} workers killed in {storm.rounds} rounds, seed {certificate.seed}:")
    print_table(("", ""), ((count, where) for where, count in storm.kills.most_common()), indent="    ")
    faults = ", ".join(f"{count} x {what}" for what, count in sorted(storm.faults.items()))
    to_stdout(f"  and meanwhile: {faults or 'nothing else'}")
    if storm.uncertain:
        to_stdout(
            f"  left to a person, since the outcome was unknown and may not be repeated: {storm.uncertain}"
        )
    for problem in storm.problems:
        to_stdout(f"  {problem}")
    to_stdout("  certified" if certificate.passed else "  not certified")
