"""Running a server: as this process, or beside whatever this process does."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..errors import MissingExtraError
from ._allocator import keep_freed_memory
from ._load_time import AS_REDISAI, LoadTime
from ._server import Server

__all__ = ["Deployment", "background", "serve", "serve_until_signal"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model that a server has from the start; see `Server.deploy` for the attributes."""

    name: str
    blob: bytes
    backend: str = "ONNX"
    device: str = "CPU"
    tag: str = ""


def serve(
    host: str = "127.0.0.1",
    port: int = 6379,
    *,
    password: str | None = None,
    load_time: LoadTime = AS_REDISAI,
    models: Iterable[Deployment] = (),
    ready: Callable[[int], None] | None = None,
    grace: float = 5.0,
) -> None:
    """Serve until SIGTERM or SIGINT, then let running commands have their replies, and return.

    Parameters
    ----------
    host, port, password, load_time
        See `Server`.
    models
        Those that are there from the start.
    ready
        Called with the port when clients can connect.
    grace
        Seconds that running commands are given at the end.

    Raises
    ------
    SettingError
        If nobody can listen there.
    CommandError
        If one of the models cannot be loaded.
    MissingExtraError
        If uvloop or a model's framework is not installed.
    """
    server = Server(host, port, password=password, load_time=load_time)
    for model in models:
        server.deploy(model.name, model.blob, backend=model.backend, device=model.device, tag=model.tag)
    serve_until_signal(server, ready=ready, grace=grace)


def serve_until_signal(
    server: Server, *, ready: Callable[[int], None] | None = None, grace: float = 5.0
) -> None:
    """Run a server that was made elsewhere; `serve` says the rest.

    Parameters
    ----------
    server
        One that has not been started; models may be deployed to it before and meanwhile.
    ready
        Called with the port when clients can connect.
    grace
        Seconds that running commands are given at the end.

    Raises
    ------
    SettingError
        If nobody can listen where the server is to.
    MissingExtraError
        If uvloop is not installed.
    """
    keep_freed_memory()
    with _signals_as_before(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_until_signal(server, ready or (lambda port: None), grace))


@contextmanager
def background(server: Server, *, grace: float = 5.0) -> Iterator[Server]:
    """Run a server on a thread of its own while a ``with`` block lasts.

    Parameters
    ----------
    server
        One that has not been started.
    grace
        Seconds that running commands are given at the end.

    Raises
    ------
    SettingError
        If nobody can listen where the server is to.
    MissingExtraError
        If uvloop is not installed.

    Examples
    --------
    >>> with background(Server(port=0)) as server:  # doctest: +SKIP
    ...     client = redis.Redis(port=server.port)
    """
    factory = _loop_factory()
    started: Future[Callable[[], object]] = Future()

    def work() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_until_told(server, started, grace))

    thread = threading.Thread(target=work, name="alula-server", daemon=True)
    thread.start()
    stop = started.result()
    try:
        yield server
    finally:
        stop()
        thread.join()


@contextmanager
def _signals_as_before() -> Iterator[None]:
    """Give a program back its handlers, which a loop of uvloop takes and keeps."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it is no Python function, and cannot be had back
                signal.signal(number, handler)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError as error:
        raise MissingExtraError("uvloop", "serve", "the tensor server") from error
    return uvloop.new_event_loop


async def _until_signal(server: Server, ready: Callable[[int], None], grace: float) -> None:
    over = server.asked
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await server.start()
    try:
        ready(server.port)
        await over.wait()
    finally:
        await server.stop(grace)


async def _until_told(server: Server, started: "Future[Callable[[], object]]", grace: float) -> None:
    over = server.asked
    loop = asyncio.get_running_loop()
    try:
        await server.start()
    except BaseException as error:  # whatever it is belongs to the thread that waits for the start
        started.set_exception(error)
        return
    started.set_result(partial(_tell, loop, over))
    await over.wait()
    await server.stop(grace)


def _tell(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    """Ask a server to stop, from another thread."""
    with suppress(RuntimeError):  # its loop is closed: a client has stopped it before
        loop.call_soon_threadsafe(over.set)
