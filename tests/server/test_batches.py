"""Requests that are put together: which, when, what each is answered, and what each is charged."""

from collections.abc import Iterator, Sequence
from threading import Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alula._core._clock import SYSTEM
from alula.errors import CommandError
from alula.server import LoadTime, Server, Tensor, background
from alula.server._batches import cut
from alula.server._tensors import DTYPES
from alula.testing import Clock
from tests.server.world import MUL, PATIENCE, Connect, Controlled, Gate, Start, Wire, request

OK = b"+OK\r\n"


class Batcher:
    """A model that gives each row back, and writes down the shapes that it was called with."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._lock = Lock()

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        with self._lock:
            self.shapes.append(inputs[0].shape)
        return (inputs[0],)


def store(wire: Wire, options: str, name: str = "m") -> None:
    words = [name, "ONNX", "CPU", *options.split(), "BLOB", name]
    assert wire.ask("AI.MODELSTORE", *words) == OK


def put(wire: Wire, key: str, *values: int, kind: str = "UINT8", shape: str = "") -> None:
    dimensions = (shape or str(len(values))).split()
    assert wire.ask("AI.TENSORSET", key, kind, *dimensions, "VALUES", *values) == OK


class Crowd:
    """A gate that holds the queue, and requests behind it, each on a connection of its own."""

    def __init__(self, server: Server, gate: Gate, connect: Connect) -> None:
        self.server, self._gate, self._connect = server, gate, connect
        self.wire = connect(server)
        self.wires: list[Wire] = []

    def hold(self) -> None:
        put(self.wire, "x", 0)
        self.wire.send(request("AI.MODELRUN gate INPUTS x OUTPUTS y"))
        assert self._gate.begun.wait(PATIENCE)

    def send(self, words: str) -> Wire:
        self.wires.append(self._connect(self.server))
        self.wires[-1].send(request(words))
        assert self._connect(self.server).ask("PING") == b"+PONG\r\n"  # so it has arrived
        return self.wires[-1]

    def let_go(self) -> list[bytes]:
        self._gate.may_end.set()
        assert self.wire.reply() == OK
        return [wire.reply() for wire in self.wires]


@pytest.fixture
def model() -> Batcher:
    return Batcher()


@pytest.fixture
def crowd(start: Start, connect: Connect, model: Batcher, controlled: Controlled) -> Crowd:
    gate = Gate()
    controlled.add("pair", lambda inputs: (inputs[0], inputs[1]), inputs=2, outputs=2)
    return Crowd(start(gate=gate, m=model), gate, connect)


def values(wire: Wire, key: str) -> bytes:
    return wire.ask("AI.TENSORGET", key, "VALUES")


def test_what_waits_behind_another_command_runs_together(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 4")
    for key in range(3):
        put(crowd.wire, f"k{key}", key, key + 10)
    crowd.hold()
    for key in range(3):
        crowd.send(f"AI.MODELEXECUTE m INPUTS 1 k{key} OUTPUTS 1 z{key}")
    assert crowd.let_go() == [OK] * 3
    assert model.shapes == [(4,), (2,)]  # two of them fill it
    assert [values(crowd.wire, f"z{key}") for key in range(3)] == [
        b"*2\r\n:%d\r\n:%d\r\n" % (key, key + 10) for key in range(3)
    ]


def test_the_size_is_a_mark_and_not_a_cap(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 4")
    put(crowd.wire, "three", 1, 2, 3)
    put(crowd.wire, "five", 1, 2, 3, 4, 5)
    crowd.hold()
    for key in ("three", "five", "five", "three"):
        crowd.send(f"AI.MODELRUN m INPUTS {key} OUTPUTS z")
    assert crowd.let_go() == [OK] * 4
    assert model.shapes == [(8,), (5,), (3,)]  # what is large enough by itself waits for nobody


@pytest.mark.parametrize(
    ("kind", "shape"), [("INT8", "2"), ("UINT8", "2 1"), ("UINT8", "1 2"), ("UINT8", "2 1 1")]
)
def test_inputs_of_other_dtypes_ranks_or_dimensions_do_not_fit(
    crowd: Crowd, model: Batcher, kind: str, shape: str
) -> None:
    store(crowd.wire, "BATCHSIZE 9")
    put(crowd.wire, "one", 1, 2, shape="2" if shape != "2 1" else "1 2")
    put(crowd.wire, "two", 1, 2, kind=kind, shape=shape)
    crowd.hold()
    crowd.send("AI.MODELRUN m INPUTS one OUTPUTS z")
    crowd.send("AI.MODELRUN m INPUTS two OUTPUTS z")
    assert crowd.let_go() == [OK] * 2
    assert len(model.shapes) == 2


def test_scalars_and_inputs_of_different_rows_run_alone(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 9 MINBATCHSIZE 9", "pair")
    store(crowd.wire, "BATCHSIZE 9 MINBATCHSIZE 9")
    put(crowd.wire, "one", 1)
    put(crowd.wire, "two", 1, 2)
    assert crowd.wire.ask("AI.TENSORSET scalar UINT8 VALUES 3") == OK
    assert crowd.wire.ask("AI.MODELRUN pair INPUTS one two OUTPUTS y z") == OK
    assert crowd.wire.ask("AI.MODELRUN m INPUTS scalar OUTPUTS z") == OK
    assert model.shapes == [()]


def test_another_model_of_the_same_blob_is_another_model(
    crowd: Crowd, model: Batcher, connect: Connect
) -> None:
    store(crowd.wire, "BATCHSIZE 9")
    put(crowd.wire, "k", 1)
    crowd.hold()
    crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    store(connect(crowd.server), "BATCHSIZE 9")
    crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert crowd.let_go() == [OK] * 2
    assert model.shapes == [(1,), (1,)]


def test_without_a_size_nothing_is_put_together(crowd: Crowd, model: Batcher) -> None:
    put(crowd.wire, "k", 1)
    crowd.hold()
    for _ in range(2):
        crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert crowd.let_go() == [OK] * 2
    assert model.shapes == [(1,), (1,)]


def test_dags_and_commands_of_their_own_run_together_link_by_link(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 9")
    put(crowd.wire, "k", 7)
    crowd.hold()
    dag = "AI.DAGRUN MODELRUN m INPUTS k OUTPUTS ~a~ => MODELRUN m INPUTS ~a~ OUTPUTS ~b~ => TENSORGET ~b~"
    for words in (f"{dag} VALUES", "AI.MODELEXECUTE m INPUTS 1 k OUTPUTS 1 z", f"{dag} VALUES"):
        crowd.send(words)
    seven = b"*3\r\n+OK\r\n+OK\r\n*1\r\n:7\r\n"
    assert crowd.let_go() == [seven, OK, seven]
    assert model.shapes == [(3,), (2,)]


def test_operations_of_one_dag_run_together_too(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 9 MINBATCHSIZE 2")
    put(crowd.wire, "k", 7)
    words = "AI.DAGRUN MODELRUN m INPUTS k OUTPUTS ~a~ => MODELRUN m INPUTS k OUTPUTS ~b~"
    assert crowd.wire.ask(words) == b"*2\r\n+OK\r\n+OK\r\n"
    assert model.shapes == [(2,)]


def test_strings_are_put_together_and_cut(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 9")
    for key, words in (("one", "a bc  d"), ("two", "é x y z")):
        assert crowd.wire.ask("AI.TENSORSET", key, "STRING", 2, 2, "VALUES", *words.split(" ")) == OK
    crowd.hold()
    crowd.send("AI.MODELRUN m INPUTS one OUTPUTS y")
    crowd.send("AI.MODELRUN m INPUTS two OUTPUTS z")
    assert crowd.let_go() == [OK] * 2
    assert model.shapes == [(4, 2)]
    assert crowd.wire.ask("AI.TENSORGET y BLOB") == b"$8\r\na\0bc\0\0d\0\r\n"
    assert crowd.wire.ask("AI.TENSORGET z BLOB") == b"$9\r\n\xc3\xa9\0x\0y\0z\0\r\n"


def test_a_piece_does_not_keep_the_whole() -> None:
    whole = Tensor(DTYPES[b"UINT8"], (3, 2), memoryview(b"abcdef"))
    [(one,), (two,)] = cut([whole], [1, 2])
    assert [(one.shape, one.host().data), (two.shape, two.host().data)] == [
        ((1, 2), b"ab"),
        ((2, 2), b"cdef"),
    ]


# -------------------------------------------------------------------------------------- failures


def test_an_output_without_a_row_for_every_row_fails_all(crowd: Crowd, controlled: Controlled) -> None:
    controlled.add("m", lambda inputs: (Tensor(inputs[0].dtype, (1,), b"\0"),))
    store(crowd.wire, "BATCHSIZE 9")
    put(crowd.wire, "k", 7)
    crowd.hold()
    crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    crowd.send("AI.DAGRUN MODELRUN m INPUTS k OUTPUTS ~y~ => TENSORSET d INT8 1")
    why = b"-ERR Model did not generate the expected batch size\r\n"
    assert crowd.let_go() == [why, b"*2\r\n" + why + OK]
    assert crowd.wire.ask("EXISTS z d") == b":0\r\n"
    assert crowd.wire.ask("AI.MODELRUN m INPUTS k OUTPUTS z") == OK  # alone it may


def test_an_error_of_the_run_is_the_error_of_all(crowd: Crowd, controlled: Controlled) -> None:
    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        raise CommandError("it is broken")

    controlled.add("m", fail)
    store(crowd.wire, "BATCHSIZE 9")
    put(crowd.wire, "k", 7)
    crowd.hold()
    for _ in range(3):
        crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert crowd.let_go() == [b"-it is broken\r\n"] * 3


# ------------------------------------------------------------------------- waiting to be enough


def parked(server: Server) -> int:
    return server._services.devices.parked


def test_too_few_wait_in_nobody_s_way_until_they_are_enough(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 4 MINBATCHSIZE 3")
    put(crowd.wire, "k", 7)
    server = crowd.server
    for number in (1, 2):
        crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
        assert parked(server) == number
    crowd.hold()  # another command runs
    crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert model.shapes == []
    assert crowd.let_go() == [OK] * 3
    assert (model.shapes, parked(server)) == ([(3,)], 0)


def test_a_least_number_above_the_size_is_the_size(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 2 MINBATCHSIZE 3")
    put(crowd.wire, "k", 7)
    for _ in range(3):
        crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert [wire.reply() for wire in crowd.wires] == [OK] * 3
    assert model.shapes == [(3,)]


def test_after_a_while_they_wait_no_longer(start: Start, connect: Connect, model: Batcher) -> None:
    wire = connect(start(clock=SYSTEM, m=model))
    store(wire, "BATCHSIZE 4 MINBATCHSIZE 3 MINBATCHTIMEOUT 5")
    put(wire, "k", 7)
    assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS z") == OK
    assert model.shapes == [(1,)]


def test_that_while_is_the_clock_s(start: Start, connect: Connect, model: Batcher) -> None:
    clock = Clock()
    server = start(clock=clock, m=model)
    wire, other = connect(server), connect(server)
    store(wire, "BATCHSIZE 4 MINBATCHSIZE 3 MINBATCHTIMEOUT 2")
    put(wire, "k", 7)
    wire.send(request("AI.MODELRUN m INPUTS k OUTPUTS z"))
    while not parked(server):
        other.ask("PING")
    clock.advance(0.002)
    other.ask("PING")
    assert parked(server) == 1  # just reached is not passed
    clock.advance(0.001)
    assert wire.reply() == OK


@pytest.mark.parametrize("wait", ["", " MINBATCHTIMEOUT 60000"])
def test_a_request_that_waits_may_time_out(start: Start, connect: Connect, model: Batcher, wait: str) -> None:
    wire = connect(start(clock=SYSTEM, m=model))
    store(wire, f"BATCHSIZE 4 MINBATCHSIZE 3{wait}")
    put(wire, "k", 7)
    assert wire.ask("AI.MODELRUN m TIMEOUT 3 INPUTS k OUTPUTS z") == b"+TIMEDOUT\r\n"
    assert wire.ask("AI.DAGRUN TIMEOUT 3 MODELRUN m INPUTS k OUTPUTS z => TENSORSET d INT8 1") == (
        b"+TIMEDOUT\r\n"
    )
    assert (model.shapes, wire.ask("EXISTS z d")) == ([], b":0\r\n")


def test_a_client_that_goes_away_waits_no_more(crowd: Crowd, model: Batcher) -> None:
    store(crowd.wire, "BATCHSIZE 4 MINBATCHSIZE 2")
    put(crowd.wire, "k", 7)
    server = crowd.server
    gone = crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert parked(server) == 1
    gone.close()
    while parked(server):
        assert crowd.wire.ask("PING") == b"+PONG\r\n"
    crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert (parked(server), model.shapes) == (1, [])
    crowd.send("AI.MODELRUN m INPUTS k OUTPUTS z")
    assert [wire.reply() for wire in crowd.wires[1:]] == [OK] * 2
    assert model.shapes == [(2,)]


def test_one_that_fails_takes_what_waits_of_its_dag_with_it(
    crowd: Crowd, model: Batcher, controlled: Controlled
) -> None:
    gate = Gate()

    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        gate(inputs)
        raise CommandError("it is broken")

    controlled.add("bad", fail)
    crowd.server.deploy("bad", b"bad")
    store(crowd.wire, "BATCHSIZE 4 MINBATCHSIZE 2")
    put(crowd.wire, "k", 7)
    crowd.send("AI.DAGRUN MODELRUN m INPUTS k OUTPUTS ~a~ => MODELRUN bad INPUTS k OUTPUTS ~b~")
    assert gate.begun.wait(PATIENCE)
    assert parked(crowd.server) == 1
    gate.may_end.set()
    assert crowd.wires[0].reply() == b"*2\r\n+NA\r\n-it is broken\r\n"
    assert (parked(crowd.server), model.shapes) == (0, [])


# ------------------------------------------------------------------------------------- statistics


def test_every_request_is_charged_the_whole_and_counts_its_own_rows(
    start: Start, connect: Connect, model: Batcher
) -> None:
    clock, gate = Clock(), Gate()

    def slow(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        clock.advance(2)
        return (inputs[0],)

    server = start(clock=clock, gate=gate, m=slow)
    seen: list[tuple[object, ...]] = []
    server._services.stats.listeners.append(lambda *facts: seen.append(facts))
    crowd = Crowd(server, gate, connect)
    store(crowd.wire, "BATCHSIZE 9")
    put(crowd.wire, "one", 1)
    put(crowd.wire, "two", 1, 2)
    crowd.hold()
    crowd.send("AI.MODELRUN m INPUTS one OUTPUTS y")
    crowd.send("AI.MODELRUN m INPUTS two OUTPUTS z")
    clock.advance(1)
    assert crowd.let_go() == [OK] * 2
    assert seen[1:] == [(b"m", "MODEL", 1.0, 2.0, rows, 2, False) for rows in (1, 2)]


def test_a_real_model_computes_for_several(server: Server, connect: Connect) -> None:
    wires = [connect(server) for _ in range(3)]
    words = ["mul", "ONNX", "CPU", "BATCHSIZE", "3", "MINBATCHSIZE", "3", "BLOB"]
    assert wires[0].ask("AI.MODELSTORE", *words, MUL) == OK
    for number, wire in enumerate(wires):
        assert wire.ask(f"AI.TENSORSET k{number} FLOAT 1 2 VALUES {number} 3") == OK
        run = f"MODELRUN mul INPUTS k{number} k{number} OUTPUTS ~y~"
        wire.send(request(f"AI.DAGRUN {run} => TENSORGET ~y~ VALUES"))
    assert [wire.reply() for wire in wires] == [
        b"*2\r\n+OK\r\n*2\r\n$1\r\n%d\r\n$1\r\n9\r\n" % number**2 for number in range(3)
    ]


# ------------------------------------------------------------------------------------ at random


@pytest.fixture(scope="module")
def crowded() -> Iterator[Server]:
    """A server with a model that adds one; connections to it are made by each example."""
    backend = Controlled()
    backend.add("inc", lambda inputs: (plus_one(inputs[0]),))
    with background(
        Server(port=0, backends={"ONNX": backend}, load_time=LoadTime(dag_parallelism=2))
    ) as server:
        yield server


def plus_one(tensor: Tensor) -> Tensor:
    return Tensor(tensor.dtype, tensor.shape, bytes([(number + 1) % 256 for number in bytes(tensor.data)]))


rows_of_one = st.lists(st.integers(0, 9), min_size=1, max_size=4)
requests = st.lists(st.tuples(rows_of_one, st.integers(1, 3)), max_size=8)


@settings(max_examples=60)
@given(requests, st.integers(0, 5), st.integers(0, 6), st.integers(1, 2), st.booleans())
def test_everybody_gets_the_rows_that_are_his(
    crowded: Server, given_rows: list[tuple[list[int], int]], size: int, least: int, wait: int, shape: bool
) -> None:
    """Whoever else is there, however many rows each brings, and through however many links of a graph."""
    options = f"BATCHSIZE {size}" + (f" MINBATCHSIZE {least}" if size else "")
    options += f" MINBATCHTIMEOUT {wait}" if size and least else ""
    wires = [Wire(crowded.port) for _ in range(len(given_rows) + 1)]
    store(wires[-1], options, name="inc")
    for wire, (rows, links) in zip(wires, given_rows, strict=False):
        shown = f"{len(rows)} 1" if shape and links == 1 else str(len(rows))  # some fit no others
        words = f"AI.DAGRUN TENSORSET ~0~ UINT8 {shown} VALUES {' '.join(map(str, rows))}"
        for link in range(links):
            words += f" => MODELRUN inc INPUTS ~{link}~ OUTPUTS ~{link + 1}~"
        wire.send(request(f"{words} => TENSORGET ~{links}~ VALUES"))
    for wire, (rows, links) in zip(wires, given_rows, strict=False):
        numbers = b"".join(b":%d\r\n" % (number + links) for number in rows)
        assert wire.reply() == b"*%d\r\n" % (links + 2) + OK * (links + 1) + b"*%d\r\n" % len(rows) + numbers
    for wire in wires:
        wire.close()
    assert crowded._services.devices.parked == 0
