"""What the server's tests share: a running server, connections to it, and models."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from alula._core._clock import Clock as AnyClock
from alula.server import (
    Backend,
    Config,
    DurableKeyspace,
    Keyspace,
    LoadTime,
    MemoryKeyspace,
    RedisKeyspace,
    Server,
    background,
)
from alula.testing import Clock
from tests.server.redis_server import RedisServer
from tests.server.world import MUL, MUL_2, SPLIT, SUM, Behaviour, Connect, Controlled, Start, Wire


@pytest.fixture
def connect() -> Iterator[Connect]:
    wires: list[Wire] = []

    def make(server: Server) -> Wire:
        wires.append(Wire(server.port))
        return wires[-1]

    yield make
    for wire in wires:
        wire.close()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that tests share, one after the other; whoever has it finds it empty."""
    started = RedisServer(tmp_path_factory.mktemp("redis"))
    yield started
    started.kill()


@pytest.fixture
def keyspace(request: pytest.FixtureRequest, tmp_path: Path) -> Keyspace:
    """In memory; tests marked with `ON_ALL_KEYSPACES` have every kind of them in turn."""
    match getattr(request, "param", "memory"):
        case "durable":
            return DurableKeyspace.open(tmp_path / "keyspace.db")
        case "redis":
            redis: RedisServer = request.getfixturevalue("shared_redis")
            redis.empty()
            return RedisKeyspace(redis.url)
        case _:
            return MemoryKeyspace()


@pytest.fixture
def server(keyspace: Keyspace) -> Iterator[Server]:
    with background(Server(port=0, keyspace=keyspace)) as running:
        yield running


@pytest.fixture
def wire(server: Server, connect: Connect) -> Wire:
    return connect(server)


@pytest.fixture
def blobs() -> Mapping[str, bytes]:
    """ONNX models: multiply, multiply of just two elements, sum of three, split in two."""
    return {"mul": MUL, "mul2": MUL_2, "sum": SUM, "split": SPLIT}


@pytest.fixture
def models(server: Server, blobs: Mapping[str, bytes]) -> Server:
    """The server, with `blobs` stored under their names."""
    for name, blob in blobs.items():
        server.deploy(name, blob)
    return server


@pytest.fixture
def controlled() -> Controlled:
    return Controlled()


@pytest.fixture
def backends(controlled: Controlled) -> Mapping[str, Backend]:
    return {"ONNX": controlled}


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts real Redis servers, each with the options that it is given."""
    started: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        started.append(RedisServer(tmp_path / f"redis-{len(started)}", *options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def start(controlled: Controlled) -> Iterator[Start]:
    """Start a server with models of given behaviour; all take one input and have one output."""
    with ExitStack() as stack:

        def run(
            *,
            threads: int = 1,
            width: int = 2,
            clock: AnyClock | None = None,
            config: Config | None = None,
            **models: Behaviour,
        ) -> Server:
            made = Server(
                port=0,
                load_time=LoadTime(threads_per_queue=threads, dag_parallelism=width),
                backends={"ONNX": controlled},
                clock=clock or Clock(),
                config=config,
            )
            for name, behaviour in models.items():
                controlled.add(name, behaviour)
                made.deploy(name, name.encode())
            return stack.enter_context(background(made))

        yield run
