"""Writes what is generated from the settings models: `make generate` runs this module.

A guard test compares the files with what would be written now.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from hub.settings.instances import INSTALLED, Adapters
from hub.settings.nodes import dotted
from hub.settings.not_yet import NOT_YET
from hub.settings.reference import Key, all_keys, fields
from hub.settings.schema import schema

SCHEMA_FILE = Path("config/hub.schema.json")
REFERENCE_FILE = Path("docs/reference/configuration.md")

_INTRODUCTION = """\
# Configuration reference

Generated from the settings models by `make generate`; edit those.
`bookinghub config explain KEY` says the same of one key, with its value in effect and where that comes from.
A change takes effect by `bookinghub config reload`, which tells first what it does to the targets; that of
`hub.data_dir` and of all keys of `http`, `nats`, `store` and `logging` when the hub is started again.

**Values** are the text that stands in the file; the kind of the key decides what it means, so `22:00`, `no`
and `+49…` need no quotes. A duration is a number with `ms`, `s`, `m`, `h` or `d`; a rate is a number per `s`,
`m` or `h`, such as `8/s`. A relative path counts from the file it stands in. An absent key, or one without a
value, has its default.

**References** are replaced inside values after the file was parsed: `${VAR}`, `${VAR:-default}`,
`${VAR:?why}`, `${file:PATH}` (the content of a file), `${generated:NAME}` (a secret the hub makes once and
keeps in `secrets.json` in its data folder) and `$$` for a dollar sign. Variables come from the environment
and, behind it, from `hub.env` beside the first file.

**Several files** (`--config A --config B`) lie on top of each other: maps merge, everything else is replaced,
and `null` removes a key.
"""

_TEMPLATES = """\
## Fields of templates

`{field}` is replaced by its value, `{field:format}` formats a time (`date`, `time`, `datetime` or such as
`%d.%m.%Y %H:%M`), `{a|b|'text'}` takes the first that is not empty, `{{` and `}}` are braces. A template has
to stand in quotes, since YAML takes `{` for a map. Texts about a booking name the fields without a prefix;
those with `event.` are for messages as well, those with `contact.` for what is kept of a contact alone.
"""


def schema_text(adapters: Adapters = INSTALLED) -> str:
    """The content of `config/hub.schema.json`."""
    return json.dumps(schema(adapters), indent=2, ensure_ascii=False) + "\n"


def reference_text(adapters: Adapters = INSTALLED) -> str:
    """The content of `docs/reference/configuration.md`."""
    return "\n".join(_sections(adapters))


def _sections(adapters: Adapters) -> Iterator[str]:
    keys = all_keys(adapters)
    general = keys.pop(("", ""))
    yield _INTRODUCTION
    for top in (key for key in general if len(key.path) == 1):
        yield f"## `{dotted(top.path)}`: {top.meaning}\n"
        yield _table(key for key in general if key.path[0] == top.path[0])
    for (role, type_name), own in keys.items():
        yield f"## `{role}.<name>.config` with `type: {type_name}`\n"
        yield f"{adapters.load(type_name).summary}\n"
        yield _table(own) if own else "It has no keys of its own.\n"
    yield "## Not yet available\n"
    yield "These keys are refused, since nothing would follow from them.\n"
    yield "\n".join(f"- `{_named(path)}`: {rule.explanation}" for path, rule in NOT_YET.items()) + "\n"
    yield _TEMPLATES
    yield "| field | holds |\n|---|---|"
    yield "\n".join(f"| `{name}` | {meaning} |" for name, meaning in fields().items()) + "\n"


def _table(keys: Iterable[Key]) -> str:
    rows = [_row(key) for key in keys if not key.section]
    return "\n".join(("| key | kind | default | meaning |", "|---|---|---|---|", *rows)) + "\n"


def _row(key: Key) -> str:
    default = "required" if key.required else "" if key.default is None else f"`{_written(key.default)}`"
    cells = (f"`{_named(key.path)}`", key.kind, default, key.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _written(value: object) -> str:
    return value.replace("\n", "\\n") if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _named(path: Iterable[str | int]) -> str:
    return ".".join("<name>" if step == "*" else str(step) for step in path)


def write(root: Path) -> None:
    """Write both files below the repository's root."""
    for file, text in ((SCHEMA_FILE, schema_text()), (REFERENCE_FILE, reference_text())):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path.cwd())
