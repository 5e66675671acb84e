"""Whatever comes over the wire: no crash, nothing left over, and nobody else harmed.

Each stream of bytes goes to the server in pieces, over a connection of its own. A bystander then has its
answers, the server's log is empty, and nothing of the connection stays behind.
"""

import gc
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alula.server import Server, background
from tests.server.world import MUL, Wire, request

SAMPLES = [  # commands that mean something, of every kind; the first ones are the samples of the contract
    "AI.DAGRUN |> AI.TENSORSET a FLOAT 1 VALUES 5",
    "AI.DAGEXECUTE LOAD 1 p |> AI.TENSORGET p META VALUES",
    "AI.DAGEXECUTE ROUTING x PERSIST 1 a BAD_ARG",
    "AI.CONFIG GET MODEL_CHUNK_SIZE",
    "AI.CONFIG GET nothing",
    "AI.INFO m",
    "AI.DAGRUN TENSORSET ~a~ FLOAT 2 VALUES 2 3 => MODELRUN m INPUTS ~a~ ~a~ OUTPUTS d => TENSORGET d VALUES",
    "AI.DAGRUN_RO TENSORSET ~a~ STRING 2 VALUES |> => => TENSORGET ~a~ BLOB",
    "AI.DAGRUNASYNC NOID TENSORSET a FLOAT 2 VALUES 2 3",
    "AI.DAGRUNASYNC KEEP 5 |> AI.TENSORSET a FLOAT 2 VALUES 2 3",
    "AI.DAGSTATUS 1-0 NOREPLIES",
    "AI.DAGCANCEL 1-0",
    "AI.DAGLIST STATE done",
    "AI.DAGPLAN AI.DAGRUN LOAD 1 p |> AI.TENSORGET p",
    "AI.TENSORSET k INT8 2 3 BLOB abcdef",
    "AI.TENSORGET p META BLOB",
    "AI.MODELEXECUTE m INPUTS 2 p p OUTPUTS 1 y TIMEOUT 100",
    "AI.MODELRUN m INPUTS p p OUTPUTS y",
    "AI.MODELGET m META",
    "AI.MODELSTORE n ONNX CPU TAG t BATCHSIZE 2 MINBATCHSIZE 1 BLOB x y z",
    "AI.SCRIPTEXECUTE s f KEYS 1 k INPUTS 1 p ARGS 1 x OUTPUTS 1 y",
    "AI.SCRIPTRUN s f INPUTS p $ p OUTPUTS y",
    "AI.SCRIPTGET s META SOURCE",
    "AI._MODELSCAN",
    "SET k v EX 100 NX GET",
    "MSET a 1 b 2 c 3",
    "HSET h f 1 g 2",
    "RPUSH l 1 2 3",
    "LRANGE l 0 -1",
    "LPOS l 1 RANK -1 COUNT 2 MAXLEN 3",
    "LINSERT l BEFORE 2 x",
    "LMOVE l l2 LEFT RIGHT",
    "LTRIM l 0 -2",
    "SADD s 1 2 x",
    "SPOP s 2",
    "SRANDMEMBER s -3",
    "SINTERCARD 2 s s LIMIT 1",
    "SUNIONSTORE d s s",
    "SSCAN s 0 MATCH * COUNT 10",
    "HSCAN h 0 MATCH [a-z] COUNT 10",
    "HRANDFIELD h 2 WITHVALUES",
    "INCRBYFLOAT n 1.5e3",
    "HINCRBYFLOAT h n 0x1p3",
    "SETRANGE k 5 abc",
    "GETEX k PX 100",
    "COPY k k3 REPLACE",
    "SCAN 0 MATCH [a-z]* COUNT 10 TYPE string",
    "EXPIRE k 100 NX",
    "MULTI",
    "EXEC",
    "WATCH k p",
    "SUBSCRIBE a b",
    "PSUBSCRIBE a[* b",
    "UNSUBSCRIBE",
    "PUBLISH a x",
    "HELLO 3 SETNAME me",
    "CLIENT LIST ID 1 2",
    "CLIENT SETINFO LIB-NAME x",
    "CONFIG GET * max*",
    "COMMAND GETKEYS AI.DAGRUN LOAD 2 a b |> AI.TENSORGET a",
    "COMMAND INFO get config|set",
    "SLOWLOG GET 5",
    "CLIENT REPLY SKIP",
    "CLIENT REPLY OFF",
    "CLIENT TRACKING ON BCAST PREFIX a PREFIX b NOLOOP",
    "CLIENT TRACKING ON OPTIN",
    "CLIENT CACHING YES",
    "CLIENT TRACKINGINFO",
    "MONITOR",
    "OBJECT ENCODING k",
    "INFO everything",
    "DUMP p",
    "RESTORE k 0 x REPLACE",
    "RENAME k k2",
    "RESET",
]
KEPT = {b"m", b"p"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with background(Server(port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def bystander(server: Server) -> Iterator[Wire]:
    """A client that has a model and a tensor, and whose requests are always answered."""
    wire = Wire(server.port)
    yield wire
    wire.close()


def prepare(wire: Wire) -> None:
    assert wire.ask("FLUSHALL") == b"+OK\r\n"
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == b"+OK\r\n"
    assert wire.ask("AI.TENSORSET p FLOAT 1 VALUES 5") == b"+OK\r\n"


def throw(server: Server, stream: bytes, cuts: list[int]) -> None:
    """Send a stream in pieces and hang up, having read what there was to read."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=150) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # the server has closed it before all was sent
            for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                made.sendall(stream[start:stop])
            made.shutdown(socket.SHUT_WR)
            while made.recv(1 << 16):
                pass


def unharmed(server: Server, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """The bystander is served, nothing was logged, and nothing of other clients is left."""
    prepare(wire)
    reply = wire.ask("AI.DAGRUN MODELRUN m INPUTS p p OUTPUTS ~y~ => TENSORGET ~y~ VALUES")
    assert reply == b"*2\r\n+OK\r\n*1\r\n$2\r\n25\r\n"
    services = server._services
    while len(services.clients) > 1:  # those that have hung up are noticed soon
        assert wire.ask("PING") == b"+PONG\r\n"
    assert (services.pubsub.channels(), services.pubsub.patterns) == ([], 0)
    assert caplog.messages == []


quiet = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
many = settings(quiet, max_examples=150)


@st.composite
def cut(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> tuple[bytes, list[int]]:
    stream = draw(streams)
    return stream, sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))


commands = st.sampled_from(SAMPLES).map(request)
noise = st.binary(max_size=60)
resp = st.lists(
    st.sampled_from([b"*", b"$", b"\r\n", b"1", b"3", b"-1", b"0", b"PING", b"'", b'"', b"\xff", b"\0"])
).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid requests with some bytes changed, left out or put in."""
    stream = bytearray(b"".join(draw(st.lists(commands, min_size=1, max_size=4))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(stream)))
        stream[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3) | resp)
    return bytes(stream)


words = st.one_of(
    st.sampled_from([word for sample in SAMPLES for word in sample.split()]).map(str.encode),
    st.integers(-(1 << 65), 1 << 65).map(lambda number: b"%d" % number),
    st.sampled_from([b"9" * 5000, b"-" + b"1" * 5000, b"1" * 20, b"0x1p9999", b"[" * 2000, b"*" * 2000]),
    noise,
)


@st.composite
def shuffled(draw: st.DrawFn) -> bytes:
    """Well-formed requests of words that do not belong together, behind names that exist."""
    names = st.sampled_from(SAMPLES).map(lambda sample: sample.split()[0].encode())
    return b"".join(
        request(draw(names), *draw(st.lists(words, max_size=8))) for _ in range(draw(st.integers(1, 4)))
    )


@many
@given(cut(noise | resp | mutated()))
@example((b"*1\r\n$4\r\nQUIT\r\n" * 3, [5]))
def test_arbitrary_and_damaged_bytes(
    server: Server, bystander: Wire, caplog: pytest.LogCaptureFixture, thrown: tuple[bytes, list[int]]
) -> None:
    throw(server, *thrown)
    unharmed(server, bystander, caplog)


@many
@given(cut(shuffled()))
def test_arbitrary_words_behind_real_names(
    server: Server, bystander: Wire, caplog: pytest.LogCaptureFixture, thrown: tuple[bytes, list[int]]
) -> None:
    throw(server, *thrown)
    unharmed(server, bystander, caplog)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_truncation_of_every_sample(
    server: Server, bystander: Wire, caplog: pytest.LogCaptureFixture, sample: str
) -> None:
    stream = request(sample)
    for stop in range(len(stream)):
        throw(server, stream[:stop], [])
    unharmed(server, bystander, caplog)


@pytest.mark.timeout(400)
def test_nothing_grows(server: Server, bystander: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """After many damaged clients there are no more objects than after a few."""
    streams = [request(sample)[:-3] for sample in SAMPLES] + [b"*1\r\n$1000\r\n" + b"x" * 500]

    def objects() -> int:
        for stream in streams:
            throw(server, stream, [7])
        unharmed(server, bystander, caplog)
        gc.collect()
        return len(gc.get_objects())

    objects()
    before = objects()
    for _ in range(3):
        after = objects()
    assert after - before < 50
