"""The tensor server of a store: it has the models that are deployed there, as soon as they are.

`server` and `objects` do not know each other; here one is told what the other holds.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NoReturn

from .._core._settings import Settings
from ..errors import ArtifactNotFoundError, CommandError, SealError
from ..objects import TOPIC, Deployment, Deployments, open_catalogs
from ..server import (
    Config,
    DurableKeyspace,
    Keyspace,
    LoadTime,
    Server,
    open_keyspace,
    serve_until_signal,
)
from ._supervise import Inherited

__all__ = ["Serving", "deployed", "made", "serve"]

_log = logging.getLogger("alula.daemon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a tensor server is to run.

    Attributes
    ----------
    config
        The parameters that CONFIG knows; host, port and password are among them.
    load_time
        How much runs at once, and how much a run may take.
    keyspace
        Where values live: empty for what `config` says (memory, or a file if ``appendonly``), or the
        address of a Redis that keeps them.
    saved
        Whether values outlive the process also without ``appendonly``; then nothing waits for the disk.
    metrics_port
        Where numbers are given to Prometheus; 0 takes any free one, None gives them nowhere.
    """

    config: Config = field(default_factory=Config)
    load_time: LoadTime = field(default_factory=LoadTime)
    keyspace: str = ""
    saved: bool = False
    metrics_port: int | None = None

    def open(self) -> Keyspace:
        """Open the keyspace; the server closes it."""
        if self.saved and not (self.config.appendonly or self.keyspace):
            return DurableKeyspace.open(Path(self.config.dir) / self.config.dbfilename, fsync="no")
        return open_keyspace(self.config, self.keyspace)


def serve(
    settings: Settings | None,
    serving: Serving,
    *,
    ready: Callable[[int], None] | None = None,
    parent: Inherited | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then running commands have their replies, and nothing is lost.

    Parameters
    ----------
    settings
        Of the store whose deployed models are served. A model that is deployed, replaced or dropped there
        while the server runs is loaded, replaced or dropped; no request is lost meanwhile. None serves
        what clients store alone.
    serving
        How to run.
    ready
        Called with the port when clients can connect and the models are there.
    parent
        The supervisor, if there is one: its sockets are listened on, and its end is ours.

    Raises
    ------
    SettingError
        If nobody can listen there, or a setting is out of its range.
    StoreUnavailableError
        If the store cannot be opened.
    MissingExtraError
        If the packages of the extra ``serve`` are not installed.
    """

    def up(port: int) -> None:
        if parent is not None:
            parent.say_ready()
            parent.follow()
        _log.info("Ready to accept connections", extra={"event": "start", "port": port})
        if ready is not None:
            ready(port)

    with made(settings, serving, parent) as server:
        serve_until_signal(server, ready=up)
    _log.info("bye bye", extra={"event": "stop"})
    if server.stuck:
        _leave()


def _leave() -> NoReturn:
    """End the process with success, though a run of a model or script goes on that nothing can end."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextmanager
def made(settings: Settings | None, serving: Serving, parent: Inherited | None = None) -> Iterator[Server]:
    """Make a server, not started yet, with all that is open beside it for as long as the block lasts."""
    server = Server(
        load_time=serving.load_time,
        config=serving.config,
        keyspace=serving.open(),
        listening=() if parent is None else parent.listening,
        metrics_port=serving.metrics_port,
    )
    if settings is None:
        yield server
    else:
        with deployed(settings, server):
            yield server


@contextmanager
def deployed(settings: Settings, server: Server) -> Iterator[None]:
    """Keep what is deployed in a store on a server, which need not have started, while the block lasts."""
    with open_catalogs(settings) as catalogs:
        mirror = _Mirror(server, catalogs.deployments)
        stop = catalogs.store.listen(TOPIC, mirror.update)
        try:
            mirror.update()
            yield
        finally:
            stop()


class _Mirror:
    """Keeps the models of a server in step with the deployments of a store."""

    def __init__(self, server: Server, deployments: Deployments) -> None:
        self._server, self._deployments = server, deployments
        self._loaded: dict[str, Deployment] = {}
        self._lock = Lock()  # the doorbell may ring while the first update runs

    def update(self) -> None:
        """Load what is new, drop what is gone; a model that cannot be loaded leaves the others alone."""
        with self._lock:
            wanted = {deployment.key: deployment for deployment in self._deployments.list()}
            for key in set(self._loaded) - set(wanted):
                self._drop(key)
            for key, deployment in wanted.items():
                if self._loaded.get(key) != deployment:
                    self._load(deployment)

    def _drop(self, key: str) -> None:
        with suppress(CommandError):  # the server has stopped, and the model with it
            self._server.undeploy(key)
        del self._loaded[key]

    def _load(self, deployment: Deployment) -> None:
        try:
            self._server.deploy(
                deployment.key,
                self._deployments.blob(deployment),
                backend=deployment.backend,
                device=deployment.device,
                tag=deployment.tag,
            )
        except ArtifactNotFoundError:
            return  # replaced since it was listed: the next ring brings the new one
        except (CommandError, SealError) as error:
            _log.error("model %r is deployed and cannot be served: %s", deployment.key, error)
            return
        self._loaded[deployment.key] = deployment
        _log.info("model %r %s", deployment.key, deployment.tag)
