"""``alula worker`` and ``alula up``: executors in the foreground."""

import os
from pathlib import Path

import typer
from rich.text import Text

from .._core._settings import Settings
from ..daemon import Beside, Facts, up, work
from ..errors import CrashLoopError
from ..server import Config, listening
from ..web import Access, missing
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
    web: tuple[str, int, bool] | None,
) -> None:
    """Run an executor, a tensor server and the dashboard until Ctrl-C or SIGTERM.

    Parameters
    ----------
    web
        Where the dashboard listens, and whether it is read-only; None for no dashboard.
    """
    beside = [] if web is None or _lacks_web() else [_dashboard(*web, serving=host)]

    def ready(facts: Facts) -> None:
        _say(facts)
        if facts.port is not None:
            out().print(_line("RESP", f"listening on {host}:{facts.port}"))
        for each in beside:
            name, port = each.listening[0].getsockname()[:2]
            out().print(_line("web", f"http://{f'[{name}]' if ':' in name else name}:{port}"))

    settings = _settings(labels, num_cpus, home)
    up(
        settings,
        name=name,
        serve=serve,
        host=host,
        port=port,
        metrics_port=metrics_port,
        supervised=supervised,
        beside=beside,
        ready=ready,
        lost=_say_lost,
    )


def _lacks_web() -> bool:
    """Tell whether there can be no dashboard, and say so in one line."""
    if (package := missing()) is None:
        return False
    text = f"no dashboard, for {package} is not installed: pip install 'alula[web]', or say --no-web"
    err().print(_line("web", text, style="bold yellow"), soft_wrap=True)
    return True


def _dashboard(host: str, port: int, read_only: bool, serving: str) -> Beside:
    Access.load().refuse_others(host)
    sockets = listening(Config(bind=host, port=port))

    def words(served: int | None) -> list[str]:
        own = ["api", "--host", host, "--port", str(sockets[0].getsockname()[1])]
        shown = [] if served is None else ["--server", f"redis://{serving}:{served}"]
        return [*own, *shown, *["--read-only"] * read_only]

    return Beside(words=words, listening=sockets)


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
    part = "web" if error.program.endswith("api") else "server"
    err().print(_line(part, f"{text}. All else goes on", style="bold red"), soft_wrap=True)


def _line(part: str, text: str, style: str = "bold green") -> Text:
    return Text.assemble((f"{part:<10}", style), text, overflow="fold")
