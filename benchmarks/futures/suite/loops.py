"""The loops of `ray microbenchmark`: what one call does, and how many units it counts for.

Each loop is made for an engine, which it may prepare with actors and values, and is a call to be repeated.
The method is in `rates`; names and numbers are those of Ray's, so that they can be compared.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

__all__ = ["LOOPS", "Loop", "rates"]

_CLIENTS: Final = 1  # half of the cores, as there


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop: makes the call that is repeated, given an engine, and says what the call counts for."""

    make: Callable[[Any, int], Callable[[], Any]]
    units: float = 1
    times: int = 1000  # what the call does many times


def rates(loop: Loop, api: Any, seconds: float, rounds: int, times: int | None = None) -> list[float]:
    """Give the units per second of each round of at least `seconds`, after one that does not count."""
    call = loop.make(api, times or loop.times)
    return [_rate(loop, call, seconds) for _ in range(rounds + 1)][1:]


def _rate(loop: Loop, call: Callable[[], Any], seconds: float) -> float:
    start, calls = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds or not calls:
        call()
        calls += 1
    return calls * loop.units / passed


def _small() -> bytes:
    return b"ok"


class _Actor:
    def small(self) -> bytes:
        return b"ok"

    def small_with(self, value: Any) -> bytes:
        return b"ok"


class _AsyncActor:
    async def small(self) -> bytes:
        return b"ok"

    async def small_with(self, value: Any) -> bytes:
        return b"ok"


def _actors(api: Any, cls: type, count: int, **options: Any) -> list[Any]:
    made = [api.remote(num_cpus=0, **options)(cls).remote() for _ in range(count)]
    api.get([actor.small.remote() for actor in made])
    return made


def _gets(api: Any, times: int) -> Callable[[], Any]:
    ref = api.put(0)
    return lambda: api.get(ref)


def _puts(api: Any, times: int) -> Callable[[], Any]:
    return lambda: api.put(0)


