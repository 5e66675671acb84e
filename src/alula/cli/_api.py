"""``alula api``: the REST interface and the dashboard, in the foreground."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from ..daemon import inherited
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
    read_only: bool,
    home: Path | None,
    server: str,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    import_from_here()
    if home is not None:
        os.environ["ALULA_HOME"] = str(home.absolute())  # for tasks, too, wherever they run
    access, parent = Access.load(rules, file=file), inherited()

    def ready(facts: Facts) -> None:
        _say(facts)
        if parent is not None:
            parent.say_ready()
            parent.follow()

    serve(
        access,
        host=host,
        port=port,
        origins=origins,
        largest=largest,
        read_only=read_only,
        server=server,
        sockets=() if parent is None else parent.listening,
        ready=ready,
    )


def _say(facts: Facts) -> None:
    asked = "asks for a token" if facts.secured else "asks for no token, and serves this machine alone"
    told = f"{facts.url}/api/v1 {asked}; {facts.url}/api/doc says what there is, {facts.url} is for people"
    out().print(Text.assemble((f"{'REST':<10}", "bold green"), told, overflow="fold"))
