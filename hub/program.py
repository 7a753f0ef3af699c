"""How this program was called, so that every command it prints can be pasted as it is."""

import os
import re
import shutil
import sys
from pathlib import Path

NAME = "bookinghub"

_COMMAND = re.compile(rf"(?<![\w./-]){NAME} (?=[a-z]|--)")


def program() -> str:
    """The name if the shell finds this program by it, else the path from the present folder."""
    called = Path(sys.argv[0])
    if called.name != NAME:
        return NAME
    found = shutil.which(NAME)
    if found is not None and Path(found).resolve() == called.resolve():
        return NAME
    relative = os.path.relpath(called)
    return str(called) if relative.startswith("..") else relative


def pasteable(text: str) -> str:
    """A sentence, or a command alone, with every command of this program as it can be pasted here."""
    return _COMMAND.sub(lambda _: f"{program()} ", text)
