"""``alula api``: the REST interface in the foreground."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from ..web import Access, Facts, serve
from ._folder import import_from_here
from ._terminal import out

__all__ = ["run"]


def run(
    rules: Sequence[str],
    *,
    host: str,
    port: int,
    file: Path | None,
    origins: Sequence[str],
    largest: int,
    home: Path | None,
    server: str,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    import_from_here()
    if home is not None:
        os.environ["ALULA_HOME"] = str(home.absolute())  # for tasks, too, wherever they run
    access = Access.load(rules, file=file)
    serve(access, host=host, port=port, origins=origins, largest=largest, server=server, ready=_say)


def _say(facts: Facts) -> None:
    asked = "asks for a token" if facts.secured else "asks for no token, and serves this machine alone"
    told = f"{facts.url}/api/v1 {asked}; {facts.url}/api/doc says what there is"
    out().print(Text.assemble((f"{'REST':<10}", "bold green"), told, overflow="fold"))
