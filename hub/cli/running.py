"""From arguments to an exit code: every error becomes one readable line, or one problem for programs."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import typer

from hub.cli.output import to_stderr
from hub.client import ApiError, ClientError, UnreachableError
from hub.errors import (
    AlreadyRunningError,
    ConfigError,
    ForeignLogError,
    HubError,
    LogMissingError,
    StoreTooNewError,
)
from hub.program import pasteable

DONE, FAILED, USAGE, NO, PARTLY, NOT_REACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
_REFUSED = (ConfigError, AlreadyRunningError, ForeignLogError, LogMissingError, StoreTooNewError)
_CODES = {"invalid": USAGE, "ambiguous": USAGE, "unauthorised": NOT_REACHABLE, "forbidden": NOT_REACHABLE}


class CommandError(Exception):
    """Ends a command: what is wrong, what to do, and the exit code."""

    def __init__(self, detail: str, *, code: int, next: str | None = None, name: str = "failed") -> None:
        super().__init__(detail)
        self.detail, self.code, self.next, self.name = detail, code, next, name

    def problem(self) -> dict[str, Any]:
        """The same for programs, in the shape of the API's problems."""
        return {
            "type": f"urn:bookinghub:problem:{self.name}",
            "title": "The command failed",
            "status": None,
            "detail": self.detail,
            "code": self.name,
            "next": self.next,
            "request_id": None,
        }


def usage(detail: str, *, next: str | None = None) -> CommandError:
    """The command was called wrongly, or needs a confirmation."""
    return CommandError(detail, code=USAGE, next=next, name="invalid")


def run(arguments: list[str]) -> int:
    """Run one command line and return the exit code; never raises."""
    as_json = "--json" in arguments
    try:
        return _run(arguments, as_json=as_json)
    except BrokenPipeError:
        # Whoever read us has seen enough; the interpreter must not complain about the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        to_stderr("")
        return INTERRUPTED


def _run(arguments: list[str], *, as_json: bool) -> int:
    from hub.cli.app import app

    try:
        code = app(arguments or ["--help"], standalone_mode=False, prog_name="bookinghub")
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except CommandError as error:
        tell(error.problem(), as_json=as_json)
        return error.code
    except ApiError as error:
        tell(error.problem, as_json=as_json)
        return _CODES.get(error.code, FAILED)
    except ClientError as error:
        tell(error.problem, as_json=as_json)
        return NOT_REACHABLE if isinstance(error, UnreachableError) else FAILED
    except typer.TyperException as error:
        tell(_usage_problem(error).problem(), as_json=as_json)
        return error.exit_code
    except typer.Abort:
        to_stderr("")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        # Whoever typed a command gets a sentence, not a traceback.
        if os.environ.get("BOOKINGHUB_DEBUG"):
            raise
        unforeseen = _unforeseen(error)
        report = str(error) if isinstance(error, ConfigError) and error.problems else None
        tell(unforeseen.problem() | ({"report": report} if report else {}), as_json=as_json)
        return unforeseen.code


def tell(problem: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a problem on stderr: one object, or one line and what the reference may have meant.

    A `report` (every problem of a configuration, a line each) is printed as it is.
    """
    if as_json:
        to_stderr(json.dumps(problem, ensure_ascii=False))
        return
    to_stderr(problem.get("report") or _sentence(problem))
    for candidate in problem.get("candidates", ()):
        to_stderr("  " + "  ".join(_shown(value) for value in candidate.values() if value))


def _sentence(problem: Mapping[str, Any]) -> str:
    """What, where, what to do, in one line."""
    detail = " ".join(str(problem.get("detail") or problem.get("title")).split())
    next_command = problem.get("next")
    return pasteable(f"{detail}; try: {next_command}" if next_command else detail)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _usage_problem(error: typer.TyperException) -> CommandError:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "bookinghub")
    return usage(error.format_message().strip(), next=f"{path} --help")


def _unforeseen(error: Exception) -> CommandError:
    """What a command that runs here rather than in the hub may meet, or a defect."""
    if isinstance(error, (HubError, OSError)):
        return CommandError(str(error), code=USAGE if isinstance(error, _REFUSED) else FAILED)
    return CommandError(
        f"this is a defect of the command ({type(error).__name__}); BOOKINGHUB_DEBUG=1 shows where",
        code=FAILED,
        name="internal",
    )
