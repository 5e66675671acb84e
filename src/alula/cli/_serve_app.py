"""``alula serve``, as declared to people and shells: an option for each parameter that most want to set.

They are words here, and read where CONFIG SET's are, so that both take the same forms and refuse alike.
"""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["serve"]


class _Form(StrEnum):
    text = "text"
    json = "json"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE", param_hint="--set")
    return name.lower(), value


def serve(
    host: Annotated[str, typer.Option(help="Addresses to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")] = 6379,
    home: Annotated[
        Path | None, typer.Option(help="Folder of the store whose deployed models are served.")
    ] = None,
    unixsocket: Annotated[str | None, typer.Option(help="A socket file to listen on as well.")] = None,
    requirepass: Annotated[
        str | None, typer.Option(help="What clients must say first.", envvar="ALULA_REQUIREPASS")
    ] = None,
    protected_mode: Annotated[
        str | None, typer.Option(help="yes: without a password only this machine may connect.")
    ] = None,
    maxclients: Annotated[str | None, typer.Option(help="Connections at one time; 10000.")] = None,
    maxmemory: Annotated[
        str | None, typer.Option(help="Bytes that values may hold, such as 2gb; more is refused.")
    ] = None,
    timeout: Annotated[str | None, typer.Option(help="Seconds after which silent clients go.")] = None,
    tcp_keepalive: Annotated[str | None, typer.Option(help="Seconds between probes; 300.")] = None,
    appendonly: Annotated[str | None, typer.Option(help="yes: values outlive the process.")] = None,
    appendfsync: Annotated[
        str | None, typer.Option(help="always, everysec or no: what outlives a power cut.")
    ] = None,
    dir_: Annotated[
        str | None, typer.Option("--dir", help="Folder of the file of values; that of the store.")
    ] = None,
    dbfilename: Annotated[str | None, typer.Option(help="That file's name; keyspace.db.")] = None,
    keyspace: Annotated[
        str, typer.Option(help="A Redis that keeps the values: redis://host:port.", show_default=False)
    ] = "",
    threads_per_queue: Annotated[
        int | None, typer.Option(min=1, help="Commands that a device works on at once; 1.")
    ] = None,
    intra_op_parallelism: Annotated[
        int | None, typer.Option(min=0, help="Threads of one operator of a model; 0 is all cores.")
    ] = None,
    inter_op_parallelism: Annotated[
        int | None, typer.Option(min=0, help="Operators of a model that run at once.")
    ] = None,
    model_execution_timeout: Annotated[
        int | None, typer.Option(min=1000, help="Milliseconds after which a run is ended; 5000.")
    ] = None,
    backend_memory_limit: Annotated[
        int | None, typer.Option(min=0, help="MB that a backend may take; 0 is no limit.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port for Prometheus and /healthz.")
    ] = None,
    supervise: Annotated[
        bool, typer.Option("--supervise", help="Start it again when it has crashed.")
    ] = False,
    log_format: Annotated[_Form, typer.Option(help="How lines of the log look.")] = _Form.text,
    loglevel: Annotated[str | None, typer.Option(help="debug, verbose, notice or warning.")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", help="Any parameter of CONFIG: --set NAME=VALUE.")
    ] = None,
) -> None:
    """Serve tensors and models over RESP, to any Redis client."""
    commands: Any = import_module("._serve", __package__)  # on first use, so that `alula --version` is quick
    given = {
        "bind": host,
        "port": str(port),
        "unixsocket": unixsocket,
        "requirepass": requirepass,
        "protected-mode": protected_mode,
        "maxclients": maxclients,
        "maxmemory": maxmemory,
        "timeout": timeout,
        "tcp-keepalive": tcp_keepalive,
        "appendonly": appendonly,
        "appendfsync": appendfsync,
        "dir": dir_,
        "dbfilename": dbfilename,
        "loglevel": loglevel,
        **dict(map(_pair, parameters or [])),
    }
    load_time = {
        "threads_per_queue": threads_per_queue,
        "intra_op_parallelism": intra_op_parallelism,
        "inter_op_parallelism": inter_op_parallelism,
        "model_execution_timeout": None
        if model_execution_timeout is None
        else model_execution_timeout / 1000,
        "backend_memory_limit": backend_memory_limit,
    }
    commands.run(
        commands.Wanted(
            parameters={name: value for name, value in given.items() if value is not None},
            load_time=commands.LoadTime(**{n: value for n, value in load_time.items() if value is not None}),
            keyspace=keyspace,
            metrics_port=metrics_port,
            home=home,
            log_format=log_format.value,
            supervised=supervise,
        )
    )
