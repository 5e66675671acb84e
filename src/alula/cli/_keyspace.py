"""``alula keyspace``: each command calls one function of `alula.server` and says what came of it."""

from pathlib import Path

from ..server import export_keys, import_keys
from ._terminal import err, out

__all__ = ["export", "import_file"]


def export(source: str, file: Path) -> int:
    """Write keys into a file; give the status."""
    _say(f"{export_keys(source, file)} keys are in {file}")
    return 0


def import_file(file: Path, url: str) -> int:
    """Send the commands of a file; give the status, 1 if one was refused."""
    moved = import_keys(file, url)
    for line in moved.refused:
        err().print(f"refused: {line}", markup=False, highlight=False, soft_wrap=True)
    _say(f"{moved.commands} commands were carried out, {len(moved.refused)} were refused")
    return 1 if moved.refused else 0


def _say(text: str) -> None:
    out().print(text, markup=False, highlight=False, soft_wrap=True)
