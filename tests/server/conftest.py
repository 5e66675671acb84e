"""What the server's tests share: a running server, connections to it, and models."""

from collections.abc import Iterator, Mapping

import pytest

from alula.server import Backend, Server, background
from tests.server.world import MUL, MUL_2, SPLIT, SUM, Connect, Controlled, Wire


@pytest.fixture
def connect() -> Iterator[Connect]:
    wires: list[Wire] = []

    def make(server: Server) -> Wire:
        wires.append(Wire(server.port))
        return wires[-1]

    yield make
    for wire in wires:
        wire.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with background(Server(port=0)) as running:
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
