"""``alula serve``: the tensor server of a store, in the foreground."""

from pathlib import Path

from .._core._settings import Settings
from ..daemon import serve
from ._terminal import out

__all__ = ["run"]


def run(*, host: str, port: int, home: Path | None) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    console = out()
    serve(
        Settings.load(home=home),
        host=host,
        port=port,
        ready=lambda at: console.print(f"Listening on {host}:{at}", highlight=False),
    )
