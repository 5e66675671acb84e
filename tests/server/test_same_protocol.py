"""The same bytes to a real Redis and to ours: what is no request is refused in the same words."""

from collections.abc import Iterator

import pytest

from alula.server import Server, background
from tests.server.redis_server import RedisServer
from tests.server.world import Wire, request

PING = request("PING")
QUIT = request("QUIT")  # so that every stream ends

STREAMS = [
    b"",
    b"\r\n\n\r\n",
    b"PING\r\n",
    b"PING\n",
    b"ping hello\r\n",
    b"  PING   hello  \r\n",
    b"\tPING\tx\r\n",
    b"ECHO 'a b'\r\n",
    b"ECHO 'a\\'b\\n'\r\n",
    b'ECHO "a\\x41\\n\\t\\"\\q\\xZZ"\r\n',
    b"ECHO ''\r\n",
    b'ECHO a"b\r\n',
    b'ECHO "b"c\r\n',
    b"ECHO 'b'c\r\n",
    b"ECHO 'b\r\n",
    b"ECHO a'b'\r\n",
    b"ECHO \xff\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*-5\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"*1\n$4\r\nPING\r\n",
    b"*x\r\n",
    b"*\r\n",
    b"* 1\r\n",
    b"*+1\r\n",
    b"*01\r\n",
    b"*1 \r\n",
    b"*2147483648\r\n",
    b"*99999999999999999999\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n\xffPING\r\n",
    b"*1\r\n:4\r\nPING\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$+4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$999999999999\r\n",
    b"*1\r\n$0\r\n\r\n",
    b"*2\r\n$0\r\n\r\n$1\r\nx\r\n",
    b"*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n",
    b"*" + b"1" * 70000,
    b"x" * 70000,
    PING + b"*x\r\n" + PING,
    b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"Host: x\r\n",
]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server.port
    server.kill()


@pytest.fixture(scope="module")
def ours() -> Iterator[Server]:
    with background(Server(port=0)) as server:
        yield server


def answered(port: int, stream: bytes) -> bytes:
    """All that comes back before the connection is closed."""
    wire = Wire(port)
    wire.send(stream + QUIT)
    try:
        return wire.file.read()
    except ConnectionResetError:  # it was closed while there was more to read
        return b"reset"
    finally:
        wire.close()


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: repr(stream[:30]))
def test_what_comes_back_is_what_redis_sends(redis: int, ours: Server, stream: bytes) -> None:
    assert answered(ours.port, stream) == answered(redis, stream)
