"""The tensor server of a store: it has the models that are deployed there, as soon as they are.

`server` and `objects` do not know each other; here one is told what the other holds.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from .._core._settings import Settings
from ..errors import ArtifactNotFoundError, CommandError, SealError
from ..objects import TOPIC, Deployment, Deployments, open_catalogs
from ..server import Server, serve_until_signal

__all__ = ["deployed", "serve"]

_log = logging.getLogger("alula.daemon")


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 6379,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve the models that are deployed in a store until SIGTERM or SIGINT.

    Parameters
    ----------
    settings
        Of the store. A model that is deployed, replaced or dropped there while the server runs is
        loaded, replaced or dropped; no request is lost meanwhile.
    host, port
        Where to listen; port 0 takes any free one.
    ready
        Called with the port when clients can connect and the models are there.

    Raises
    ------
    SettingError
        If nobody can listen there.
    StoreUnavailableError
        If the store cannot be opened.
    MissingExtraError
        If the packages of the extra ``serve`` are not installed.
    """
    with deployed(settings, host, port) as server:
        serve_until_signal(server, ready=ready)


@contextmanager
def deployed(settings: Settings, host: str, port: int) -> Iterator[Server]:
    """Make a server, not started yet, that has what is deployed in a store for as long as the block lasts."""
    server = Server(host, port)
    with open_catalogs(settings) as catalogs:
        mirror = _Mirror(server, catalogs.deployments)
        stop = catalogs.store.listen(TOPIC, mirror.update)
        try:
            mirror.update()
            yield server
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
