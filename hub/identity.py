"""Which hub this is: several may share a store, each has a data directory of its own.

The name outlives the process, so that a hub that was killed finds at its next start what it left behind.
"""

from pathlib import Path
from uuid import uuid4

ID_FILE = "hub.id"


def hub_id(data_dir: Path) -> str:
    """The name of the hub of this data directory, whose lock the caller holds; made at its first start."""
    file = data_dir / ID_FILE
    try:
        known = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        known = ""
    if known:
        return known
    name = uuid4().hex[:12]
    beside = file.with_name(f"{ID_FILE}.new")
    beside.write_text(name + "\n", encoding="ascii")
    beside.replace(file)
    return name
