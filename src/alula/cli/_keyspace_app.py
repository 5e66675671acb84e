"""The commands of ``alula keyspace``, as declared to people and shells."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["keyspace"]

keyspace = typer.Typer(help="Move the keys of a tensor server.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_HERE = "redis://127.0.0.1:6379"


@keyspace.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Where the commands go.", show_default=False)],
    source: Annotated[
        str,
        typer.Option("--from", help="A server's URL; or a keyspace.db, or a Redis' dump.rdb."),
    ] = _HERE,
    json: _Json = False,
) -> None:
    """Write the commands that make all keys again, as in a Redis' append-only file."""
    raise typer.Exit(import_module("._keyspace", __package__).export(source, file, as_json=json))


@keyspace.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="Commands; or a keyspace.db, or a Redis' dump.rdb.", show_default=False)
    ],
    url: Annotated[str, typer.Option("--to", help="The server's URL.")] = _HERE,
    json: _Json = False,
) -> None:
    """Send what a file holds to a server; keys that are there already are replaced."""
    raise typer.Exit(import_module("._keyspace", __package__).import_file(file, url, as_json=json))
