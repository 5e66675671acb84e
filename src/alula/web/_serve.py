"""Serving: sockets, a thread for the loop, and an end at which nobody is left without an answer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from socket import socket
from threading import Thread
from typing import Any, Final

from ..daemon import End
from ..errors import MissingExtraError
from ..runtime import close_default, default
from ..server import Config, listening
from ._access import Access

__all__ = ["SERVER", "Facts", "missing", "serve"]

SERVER: Final = "redis://127.0.0.1:6379"
"""Where a tensor server is if nobody says otherwise."""

_LARGEST: Final = 64 << 20
_PACKAGES: Final = ("fastapi", "jinja2", "uvicorn")
_PATIENCE: Final = 10  # seconds for which a request that is being answered may hold up the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What has started.

    Attributes
    ----------
    url
        Where it listens.
    secured
        Whether a token is asked for.
    bucket
        The name space of requests that name none.
    """

    url: str
    secured: bool
    bucket: str


def serve(
    access: Access | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8265,
    origins: Sequence[str] = (),
    largest: int = _LARGEST,
    read_only: bool = False,
    server: str = SERVER,
    sockets: Sequence[socket] = (),
    ready: Callable[[Facts], None] = lambda facts: None,
) -> None:
    """Serve the default instance over HTTP, with the dashboard, until SIGTERM or SIGINT; in the main thread.

    At the end no new request is taken. What is being answered is answered: whoever waits for a task is told
    at once where its result will be, and the task goes on wherever it is run.

    Parameters
    ----------
    access
        Who may do what; by default what `Access.load` makes of the environment.
    host, port
        Where to listen; port 0 takes any free one.
    origins
        Of pages whose scripts may call it in a browser (CORS).
    largest
        Bytes that the body of a request may have.
    read_only
        Whether all that changes anything is refused, whatever the rules allow.
    server
        Address of the tensor server that the dashboard looks at: ``redis://:password@host:port``.
    sockets
        That listen already at that address; they are closed in the end.
    ready
        Told when requests are answered.

    Raises
    ------
    SettingError
        If nobody can listen there, or there is no token and the address is not of this machine alone.
    MissingExtraError
        If the packages of the extra ``web`` are not installed.
    """
    access = access or Access.load()
    access.refuse_others(host)
    application, uvicorn = _stack()
    instance = default()
    sockets = sockets or listening(Config(bind=host, port=port))
    address = f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
    rights = access.read_only() if read_only else access
    running = _Running(
        application.Site(rights, largest, read_only, server), application, uvicorn, tuple(origins)
    )
    try:
        with End() as end:
            running.start(sockets, end)
            ready(Facts(url=address, secured=access.anyone is None, bucket=instance.bucket))
            try:
                end.wait()
            finally:
                running.stop()
    finally:
        for each in sockets:
            each.close()
        close_default()


def missing() -> str | None:
    """Name a package of the extra ``web`` that is not installed, importing none; None if all are there."""
    return next((name for name in _PACKAGES if find_spec(name) is None), None)


class _Running:
    """The server and its thread."""

    def __init__(self, site: Any, application: Any, uvicorn: Any, origins: tuple[str, ...]) -> None:
        self._site = site
        config = uvicorn.Config(
            application.make_app(self._site, origins=origins),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()

    def start(self, sockets: Sequence[Any], end: End) -> None:
        """Begin to answer."""
        self._thread = Thread(target=self._run, args=(sockets, end), name="alula-api", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, and return when those that there are have been answered."""
        self._loop.call_soon_threadsafe(self._drain)
        self._thread.join()

    def _drain(self) -> None:
        self._site.draining.set()
        self._server.should_exit = True

    def _run(self, sockets: Sequence[Any], end: End) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._server.serve(sockets=[*sockets]))
            except BaseException as error:  # the thread's outermost: whoever waits for the end is told
                end.fail(error)


def _stack() -> tuple[Any, Any]:
    if (package := missing()) is not None:
        raise MissingExtraError(package, "web", "alula api")
    return import_module("._app", __package__), import_module("uvicorn")
