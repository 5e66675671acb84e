"""Programs that run for long beside those who submit work: an executor on its own, and all of Alula at once.

Each part is a context manager. What starts last ends first, so nobody takes work for a part that is gone.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from .._core._settings import Settings
from ..futures import Engine, open_engine, set_default
from ..server import background
from ..workflow import Claims, Executor
from ._serve import deployed
from ._signals import End

__all__ = ["Facts", "up", "work"]

_AHEAD: Final = 2  # tasks for each core: the one that runs, and one to go on with while more is claimed


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


def up(
    settings: Settings,
    *,
    name: str | None = None,
    serve: bool = True,
    host: str = "127.0.0.1",
    port: int = 6379,
    ready: Callable[[Facts], None] = lambda facts: None,
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

    Raises
    ------
    SettingError
        If nobody can listen there.
    MissingExtraError
        If the packages of the extra ``serve`` are not installed, and there is to be a server.
    StoreUnavailableError, ExecutorAliveError, NodeDiedError
        As of `work`.
    """
    with ExitStack() as parts:
        end = parts.enter_context(End())
        at = parts.enter_context(_serving(settings, host, port)) if serve else None
        facts = parts.enter_context(_executing(settings, name, end))
        ready(Facts(name=facts.name, labels=facts.labels, cpus=facts.cpus, port=at))
        end.wait()


@contextmanager
def _serving(settings: Settings, host: str, port: int) -> Iterator[int]:
    with deployed(settings, host, port) as server, background(server):
        yield server.port


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
