"""``alula keyspace``: each command calls one function of `alula.server` and says what came of it."""

import json
from pathlib import Path

from ..server import export_keys, import_keys
from ._terminal import err, out, working

__all__ = ["export", "import_file"]


def export(source: str, file: Path, *, as_json: bool) -> int:
    """Write keys into a file; give the status."""
    with working(f"writing {file}"):
        keys = export_keys(source, file)
    if as_json:
        print(json.dumps({"keys": keys, "file": str(file)}, indent=2))
    else:
        _say(f"{keys} keys are in {file}")
    return 0


def import_file(file: Path, url: str, *, as_json: bool) -> int:
    """Send the commands of a file; give the status, 1 if one was refused."""
    with working(f"sending {file}"):
        moved = import_keys(file, url)
    if as_json:
        print(json.dumps({"commands": moved.commands, "refused": [*moved.refused]}, indent=2))
        return 1 if moved.refused else 0
    for line in moved.refused:
        err().print(f"refused: {line}", markup=False, highlight=False, soft_wrap=True)
    _say(f"{moved.commands} commands were carried out, {len(moved.refused)} were refused")
    return 1 if moved.refused else 0


def _say(text: str) -> None:
    out().print(text, markup=False, highlight=False, soft_wrap=True)
