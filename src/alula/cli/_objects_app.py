"""``alula datasets``, ``models``, ``scripts`` and ``jobs``, as declared to people and shells."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ._completion import names

__all__ = ["STORES", "stores"]

STORES: Final = ("datasets", "models", "scripts", "jobs")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_Bucket = Annotated[str | None, typer.Option(help="The name space; that of the settings by default.")]
_Replace = Annotated[bool, typer.Option("--replace", help="Remove the versions that there are.")]
_Tag = Annotated[str | None, typer.Option(help="Another name of the new version.")]
_Runs = Annotated[int, typer.Option(min=1, help="How many at most.")]
_Notebook = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Of it.", show_default=False, autocompletion=names("jobs")),
]
_New = Annotated[str, typer.Argument(metavar="NAME", help="Under which it is stored.", show_default=False)]


def _run(command: str, *args: Any, **options: Any) -> None:
    """Import what the commands need when one is called, so that others are quick."""
    raise typer.Exit(getattr(import_module("._objects", __package__), command)(*args, **options))


def _jobs_run(command: str, *args: Any, **options: Any) -> None:
    raise typer.Exit(getattr(import_module("._jobs", __package__), command)(*args, **options))


def _store(kind: str, help_: str) -> typer.Typer:
    """Declare what can be done with each store."""
    app = typer.Typer(help=help_, no_args_is_help=True)
    known = names(kind)
    Name = Annotated[
        str, typer.Argument(metavar="NAME", help="Of the object.", show_default=False, autocompletion=known)
    ]

    @app.command("list")
    def list_(
        pattern: Annotated[str | None, typer.Argument(help="Of names, as in a shell: 'iris*'.")] = None,
        hidden: Annotated[bool, typer.Option("--hidden", help="Also names that begin with a dot.")] = False,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Show what there is."""
        _run("list_all", kind, pattern, hidden=hidden, bucket=bucket, as_json=json)

    @app.command()
    def metadata(name: Name, bucket: _Bucket = None, json: _Json = False) -> None:
        """Show what is known of an object, or of one version of it: NAME@TAG, NAME^."""
        _run("metadata", kind, name, bucket=bucket, as_json=json)

    @app.command()
    def versions(name: Name, bucket: _Bucket = None, json: _Json = False) -> None:
        """Show the versions of an object, the oldest first."""
        _run("versions", kind, name, bucket=bucket, as_json=json)

    @app.command()
    def get(
        name: Name,
        to: Annotated[
            Path | None, typer.Option(help="Write it to this file; its ending says in which form.")
        ] = None,
        limit: Annotated[int, typer.Option(min=1, help="Rows to show of a frame.")] = 20,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Show an object, or write it to a file."""
        _run("get", kind, name, to=to, limit=limit, bucket=bucket, as_json=json)

    @app.command()
    def drop(
        name: Name,
        force: Annotated[bool, typer.Option("--force", help="It is fine if there is none.")] = False,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Remove an object with all its versions, or all that match a pattern: 'iris*'."""
        _run("drop", kind, name, force=force, bucket=bucket, as_json=json)

    @app.command("export")
    def export(
        name: Name,
        file: Annotated[Path, typer.Argument(help="The archive to write.", show_default=False)],
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Write an object, or one version of it, to an archive for another store."""
        _run("export", kind, name, file, bucket=bucket, as_json=json)

    @app.command("import")
    def import_(
        file: Annotated[Path, typer.Argument(help="An archive.", show_default=False)],
        name: Annotated[str | None, typer.Argument(help="The one that it had, by default.")] = None,
        trust: Annotated[
            bool,
            typer.Option(
                "--trust", help="Take code that another key has signed: who made it may run anything."
            ),
        ] = False,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Store what an archive holds as a new version."""
        _run("import_archive", kind, file, name, trust=trust, bucket=bucket, as_json=json)

    return app


def _datasets() -> typer.Typer:
    app = _store("datasets", "Look at stored data, put and remove them.")

    @app.command()
    def put(
        source: Annotated[str, typer.Argument(help="A file: .csv, .parquet or .json.", show_default=False)],
        name: _New,
        replace: _Replace = False,
        append: Annotated[bool, typer.Option("--append", help="Add rows to those that are there.")] = False,
        csv: Annotated[
            list[str] | None, typer.Option(metavar="NAME=VALUE", help="For pandas' read_csv: --csv sep=;")
        ] = None,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Store a file as a dataset."""
        _run(
            "put_dataset",
            source,
            name,
            replace=replace,
            append=append,
            csv=csv or [],
            bucket=bucket,
            as_json=json,
        )

    return app


def _models() -> typer.Typer:
    app = _store("models", "Look at stored models, put and remove them.")

    @app.command()
    def put(
        source: Annotated[
            str,
            typer.Argument(
                metavar="MODULE.FUNCTION", help="It is called, and gives the model.", show_default=False
            ),
        ],
        name: _New,
        replace: _Replace = False,
        tag: _Tag = None,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Store what a function gives as a model; modules of the current folder can be named."""
        _run("put_model", source, name, replace=replace, tag=tag, bucket=bucket, as_json=json)

    return app


def _scripts() -> typer.Typer:
    app = _store("scripts", "Look at stored scripts, put and remove them.")

    @app.command()
    def put(
        source: Annotated[
            str,
            typer.Argument(
                help="A folder with a package, or an address: git+https://..., pypi://...", show_default=False
            ),
        ],
        name: _New,
        replace: _Replace = False,
        tag: _Tag = None,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Store a package as a script."""
        _run("put_script", source, name, replace=replace, tag=tag, bucket=bucket, as_json=json)

    return app


def _jobs() -> typer.Typer:
    app = _store("jobs", "Look at stored notebooks, put and remove them.")

    @app.command()
    def put(
        source: Annotated[
            str, typer.Argument(help="A notebook, or a file of Python code.", show_default=False)
        ],
        name: _New,
        replace: _Replace = False,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Store a notebook."""
        _run("put_job", source, name, replace=replace, bucket=bucket, as_json=json)

    @app.command()
    def schedule(
        name: _Notebook,
        when: Annotated[
            str | None,
            typer.Argument(metavar="[show|delete|TEXT]", help="What to do, or when: 'daily, at 06:00'."),
        ] = None,
        cron: Annotated[str | None, typer.Option(help="When, as a cron expression.")] = None,
        at: Annotated[str | None, typer.Option(help="Times of the day: 06:05,12:05.")] = None,
        minute: Annotated[str | None, typer.Option(help="As in cron.")] = None,
        hour: Annotated[str | None, typer.Option(help="As in cron.")] = None,
        weekday: Annotated[str | None, typer.Option(help="As in cron, or mon-fri.")] = None,
        monthday: Annotated[str | None, typer.Option(help="As in cron.")] = None,
        month: Annotated[str | None, typer.Option(help="As in cron.")] = None,
        following: Annotated[
            int, typer.Option("--next", min=0, help="How many of the next times to show.")
        ] = 3,
        bucket: _Bucket = None,
        json: _Json = False,
    ) -> None:
        """Show when a notebook runs by itself, or let it, or stop that."""
        parts = {
            "at": at,
            "minute": minute,
            "hour": hour,
            "weekday": weekday,
            "monthday": monthday,
            "month": month,
        }
        given = {part: value for part, value in parts.items() if value is not None}
        _jobs_run(
            "schedule", name, when, cron=cron, parts=given, following=following, bucket=bucket, as_json=json
        )

    @app.command()
    def status(name: _Notebook, limit: _Runs = 10, bucket: _Bucket = None, json: _Json = False) -> None:
        """Show the last runs of a notebook, and where their outputs are."""
        _jobs_run("status", name, limit=limit, bucket=bucket, as_json=json)

    return app


stores: Final = {"datasets": _datasets(), "models": _models(), "scripts": _scripts(), "jobs": _jobs()}
