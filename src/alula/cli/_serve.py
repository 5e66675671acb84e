"""``alula serve``: the tensor server of a store, in the foreground."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._core._settings import Settings
from ..daemon import LogFormat, Serving, inherited, log_to, serve, supervise
from ..server import Config, LoadTime, listening
from ._terminal import out

__all__ = ["Wanted", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for.

    Attributes
    ----------
    parameters
        Those of the configuration that were given, as they were written.
    load_time
        Settings beside those.
    keyspace, metrics_port
        See `Serving`.
    home
        Of the store; None is that of the settings.
    log_format
        How the lines of the log look.
    supervised
        Whether a parent starts the server again when it has crashed.
    """

    parameters: Mapping[str, str]
    load_time: LoadTime
    keyspace: str = ""
    metrics_port: int | None = None
    home: Path | None = None
    log_format: LogFormat = "text"
    supervised: bool = False

    def config(self) -> Config:
        """Give the configuration; `SettingError` names what is wrong with it."""
        config = Config()
        for name, given in self.parameters.items():
            config.begin(name, given)
        return config


def run(wanted: Wanted) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parent, config = inherited(), wanted.config()
    log_to("", wanted.log_format, level=config.loglevel)
    if wanted.supervised and parent is None:
        raise SystemExit(supervise([sys.executable, "-m", "alula", *sys.argv[1:]], listening(config)))
    settings = Settings.load(home=wanted.home)
    if "dir" not in wanted.parameters:
        config.dir = str(settings.home)
    serving = Serving(
        config=config,
        load_time=wanted.load_time,
        keyspace=wanted.keyspace,
        metrics_port=wanted.metrics_port,
    )
    serve(settings, serving, ready=lambda port: _say(config, port), parent=parent)


def _say(config: Config, port: int) -> None:
    out().print(f"Listening on {config.bind}:{port}", highlight=False)
