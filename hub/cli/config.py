"""`bookinghub config …`: what the configuration says, without a running hub and without touching anything."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from hub.cli.address import DEFAULT_FILE, config_files
from hub.program import pasteable

if TYPE_CHECKING:
    from hub.errors import ConfigError, Problem
    from hub.settings import Configuration
    from hub.settings.explain import Explanation

BAD_CONFIGURATION = 2

Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--config", metavar="FILE", help=f"Configuration file, repeatable. [default: {DEFAULT_FILE}]"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON only.")]
Url = Annotated[str | None, typer.Option("--url", hidden=True)]
Yes = Annotated[bool, typer.Option("--yes", hidden=True)]

app = typer.Typer(
    name="config",
    help="Check, show and explain the configuration.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def check(
    files: Files = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    yes: Yes = False,
) -> None:
    """Report every problem of the configuration; nothing is started or written."""
    from hub.errors import ConfigError
    from hub.settings import load_settings
    from hub.settings.report import config_error

    named = _named(files)
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    try:
        warnings = load_settings(named, os.environ).warnings
        if strict and warnings:
            raise config_error(warnings, named)
    except ConfigError as error:
        problems = error.problems
        if not as_json:
            _refuse(error, named, as_json=False)
    if as_json:
        _print_json(
            {
                "ok": not problems,
                "files": [str(file) for file in named],
                "problems": [_problem(problem) for problem in problems],
                "warnings": [_problem(problem) for problem in warnings],
            }
        )
        raise typer.Exit(BAD_CONFIGURATION if problems else 0)
    _print_sound(named, warnings)


@app.command()
def show(files: Files = None, as_json: AsJson = False, url: Url = None, yes: Yes = False) -> None:
    """Print the configuration in effect, defaults included, secrets masked."""
    from ruamel.yaml import YAML

    from hub.settings.display import effective

    configuration = load_files(_named(files), as_json=as_json)
    content = effective(configuration.settings, configuration.root)
    if as_json:
        _print_json(content)
        return
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel.yaml types it as None
    yaml.allow_unicode = True
    yaml.width = 4096
    yaml.dump(content, sys.stdout)


@app.command()
def explain(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Such as http.listen or sinks.crm.retry.first.")],
    files: Files = None,
    as_json: AsJson = False,
    url: Url = None,
    yes: Yes = False,
) -> None:
    """Say what a key means, what it is set to and where, and what applies a change."""
    from dataclasses import asdict

    from hub.settings.explain import UnknownKeyError
    from hub.settings.explain import explain as explain_key

    configuration = load_files(_named(files), as_json=as_json)
    try:
        explanation = explain_key(configuration, key)
    except UnknownKeyError as error:
        _fail(str(error), next_command="bookinghub config schema", as_json=as_json)
    if as_json:
        _print_json(asdict(explanation))
    else:
        _print_explanation(explanation)


@app.command()
def fields(files: Files = None, as_json: AsJson = False, url: Url = None, yes: Yes = False) -> None:
    """List the fields a template may name."""
    from hub.settings.reference import fields as template_fields

    known = template_fields()
    width = max(map(len, known))
    for name, meaning in known.items():
        if as_json:
            _print_json({"field": name, "meaning": meaning})
        else:
            typer.echo(f"{name:<{width}}  {meaning}")


@app.command()
def schema(files: Files = None, as_json: AsJson = False, url: Url = None, yes: Yes = False) -> None:
    """Print the JSON Schema of a configuration file."""
    from hub.settings.schema import schema as json_schema

    if as_json:
        _print_json(json_schema())
    else:
        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def _named(files: Sequence[Path] | None) -> list[Path]:
    return config_files(files or ())


def load_files(files: Sequence[Path], *, as_json: bool) -> "Configuration":
    from hub.errors import ConfigError
    from hub.settings import load

    try:
        return load(files, os.environ)
    except ConfigError as error:
        _refuse(error, files, as_json=as_json)


def _refuse(error: "ConfigError", files: Sequence[Path], *, as_json: bool) -> NoReturn:
    """Print every problem and stop with the exit code of a bad configuration."""
    from hub.settings.report import check_command

    if not as_json:
        typer.echo(pasteable(str(error)), err=True)
        raise typer.Exit(BAD_CONFIGURATION)
    errors = [
        {"pointer": problem.path, "detail": problem.message, **_problem(problem)}
        for problem in error.problems
    ]
    _fail("the configuration cannot be used", next_command=check_command(files), as_json=True, errors=errors)


def _fail(detail: str, *, next_command: str, as_json: bool, errors: Sequence[Any] = ()) -> NoReturn:
    if as_json:
        problem = {
            "code": "invalid",
            "status": 422,
            "title": "Invalid",
            "detail": detail,
            "errors": list(errors),
        }
        typer.echo(json.dumps({**problem, "next": next_command}), err=True)
    else:
        typer.echo(detail, err=True)
    raise typer.Exit(BAD_CONFIGURATION)


def _problem(problem: "Problem") -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
    }


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, ensure_ascii=False))


def _print_sound(files: Sequence[Path], warnings: Sequence["Problem"]) -> None:
    from hub.settings.report import format_problems

    if warnings:
        typer.echo(format_problems(warnings, noun="warning"))
    typer.echo(f"{', '.join(map(str, files))}: no problems")


def _print_explanation(explanation: "Explanation") -> None:
    def written(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    typer.echo(explanation.key)
    if explanation.meaning:
        typer.echo(f"  {explanation.meaning}")
    rows = {"kind": explanation.kind}
    if explanation.origin is not None:
        if not explanation.keys:
            rows["value"] = written(explanation.value)
        rows["origin"] = explanation.origin
    if explanation.default is not None:
        rows["default"] = written(explanation.default)
    if explanation.keys:
        rows["keys"] = ", ".join(explanation.keys)
    rows["applies"] = f"after a {explanation.applies}"
    for name, text in rows.items():
        typer.echo(f"  {name:<8}  {text}")
