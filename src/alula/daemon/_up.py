"""Programs that run for long beside those who submit work: an executor on its own, and all of Alula at once.

Each part is a context manager. What starts last ends first, so nobody takes work for a part that is gone.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from socket import socket
from threading import Thread
from typing import Final

from .._core._settings import Settings
from ..errors import CrashLoopError, SettingError
from ..futures import Engine, open_engine, set_default
from ..server import Config, Server, background, expose_loss, listening
from ..workflow import Claims, Executor
from ._serve import deployed
from ._signals import End
from ._supervise import Supervisor

__all__ = ["Beside", "Facts", "up", "work"]

_log = logging.getLogger("alula.daemon")

_AHEAD: Final = 2  # tasks for each core: the one that runs, and one to go on with while more is claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One more program of ours that runs as long as `up` does, in a process of its own.

    Attributes
    ----------
    words
        Gives its command line, behind ``alula``, for the port of the tensor server, or None if there is none.
    listening
        Sockets that it is to listen on.
    """

    words: Callable[[int | None], Sequence[str]]
    listening: Sequence[socket]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What has started.

    Attributes
    ----------
    name, labels
        Of the executor.
    cpus
        How many cores its tasks may hold together.
    port
        Where the tensor server listens; None if there is none.
    """

    name: str
    labels: tuple[str, ...]
    cpus: int
    port: int | None = None


def work(
    settings: Settings, *, name: str | None = None, ready: Callable[[Facts], None] = lambda facts: None
) -> None:
    """Run what waits in the queue of a store, until SIGTERM or SIGINT; in the main thread only.

    Then what has not ended goes back to where another executor, or `resume`, finds it: a line says so.

    Parameters
    ----------
    settings
        Of which `store`, `labels`, `num_cpus` and those of the engine count here.
    name
        Of the executor; by default the first free one of ``alula@<host>``, ``alula-2@<host>``, ...
    ready
        Told when it can take work.

    Raises
    ------
    StoreUnavailableError
        If the store cannot be opened.
    ExecutorAliveError
        If a living executor has that name.
    NodeDiedError
        If the engine ends.
    """
    with End() as end, _executing(settings, name, end) as facts:
        ready(facts)
        end.wait()


def _log_loss(error: CrashLoopError) -> None:
    _log.error("%s", error)


def up(
    settings: Settings,
    *,
    name: str | None = None,
    serve: bool = True,
    host: str = "127.0.0.1",
    port: int = 6379,
    metrics_port: int | None = None,
    supervised: bool = True,
    beside: Sequence[Beside] = (),
    ready: Callable[[Facts], None] = lambda facts: None,
    lost: Callable[[CrashLoopError], None] = _log_loss,
) -> None:
    """Run all that a store needs, until SIGTERM or SIGINT: an executor, as `work` does, and a tensor server.

    Parameters
    ----------
    settings, name, ready
        As of `work`.
    serve
        Whether to serve what is deployed in the store.
    host, port
        Where the server listens; port 0 takes any free one.
    metrics_port
        Where its numbers are given to Prometheus, and its health to whoever asks; None gives them nowhere.
    supervised
        Whether the server is a process of its own, started again when it has crashed; else it runs here.
    beside
        What else is started, and again whenever it has crashed.
    lost
        Told when the server, or what is beside it, has crashed too often in a row and is not started again.
        All else goes on. Its port is closed then, and ``/healthz`` says why if it was the server; by default
        it is logged.

    Raises
    ------
    SettingError
        If nobody can listen there.
    CrashLoopError
        If the server, or what is beside it, cannot be started.
    MissingExtraError
        If the packages of the extra ``serve`` are not installed, and there is to be a server here.
    StoreUnavailableError, ExecutorAliveError, NodeDiedError
        As of `work`.
    """
    with ExitStack() as parts:
        end = parts.enter_context(End())
        at = None
        if serve:
            sockets = listening(Config(bind=host, port=port))
            if supervised:
                at = parts.enter_context(_supervised(settings, sockets, metrics_port, lost))
            else:
                at = parts.enter_context(_serving(settings, sockets, metrics_port))
        children = [parts.enter_context(_kept(settings, each, at, lost)) for each in beside]
        facts = parts.enter_context(_executing(settings, name, end))
        for started in children:
            started.result()
        ready(Facts(name=facts.name, labels=facts.labels, cpus=facts.cpus, port=at))
        end.wait()


@contextmanager
def _serving(settings: Settings, sockets: Sequence[socket], metrics_port: int | None) -> Iterator[int]:
    server = Server(listening=sockets, metrics_port=metrics_port)
    with deployed(settings, server), background(server):
        yield server.port


@contextmanager
def _supervised(
    settings: Settings,
    sockets: Sequence[socket],
    metrics_port: int | None,
    lost: Callable[[CrashLoopError], None],
) -> Iterator[int]:
    host, port = sockets[0].getsockname()[:2]
    watched = [] if metrics_port is None else ["--metrics-port", str(metrics_port)]
    words = ["--host", host, "--port", str(port), "--loglevel", "warning", *watched]
    started: Future[None] = Future()
    supervisor = Supervisor(
        [sys.executable, "-m", "alula", "serve", *words],
        sockets,
        environment=_environment(settings),
        ready=lambda: started.set_result(None),
        quiet=True,
    )
    with ExitStack() as after:

        def give_up(error: CrashLoopError) -> None:
            lost(error)
            if metrics_port is not None:
                try:
                    after.callback(expose_loss(host, metrics_port, str(error)).close)
                except SettingError as refused:  # somebody else took the port after the last crash
                    _log.error("%s", refused)

        given_to = (supervisor, started, give_up)
        thread = Thread(target=_supervise, args=given_to, name="alula-serve", daemon=True)
        thread.start()
        try:
            started.result()
            yield port
        finally:
            supervisor.stop()
            thread.join()


def _environment(settings: Settings) -> dict[str, str]:
    """Give the environment of a program that is to work on the same store."""
    given = {"home": settings.home, "store": settings.store, "artifacts": settings.artifacts}
    return {**os.environ, **{f"ALULA_{name.upper()}": str(value) for name, value in given.items()}}


@contextmanager
def _kept(
    settings: Settings, beside: Beside, served: int | None, lost: Callable[[CrashLoopError], None]
) -> "Iterator[Future[None]]":
    """Keep a program running; what is given tells when it is ready."""
    started: Future[None] = Future()
    words = beside.words(served)
    supervisor = Supervisor(
        [sys.executable, "-m", "alula", *words],
        beside.listening,
        name=f"alula {words[0]}",
        environment=_environment(settings),
        ready=lambda: started.set_result(None),
        quiet=True,
    )
    thread = Thread(target=_supervise, args=(supervisor, started, lost), name="alula-beside", daemon=True)
    thread.start()
    try:
        yield started
    finally:
        supervisor.stop()
        thread.join()


def _supervise(
    supervisor: Supervisor, started: "Future[None]", give_up: Callable[[CrashLoopError], None]
) -> None:
    try:
        status = supervisor.run()
        if not started.done():
            raise CrashLoopError(supervisor.name, 1, f"ended with status {status}")
    except CrashLoopError as error:
        if started.done():
            give_up(error)
        else:
            started.set_exception(error)


@contextmanager
def _executing(settings: Settings, name: str | None, end: End) -> Iterator[Facts]:
    with _engine(settings, end) as engine:
        cpus = int(engine.cluster().total["CPU"])
        with (
            Executor.open(settings, name=name, claims=True, recover=True, engine=lambda: engine) as executor,
            Claims(executor, room=_AHEAD * cpus),
        ):
            yield Facts(name=executor.lease.name, labels=executor.lease.labels, cpus=cpus)


@contextmanager
def _engine(settings: Settings, end: End) -> Iterator[Engine]:
    engine = open_engine(settings)
    set_default(engine)  # tasks in place run in this process, and may use it
    try:
        until, _ = engine.promise()  # which nobody keeps, so it fails with the session
        engine.watch(until, partial(_over, end))
        yield engine
    finally:
        engine.close()


def _over(end: End, error: BaseException | None) -> None:
    assert error is not None
    end.fail(error)
