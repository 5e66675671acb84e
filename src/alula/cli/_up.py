"""``alula worker`` and ``alula up``: executors in the foreground."""

import os
from pathlib import Path

import typer
from rich.text import Text

from .._core._settings import Settings
from ..daemon import Facts, up, work
from ..errors import CrashLoopError
from ._folder import import_from_here
from ._terminal import err, out

__all__ = ["run_up", "run_worker"]


def run_worker(*, labels: list[str], num_cpus: int | None, name: str | None, home: Path | None) -> None:
    """Take work from the queue until Ctrl-C or SIGTERM."""
    work(_settings(labels, num_cpus, home), name=name, ready=_say)


def run_up(
    *,
    labels: list[str],
    num_cpus: int | None,
    name: str | None,
    home: Path | None,
    serve: bool,
    host: str,
    port: int,
    metrics_port: int | None,
    supervised: bool,
) -> None:
    """Run an executor and a tensor server until Ctrl-C or SIGTERM."""

    def ready(facts: Facts) -> None:
        _say(facts)
        if facts.port is not None:
            out().print(_line("RESP", f"listening on {host}:{facts.port}"))

    settings = _settings(labels, num_cpus, home)
    up(
        settings,
        name=name,
        serve=serve,
        host=host,
        port=port,
        metrics_port=metrics_port,
        supervised=supervised,
        ready=ready,
        lost=_say_lost,
    )


def _settings(labels: list[str], num_cpus: int | None, home: Path | None) -> Settings:
    import_from_here()
    for label in labels:
        if not label.strip() or "," in label:
            raise typer.BadParameter(
                f"{label!r} is no label: give --label once for each", param_hint="--label"
            )
    if home is not None:
        os.environ["ALULA_HOME"] = str(home.absolute())  # for tasks, too, wherever they run
    return Settings.load(labels=labels or None, num_cpus=num_cpus)


def _say(facts: Facts) -> None:
    cores = "1 core" if facts.cpus == 1 else f"{facts.cpus} cores"
    out().print(_line("executor", f"{facts.name} takes work for {', '.join(facts.labels)} on {cores}"))


def _say_lost(error: CrashLoopError) -> None:
    text = f"crashed {error.times} times in a row and is given up; the last time it {error.how}"
    err().print(_line("server", f"{text}. All else goes on", style="bold red"), soft_wrap=True)


def _line(part: str, text: str, style: str = "bold green") -> Text:
    return Text.assemble((f"{part:<10}", style), text, overflow="fold")
