"""The commands, as declared to people and shells."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.text import Text

from .._core._version import VERSION
from ..errors import AlulaError
from ._keyspace_app import keyspace
from ._objects_app import stores
from ._runtime_app import runtime
from ._serve_app import serve
from ._terminal import err
from ._workflow_app import workflow

__all__ = ["app", "main", "redis_server"]

_TRACEBACK: Final = "ALULA_TRACEBACK"

_Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label", help="What this executor can do; may be given several times. \\[default: default]"
    ),
]
_Cpus = Annotated[
    int | None,
    typer.Option(
        "--num-cpus",
        "--concurrency",
        min=1,
        help="Cores that its tasks may hold together; all by default.",
    ),
]
_Name = Annotated[str | None, typer.Option(help="Of the executor; alula@HOST by default.")]
_Home = Annotated[Path | None, typer.Option(help="Folder of the store; that of the settings by default.")]
_Host = Annotated[str, typer.Option(help="Address to listen on.")]
_Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")]
_Server = Annotated[
    str,
    typer.Option(
        envvar="ALULA_SERVER", help="The tensor server that the dashboard shows, with its password if any."
    ),
]
_ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Let nobody change anything over HTTP, whatever the rules allow.")
]

app = typer.Typer(
    name="alula",
    help="One graph of tasks over values, some volatile and some durable.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(workflow, name="workflow")
app.add_typer(runtime, name="runtime")
for _name_of_store, _store in stores.items():
    app.add_typer(_store, name=_name_of_store)
app.add_typer(keyspace, name="keyspace")
app.command()(serve)


def _load(command: str) -> Any:
    """Import what a command needs when it is called, so that ``alula --version`` is quick."""
    return import_module(f".{command}", __package__)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"alula {VERSION}")
        raise typer.Exit


@app.callback()
def alula(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One graph of tasks over values, some volatile and some durable."""


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Say what is installed, what is missing, and how to get it."""
    commands = _load("_doctor")
    raise typer.Exit(commands.show(commands.examine(), as_json=json))


@app.command()
def worker(label: _Labels = None, num_cpus: _Cpus = None, name: _Name = None, home: _Home = None) -> None:
    """Run what waits in the queue, until Ctrl-C: workflows and tasks outlive who submitted them."""
    _load("_up").run_worker(labels=label or [], num_cpus=num_cpus, name=name, home=home)


@app.command()
def up(
    label: _Labels = None,
    num_cpus: _Cpus = None,
    name: _Name = None,
    home: _Home = None,
    server: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Also serve tensors and models over RESP.")
    ] = True,
    host: _Host = "127.0.0.1",
    port: _Port = 6379,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port for Prometheus and /healthz.")
    ] = None,
    supervise: Annotated[bool, typer.Option(help="Start the server again when it has crashed.")] = True,
    web: Annotated[bool, typer.Option("--web/--no-web", help="Also serve the dashboard and REST.")] = True,
    host_web: Annotated[str, typer.Option(help="Address of the dashboard.")] = "127.0.0.1",
    port_web: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the dashboard; 0 takes any free one.")
    ] = 8265,
    read_only: _ReadOnly = False,
) -> None:
    """Run all that a store needs, until Ctrl-C: an executor, a tensor server, and the dashboard."""
    _load("_up").run_up(
        labels=label or [],
        num_cpus=num_cpus,
        name=name,
        home=home,
        serve=server,
        host=host,
        port=port,
        metrics_port=metrics_port,
        supervised=supervise,
        web=(host_web, port_web, read_only) if web else None,
    )


@app.command()
def api(
    rules: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RULE",
            help="What is allowed: resource/name/action, each a pattern. \\[default: everything]",
            show_default=False,
        ),
    ] = None,
    host: _Host = "127.0.0.1",
    port: _Port = 8265,
    access: Annotated[
        Path | None, typer.Option(help="A TOML file with a table for each token and its rules.")
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option(help="Origin of pages that may call it; as often as there are some.")
    ] = None,
    max_body: Annotated[int, typer.Option(min=1, help="MB that the body of a request may have.")] = 64,
    read_only: _ReadOnly = False,
    home: _Home = None,
    server: _Server = "redis://127.0.0.1:6379",
) -> None:
    """Serve datasets, models and their tasks over HTTP with JSON, and the dashboard, until Ctrl-C."""
    _load("_api").run(
        rules or [],
        host=host,
        port=port,
        file=access,
        origins=cors or [],
        largest=max_body << 20,
        read_only=read_only,
        home=home,
        server=server,
    )


@app.command()
def demo(
    crash: Annotated[
        bool, typer.Option("--crash", help="Kill the workflow's process half-way, then resume it.")
    ] = False,
    page: Annotated[Path, typer.Option(help="Where to write the page with the results.")] = Path(
        "alula-demo.html"
    ),
    home: Annotated[
        Path | None, typer.Option(help="Keep the data in this folder; a temporary one by default.")
    ] = None,
) -> None:
    """Train, record, deploy and serve three classifiers of handwritten digits."""
    raise typer.Exit(_load("_demo").run(crash=crash, page=page, home=home))


@app.command()
def top(
    session: Annotated[
        int | None, typer.Option(help="Only the session of this driver, by its process id.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list and end.")] = False,
) -> None:
    """Show what your sessions on this machine do now."""
    raise typer.Exit(_load("_top").run(session=session, once=once, as_json=json))


@app.command()
def log(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    task: Annotated[str | None, typer.Option(help="Only of the task with this id.")] = None,
    level: Annotated[str | None, typer.Option(help="This, and what is more severe.")] = None,
    logger: Annotated[str | None, typer.Option(help="Only of this logger, and those below it.")] = None,
    bucket: Annotated[str | None, typer.Option(help="Another bucket than that of the settings.")] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many records to begin with.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each record.")] = False,
) -> None:
    """Show what models, scripts and notebooks have logged, wherever they run."""
    log_of = _load("_log").log
    code = log_of(
        follow=follow, task=task, level=level, logger=logger, bucket=bucket, last=last, as_json=json
    )
    raise typer.Exit(code)


@app.command()
def lineage(
    name: Annotated[
        str, typer.Argument(help="Of a version: model, model@v3, data/iris@v1.", show_default=False)
    ],
    depth: Annotated[int | None, typer.Option(min=1, help="Tasks to follow in each direction.")] = None,
    bucket: Annotated[str | None, typer.Option(help="Another bucket than that of the settings.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw it into this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a version was made of, and what was made of it: data, runs, models, deployments."""
    raise typer.Exit(_load("_log").lineage(name, depth=depth, bucket=bucket, svg=svg, as_json=json))


def redis_server() -> NoReturn:
    """Run the program ``alula-server`` with the arguments of this process."""
    sys.exit(_load("_redis_server").run(sys.argv[1:]))


def main() -> NoReturn:
    """Run the program with the arguments of this process."""
    try:
        app()
    except (AlulaError, OSError) as error:
        err().print(Text.assemble(("alula: ", "bold red"), str(error)))
        sys.exit(1)
    except KeyboardInterrupt:
        err().print(Text.assemble(("alula: ", "bold"), "interrupted"))
        sys.exit(130)
    except Exception as error:  # nobody foresaw it: one paragraph, and the rest where it is asked for
        if os.environ.get(_TRACEBACK):
            raise
        told = f"unexpected {type(error).__name__}: {error}. {_TRACEBACK}=1 shows where; please report it"
        err().print(Text.assemble(("alula: ", "bold red"), told))
        sys.exit(1)
    sys.exit(0)