def _many_puts(api: Any, times: int) -> Callable[[], Any]:
    def body() -> None:
        for _ in range(times // 10):
            api.put(0)

    task = api.remote(body)
    return lambda: api.get([task.remote() for _ in range(10)])


def _gigabyte(api: Any, times: int) -> Callable[[], Any]:
    array = np.zeros(times * 100 * 1024, np.int64)
    return lambda: api.put(array)


def _many_gigabytes(api: Any, times: int) -> Callable[[], Any]:
    def body() -> None:
        for _ in range(10):
            api.put(np.zeros(times * 10 * 1024, np.int64))

    task = api.remote(body)
    return lambda: api.get([task.remote() for _ in range(10)])


def _tasks_sync(api: Any, times: int) -> Callable[[], Any]:
    task = api.remote(_small)
    return lambda: api.get(task.remote())


def _tasks(api: Any, times: int) -> Callable[[], Any]:
    task = api.remote(_small)
    return lambda: api.get([task.remote() for _ in range(times)])


def _refs_inside(api: Any, times: int) -> Callable[[], Any]:
    def body() -> list[Any]:
        return [api.put(1) for _ in range(times)]

    ref = api.remote(body).remote()
    api.get(ref)
    return lambda: api.get(ref)


def _waits(api: Any, times: int) -> Callable[[], Any]:
    task = api.remote(_small)

    def call() -> None:
        left = [task.remote() for _ in range(times)]
        fetch = True
        while left:
            _, left = api.wait(left, fetch_local=fetch)
            fetch = False

    return call


def _many_clients(api: Any, times: int) -> Callable[[], Any]:
    small = api.remote(_small)

    class Client(_Actor):
        def run(self) -> None:
            api.get([small.remote() for _ in range(times)])

    clients = _actors(api, Client, 4)
    return lambda: api.get([client.run.remote() for client in clients])


def _call(cls: type, **options: Any) -> Callable[[Any, int], Callable[[], Any]]:
    def make(api: Any, times: int) -> Callable[[], Any]:
        [actor] = _actors(api, cls, 1, **options)
        return lambda: api.get(actor.small.remote())

    return make


def _calls(cls: type, **options: Any) -> Callable[[Any, int], Callable[[], Any]]:
    def make(api: Any, times: int) -> Callable[[], Any]:
        [actor] = _actors(api, cls, 1, **options)
        return lambda: api.get([actor.small.remote() for _ in range(times)])

    return make


def _calls_with(api: Any, times: int) -> Callable[[], Any]:
    [actor] = _actors(api, _AsyncActor, 1)
    return lambda: api.get([actor.small_with.remote(i) for i in range(times)])


def _one_to_many(cls: type) -> Callable[[Any, int], Callable[[], Any]]:
    def make(api: Any, times: int) -> Callable[[], Any]:
        servers = _actors(api, cls, _CLIENTS)

        class Client(_Actor):
            def run(self, servers: list[Any]) -> None:
                for server in servers:
                    api.get([server.small.remote() for _ in range(times)])

        [client] = _actors(api, Client, 1)
        return lambda: api.get(client.run.remote(servers))

    return make


def _many_to_many(cls: type) -> Callable[[Any, int], Callable[[], Any]]:
    def make(api: Any, times: int) -> Callable[[], Any]:
        servers = _actors(api, cls, _CLIENTS)

        def body(servers: list[Any]) -> None:
            api.get([servers[i % len(servers)].small.remote() for i in range(times)])

        task = api.remote(body)
        return lambda: api.get([task.remote(servers) for _ in range(4)])

    return make


def _many_with(api: Any, times: int) -> Callable[[], Any]:
    class Client(_Actor):
        def run(self, servers: list[Any]) -> None:
            value = api.put(0)
            api.get([servers[0].small_with.remote(value) for _ in range(times)])

    clients, servers = _actors(api, Client, _CLIENTS), _actors(api, _Actor, _CLIENTS)
    pairs = list(zip(clients, servers, strict=True))
    return lambda: api.get([client.run.remote([server]) for client, server in pairs])


LOOPS: Final[dict[str, Loop]] = {
    "single client get calls": Loop(_gets),
    "single client put calls": Loop(_puts),
    "multi client put calls": Loop(_many_puts, 1000),
    "single client put gigabytes": Loop(_gigabyte, 0.8, 1024),
    "single client tasks and get batch": Loop(_tasks),
    "multi client put gigabytes": Loop(_many_gigabytes, 8, 1024),
    "single client get object containing 10k refs": Loop(_refs_inside, 1, 10_000),
    "single client wait 1k refs": Loop(_waits),
    "single client tasks sync": Loop(_tasks_sync),
    "single client tasks async": Loop(_tasks, 1000),
    "multi client tasks async": Loop(_many_clients, 40_000, 10_000),
    "1:1 actor calls sync": Loop(_call(_Actor)),
    "1:1 actor calls async": Loop(_calls(_Actor), 1000),
    "1:1 actor calls concurrent": Loop(_calls(_Actor, max_concurrency=16), 1000),
    "1:n actor calls async": Loop(_one_to_many(_Actor), 5000 * _CLIENTS, 5000),
    "n:n actor calls async": Loop(_many_to_many(_Actor), 20_000, 5000),
    "n:n actor calls with arg async": Loop(_many_with, 1000 * _CLIENTS),
    "1:1 async-actor calls sync": Loop(_call(_AsyncActor)),
    "1:1 async-actor calls async": Loop(_calls(_AsyncActor), 1000),
    "1:1 async-actor calls with args async": Loop(_calls_with, 1000),
    "1:n async-actor calls async": Loop(_one_to_many(_AsyncActor), 5000 * _CLIENTS, 5000),
    "n:n async-actor calls async": Loop(_many_to_many(_AsyncActor), 20_000, 5000),
}
