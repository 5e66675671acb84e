"""The engines that are measured, each under the three words that the cases use: remote, get, put.

Alula and Ray have them. The peers that have not are dressed in them as far as they go, which costs them
less than a microsecond a call: Dask's futures travel as references do, those of a pool do not.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from .bodies import nothing
from .measure import Bench, Size

__all__ = ["PEERS", "opened", "version_of"]

CORES: Final = 2
PEERS: Final = {"ray": "ray", "dask": "distributed", "pool": "", "joblib": "joblib"}
"""Peers, and the package that each comes from; none for the standard library."""

_PACKAGES: Final = {**PEERS, "pool": "concurrent.futures"}


def version_of(peer: str) -> str | None:
    """Give the version of a peer's package, None if it is not installed."""
    if not PEERS[peer]:
        return ""
    try:
        return version(PEERS[peer])
    except PackageNotFoundError:
        return None


@contextmanager
def opened(name: str, size: Size) -> Iterator[Bench]:
    """Start an engine with two workers, and end it."""
    start, stop = _ENGINES[name]
    import_module(_PACKAGES.get(name, "alula"))  # before the clock starts: `init` is about the call
    begun = time.perf_counter()
    api = start()
    api.get(api.remote(nothing).remote())
    try:
        yield Bench(name, api, size, time.perf_counter() - begun)
    finally:
        stop(api)


@dataclass(frozen=True, slots=True)
class _Remote:
    """A function that is submitted by `submit`."""

    submit: Callable[..., Any]
    function: Callable[..., Any]

    def remote(self, *args: Any) -> Any:
        return self.submit(self.function, *args)


class _Pool:
    """`concurrent.futures.ProcessPoolExecutor`."""

    def __init__(self) -> None:
        self.pool = import_module("concurrent.futures").ProcessPoolExecutor(CORES)

    def remote(self, function: Callable[..., Any]) -> _Remote:
        return _Remote(self.pool.submit, function)

    def get(self, futures: Any) -> Any:
        return [f.result() for f in futures] if isinstance(futures, list) else futures.result()

    def close(self) -> None:
        self.pool.shutdown()


class _Joblib:
    """`joblib.Parallel` on loky: nothing starts before it is asked for, and then in batches."""

    def __init__(self) -> None:
        joblib = import_module("joblib")
        self.parallel, self.delayed = joblib.Parallel(n_jobs=CORES).__enter__(), joblib.delayed

    def remote(self, function: Callable[..., Any]) -> _Remote:
        delayed = self.delayed(function)
        return _Remote(lambda _, *args: delayed(*args), function)

    def get(self, calls: Any) -> Any:
        return self.parallel(calls) if isinstance(calls, list) else self.parallel([calls])[0]

    def close(self) -> None:
        self.parallel.__exit__(None, None, None)


class _Dask:
    """`dask.distributed`, workers in processes, one thread each."""

    def __init__(self) -> None:
        distributed = import_module("distributed")
        self.client = distributed.Client(
            n_workers=CORES, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR
        )

    def remote(self, target: Callable[..., Any]) -> _Remote:
        return _Remote(self._actor if isinstance(target, type) else self._submit, target)

    def _submit(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.client.submit(function, *args, pure=False)  # pure calls of equal arguments are one

    def _actor(self, cls: type) -> "_DaskActor":
        return _DaskActor(self.client.submit(cls, actor=True).result())

    def get(self, futures: Any) -> Any:
        if isinstance(futures, list):
            if futures and not hasattr(futures[0], "key"):  # of calls of an actor
                return [future.result() for future in futures]
            return self.client.gather(futures)
        return futures.result()

    def put(self, value: Any) -> Any:
        return self.client.scatter(value)

    def close(self) -> None:
        self.client.close()
        self.client.cluster.close()


class _DaskActor:
    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> _Remote:
        call = getattr(self._actor, name)
        return _Remote(lambda _, *args: call(*args), call)


def _ours(options: Mapping[str, Any]) -> Callable[[], Any]:
    def start() -> Any:
        api = import_module("alula")
        api.init(num_cpus=CORES, **options)
        return api

    return start


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_module("ray")
    ray.init("local", num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="error")
    return ray


_ENGINES: Final[Mapping[str, tuple[Callable[[], Any], Callable[[Any], None]]]] = {
    "ours": (_ours({"engine": "embedded"}), lambda api: api.shutdown()),
    "ours on ray": (_ours({"engine": "ray"}), lambda api: api.shutdown()),
    "ray": (_ray, lambda api: api.shutdown()),
    "dask": (_Dask, lambda api: api.close()),
    "pool": (_Pool, lambda api: api.close()),
    "joblib": (_Joblib, lambda api: api.close()),
}
