"""Who runs when: commands one after the other, the operations of one command side by side."""

import gc
import weakref
from collections.abc import Sequence
from threading import Barrier, Event, current_thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alula.errors import CommandError
from alula.server import Config, Server, Tensor
from alula.server._tensors import DTYPES
from alula.testing import Clock
from tests.server.world import PATIENCE, Connect, Controlled, Gate, Log, Start, Wire, request, tensor

OK = b"+OK\r\n"


def test_two_operations_of_one_dag_run_at_the_same_time(start: Start, connect: Connect) -> None:
    together = Barrier(2, timeout=PATIENCE)  # each waits for the other

    def meet(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        together.wait()
        return (inputs[0],)

    wire = connect(start(m=meet))
    tensor(wire, "x", 1)
    words = "AI.DAGRUN MODELRUN m INPUTS x OUTPUTS ~a~ => MODELRUN m INPUTS x OUTPUTS ~b~"
    assert wire.ask(words) == b"*2\r\n+OK\r\n+OK\r\n"


def test_no_more_operations_of_one_dag_than_its_width_run_at_once_in_listing_order(
    start: Start, connect: Connect
) -> None:
    log = Log()
    wire = connect(start(width=1, m=log))
    words = ["AI.DAGRUN"]
    for number in (1, 2, 3):
        words += (
            f"TENSORSET ~{number}~ UINT8 1 VALUES {number} => MODELRUN m INPUTS ~{number}~ OUTPUTS".split()
        )
        words += [f"~y{number}~", "=>"]
    assert wire.ask(*words[:-1]) == b"*6\r\n" + OK * 6
    assert log.seen == [1, 2, 3]


def test_commands_of_one_device_run_one_after_the_other_in_the_order_of_arrival(
    start: Start, connect: Connect
) -> None:
    gate, log = Gate(), Log()
    server = start(gate=gate, m=log)
    first, others = connect(server), [connect(server) for _ in range(3)]
    for number, wire in enumerate(others):
        tensor(wire, f"k{number}", number)
    first.send(request("AI.MODELRUN gate INPUTS k0 OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    for number, wire in enumerate(others):
        wire.send(request(f"AI.MODELRUN m INPUTS k{number} OUTPUTS y{number}"))
        assert connect(server).ask("PING") == b"+PONG\r\n"  # so the run before has arrived
    assert log.seen == []
    gate.may_end.set()
    assert [wire.reply() for wire in (first, *others)] == [OK] * 4
    assert log.seen == [0, 1, 2]


@pytest.mark.parametrize(("threads", "device"), [(2, "CPU"), (1, "CPU:1")])
def test_more_threads_or_another_device_let_a_second_command_run(
    start: Start, connect: Connect, threads: int, device: str
) -> None:
    gate = Gate()
    server = start(threads=threads, gate=gate, m=Log())
    server.deploy("m", b"m", device=device)
    first, second = connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.MODELRUN gate INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    assert second.ask("AI.MODELRUN m INPUTS k OUTPUTS z") == OK
    gate.may_end.set()
    assert first.reply() == OK


def test_a_dag_runs_its_operations_without_another_command_in_between(start: Start, connect: Connect) -> None:
    gate, log = Gate(), Log()
    server = start(gate=gate, m=log)
    first, second = connect(server), connect(server)
    tensor(first, "one", 1)
    tensor(first, "two", 2)
    first.send(request(
        "AI.DAGRUN MODELRUN gate INPUTS one OUTPUTS ~a~ => MODELRUN m INPUTS ~a~ OUTPUTS ~b~ "
        "=> MODELRUN m INPUTS ~b~ OUTPUTS ~c~"
    ))  # fmt: skip
    assert gate.begun.wait(PATIENCE)
    second.send(request("AI.MODELRUN m INPUTS two OUTPUTS z"))
    assert connect(server).ask("PING") == b"+PONG\r\n"
    gate.may_end.set()
    assert (first.reply(), second.reply()) == (b"*3\r\n" + OK * 3, OK)
    assert log.seen == [1, 1, 2]


# ------------------------------------------------------------------------------- models in a hurry


class Threads:
    """A model that writes down on which thread it runs, and takes as long as it is told."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.seconds = clock, 0.0
        self.own: list[bool] = []

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        self.own.append(current_thread().name == "alula-server")
        self.clock.advance(self.seconds)
        return (inputs[0],)


def test_a_model_that_is_quicker_than_a_thread_runs_on_the_server_s_own(
    start: Start, connect: Connect
) -> None:
    clock = Clock()
    model = Threads(clock)
    wire = connect(start(clock=clock, m=model))
    tensor(wire, "k", 1)
    run = "AI.MODELRUN m INPUTS k OUTPUTS y"
    while True not in model.own:
        assert wire.ask(run) == OK
    assert len(model.own) == 3  # the first run warms up, the second shows that it is quick
    model.seconds = 0.001
    for _ in range(5):
        assert wire.ask(run) == OK
    # Not for one run that was held up is it sent away, but for so many.
    assert model.own[3:] == [True, True, True, True, False]
    model.own.clear()
    for _ in range(9):
        assert wire.ask(run) == OK
    # It takes none of the processor's time elsewhere, so it is tried again, after longer and longer pauses.
    assert model.own == [True, *[False] * 4, True, *[False] * 3]
    model.seconds = 0.0
    while not model.own[-1]:
        assert wire.ask(run) == OK
    model.seconds = 0.1
    assert wire.ask(run) == OK
    model.seconds = 0.0
    model.own.clear()
    for _ in range(33):
        assert wire.ask(run) == OK
    assert model.own == [*[False] * 32, True]  # once is enough if it was that long
    assert wire.ask("AI.TENSORSET k UINT8 2") == OK
    assert wire.ask(run) == OK
    assert model.own[-1:] == [False]  # other shapes are another matter
    for _ in range(2):
        assert wire.ask(run) == OK
    model.own.clear()
    for size in "1212":
        assert wire.ask(f"AI.TENSORSET k UINT8 {size}") == OK
        assert wire.ask(run) == OK
    assert model.own == [True] * 4  # each of them is remembered


def test_quick_and_slow_models_keep_all_orders(start: Start, connect: Connect) -> None:
    """A long queue of quick commands behind a slow one: in order, and without a deep recursion."""
    gate, log = Gate(), Log()
    server = start(gate=gate, m=log)
    wires = [connect(server) for _ in range(300)]
    for number in range(256):
        tensor(wires[0], f"k{number}", number)
    for _ in range(6):  # then it is known to be quick
        assert wires[0].ask("AI.MODELRUN m INPUTS k0 OUTPUTS y") == OK
    log.seen.clear()
    wires[0].send(request("AI.MODELRUN gate INPUTS k0 OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    for number, wire in enumerate(wires[1:]):
        dag = f"AI.DAGRUN MODELRUN m INPUTS k{number % 256} OUTPUTS ~a~ => MODELRUN m INPUTS ~a~ OUTPUTS ~b~"
        wire.send(request("PING") + request(dag))
        assert wire.reply() == b"+PONG\r\n"
    gate.may_end.set()
    assert [wire.reply() for wire in wires] == [OK] + [b"*2\r\n" + OK * 2] * 299
    assert log.seen == [number % 256 for number in range(299) for _ in "ab"]


# -------------------------------------------------------------------------------------- timeouts


@pytest.mark.parametrize(
    ("words", "late"),
    [
        ("AI.MODELRUN m TIMEOUT 100 INPUTS k OUTPUTS z", 0.101),
        ("AI.MODELEXECUTE m INPUTS 1 k OUTPUTS 1 z TIMEOUT 100", 0.101),
        ("AI.DAGRUN TIMEOUT 100 MODELRUN m INPUTS k OUTPUTS z => TENSORSET d INT8 1", 0.101),
        ("AI.DAGEXECUTE LOAD 1 k PERSIST 1 z TIMEOUT 100 |> MODELEXECUTE m INPUTS 1 k OUTPUTS 1 z", 0.101),
    ],
)
def test_a_command_that_waits_for_longer_than_it_wants_is_dropped(
    start: Start, connect: Connect, words: str, late: float
) -> None:
    gate, log, clock = Gate(), Log(), Clock()
    server = start(clock=clock, gate=gate, m=log)
    first, second = connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.MODELRUN gate INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    second.send(request(words))
    assert connect(server).ask("PING") == b"+PONG\r\n"
    clock.advance(late)
    gate.may_end.set()
    assert (first.reply(), second.reply()) == (OK, b"+TIMEDOUT\r\n")
    assert log.seen == []
    assert second.ask("EXISTS z d") == b":0\r\n"


def test_a_dag_may_time_out_between_two_operations(start: Start, connect: Connect) -> None:
    gate, log, clock = Gate(), Log(), Clock()
    wire = connect(start(clock=clock, gate=gate, m=log))
    tensor(wire, "k", 1)
    wire.send(
        request("AI.DAGRUN TIMEOUT 100 MODELRUN gate INPUTS k OUTPUTS a => MODELRUN m INPUTS a OUTPUTS b")
    )
    assert gate.begun.wait(PATIENCE)
    clock.advance(1)
    gate.may_end.set()
    assert wire.reply() == b"+TIMEDOUT\r\n"
    assert (log.seen, wire.ask("EXISTS a b")) == ([], b":0\r\n")


def test_a_timeout_that_is_just_reached_has_not_passed(start: Start, connect: Connect) -> None:
    gate, clock = Gate(), Clock()
    server = start(clock=clock, gate=gate, m=Log())
    first, second = connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.MODELRUN gate INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    second.send(request("AI.MODELRUN m TIMEOUT 500 INPUTS k OUTPUTS z"))
    assert connect(server).ask("PING") == b"+PONG\r\n"
    clock.advance(0.5)
    gate.may_end.set()
    assert (first.reply(), second.reply()) == (OK, OK)


# -------------------------------------------------------------------------------------- failures


def test_what_runs_when_another_operation_fails_ends_and_is_told_truthfully(
    start: Start, connect: Connect, controlled: Controlled
) -> None:
    gate, failed = Gate(), Event()

    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        assert gate.begun.wait(PATIENCE)
        failed.set()
        raise CommandError("it is broken")

    def split(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        gate(inputs)
        return inputs[0], inputs[0]

    server = start(bad=fail)
    controlled.add("split", split, outputs=2)
    server.deploy("split", b"split")
    wire = connect(server)
    tensor(wire, "k", 7)
    wire.send(request(
        "AI.DAGRUN MODELRUN bad INPUTS k OUTPUTS a => MODELRUN split INPUTS k OUTPUTS b ~c~ "
        "=> MODELRUN bad INPUTS b OUTPUTS ~d~ => TENSORGET ~c~ VALUES => TENSORGET b VALUES => TENSORGET a"
    ))  # fmt: skip
    assert failed.wait(PATIENCE)
    assert connect(server).ask("PING") == b"+PONG\r\n"
    gate.may_end.set()
    assert wire.reply() == b"*6\r\n-it is broken\r\n+OK\r\n+NA\r\n*1\r\n:7\r\n*1\r\n:7\r\n+NA\r\n"
    assert wire.ask("EXISTS a b") == b":0\r\n"


def test_an_error_that_is_no_reply_costs_one_reply(
    start: Start, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        raise ZeroDivisionError("of the\nbackend")

    wire = connect(start(m=crash))
    tensor(wire, "k", 1)
    assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS y") == b"-ERR ZeroDivisionError: of the backend\r\n"
    assert "ZeroDivisionError" in caplog.text
    assert wire.ask("PING") == b"+PONG\r\n"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_model_that_gives_another_number_of_outputs_than_it_said_fails(
    start: Start, connect: Connect, controlled: Controlled, count: int
) -> None:
    controlled.add("m", lambda inputs: (inputs[0],) * count, outputs=2)
    server = start()
    server.deploy("m", b"m")
    wire = connect(server)
    tensor(wire, "k", 1)
    assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS y z") == (
        b"-ERR Model did not generate the expected number of outputs\r\n"
    )


def test_a_tensor_that_cannot_be_shown_costs_one_reply(start: Start, connect: Connect) -> None:
    broken = Tensor(DTYPES[b"FLOAT"], (2,), b"123")
    wire = connect(start(m=lambda inputs: (broken,)))
    tensor(wire, "k", 1)
    reply = wire.ask("AI.DAGRUN MODELRUN m INPUTS k OUTPUTS ~y~ => TENSORGET ~y~ VALUES")
    assert reply.startswith(b"-ERR ValueError: ")
    assert wire.ask("PING") == b"+PONG\r\n"


# ------------------------------------------------------------------------- captured at submission


def test_a_run_keeps_the_inputs_and_the_model_that_it_began_with(
    start: Start, connect: Connect, controlled: Controlled
) -> None:
    gate = Gate()
    server = start(gate=gate, m=Log())
    first, second = connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.DAGRUN MODELRUN gate INPUTS k OUTPUTS ~a~ => MODELRUN m INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    tensor(second, "k", 2)
    assert second.ask("AI.MODELDEL m") == OK
    gate.may_end.set()
    assert first.reply() == b"*2\r\n+OK\r\n+OK\r\n"
    assert second.ask("AI.TENSORGET y VALUES") == b"*1\r\n:1\r\n"


def test_all_that_a_dag_stores_appears_at_its_end_and_nothing_volatile_ever(
    start: Start, connect: Connect
) -> None:
    gate = Gate()
    server = start(gate=gate)
    first, second = connect(server), connect(server)
    first.send(request(
        "AI.DAGRUN TENSORSET x UINT8 1 VALUES 1 => TENSORSET ~v~ UINT8 1 => MODELRUN gate INPUTS x OUTPUTS y "
        "=> MODELRUN gate INPUTS ~v~ OUTPUTS ~w~"
    ))  # fmt: skip
    assert gate.begun.wait(PATIENCE)
    assert second.ask("KEYS *") == b"*1\r\n$4\r\ngate\r\n"
    gate.may_end.set()
    assert first.reply() == b"*4\r\n" + OK * 4
    assert second.ask("DEL x y gate") == b":3\r\n"
    assert second.ask("DBSIZE") == b":0\r\n"


# ------------------------------------------------------------------------------------ short lives


def test_a_tensor_goes_when_its_last_reader_has_ended(start: Start, connect: Connect) -> None:
    gate, arrays = Gate(), list[weakref.ref[NDArray[Any]]]()

    def make(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        array = np.zeros(1000, "u1")
        arrays.append(weakref.ref(array))
        return (Tensor.of(array),)

    wire = connect(start(make=make, gate=gate))
    tensor(wire, "k", 1)
    gc.disable()  # nothing may depend on it
    try:
        wire.send(request(
            "AI.DAGRUN MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN make INPUTS ~a~ OUTPUTS ~b~ "
            "=> MODELRUN gate INPUTS ~b~ OUTPUTS ~c~"
        ))  # fmt: skip
        assert gate.begun.wait(PATIENCE)
        assert [array() is None for array in arrays] == [True, False]
        gate.may_end.set()
        assert wire.reply() == b"*3\r\n" + OK * 3
        assert wire.ask("PING") == b"+PONG\r\n"  # the server's loop has made another turn
        assert [array() is None for array in arrays] == [True, True]
    finally:
        gc.enable()


def test_a_client_that_goes_away_stores_nothing_and_starts_nothing_more(
    start: Start, connect: Connect
) -> None:
    gate, log = Gate(), Log()
    server = start(gate=gate, m=log)
    first, second = connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.DAGRUN MODELRUN gate INPUTS k OUTPUTS a => MODELRUN m INPUTS a OUTPUTS b"))
    assert gate.begun.wait(PATIENCE)
    first.close()
    while b"connected_clients:2" in second.ask("INFO clients"):
        pass
    gate.may_end.set()
    assert second.ask("AI.MODELRUN m INPUTS k OUTPUTS z") == OK  # behind it in the queue
    assert (log.seen, second.ask("EXISTS a b z")) == ([1], b":1\r\n")


def test_a_client_that_goes_away_leaves_the_queue(start: Start, connect: Connect) -> None:
    gate, log = Gate(), Log()
    server = start(gate=gate, m=log)
    first, second, third = connect(server), connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.MODELRUN gate INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    second.send(request("AI.MODELRUN m INPUTS k OUTPUTS z"))
    second.close()
    while b"connected_clients:3" in third.ask("INFO clients"):
        pass
    gate.may_end.set()
    assert first.reply() == OK
    assert third.ask("AI.MODELRUN gate INPUTS k OUTPUTS x") == OK
    assert (log.seen, third.ask("EXISTS z")) == ([], b":0\r\n")


def test_replies_keep_their_order_while_other_connections_go_on(start: Start, connect: Connect) -> None:
    gate = Gate()
    server = start(gate=gate)
    first, second = connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.MODELRUN gate INPUTS k OUTPUTS y") + request("PING") + request("EXISTS y"))
    assert gate.begun.wait(PATIENCE)
    assert second.ask("PING") == b"+PONG\r\n"
    gate.may_end.set()
    assert [first.reply() for _ in range(3)] == [OK, b"+PONG\r\n", b":1\r\n"]


# ------------------------------------------------------------------------------------ strict order


def test_what_has_not_begun_when_another_operation_fails_is_skipped(
    start: Start, connect: Connect, controlled: Controlled
) -> None:
    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        raise CommandError("it is broken")

    log = Log()
    wire = connect(start(width=1, bad=fail, m=log))
    tensor(wire, "k", 1)
    words = "AI.DAGRUN MODELRUN bad INPUTS k OUTPUTS ~a~ => MODELRUN m INPUTS k OUTPUTS b => TENSORGET b"
    assert wire.ask(words) == b"*3\r\n-it is broken\r\n+NA\r\n+NA\r\n"
    assert (log.seen, wire.ask("EXISTS b")) == ([], b":0\r\n")


def test_what_waits_at_another_device_is_skipped_at_once(start: Start, connect: Connect) -> None:
    gate = Gate()

    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        raise CommandError("it is broken")

    server = start(gate=gate, bad=fail, m=Log())
    server.deploy("bad", b"bad", device="CPU:1")
    first, second = connect(server), connect(server)
    tensor(first, "k", 1)
    first.send(request("AI.MODELRUN gate INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    words = "AI.DAGRUN MODELRUN m INPUTS k OUTPUTS ~a~ => MODELRUN bad INPUTS k OUTPUTS ~b~"
    assert second.ask(words) == b"*2\r\n+NA\r\n-it is broken\r\n"  # though the gate is closed
    gate.may_end.set()
    assert first.reply() == OK
    assert second.ask("AI.MODELRUN m INPUTS k OUTPUTS z") == OK


def strict() -> Config:
    config = Config()
    config.dag_parallel = False
    return config


def listing(server: Server, wire: Wire) -> str:
    """A DAG in which a later operation has its inputs long before an earlier one has."""
    server.deploy("far", b"gate", device="CPU:1")
    tensor(wire, "one", 1)
    tensor(wire, "two", 2)
    return (
        "AI.DAGRUN MODELRUN far INPUTS one OUTPUTS ~a~ => MODELRUN m INPUTS ~a~ OUTPUTS ~b~ "
        "=> MODELRUN m INPUTS two OUTPUTS ~c~"
    )


@pytest.mark.parametrize(("parallel", "seen"), [(True, [2, 3, 1]), (False, [3, 1, 2])])
def test_without_parallel_each_device_keeps_the_order_of_the_listing(
    start: Start, connect: Connect, parallel: bool, seen: list[int]
) -> None:
    gate, log = Gate(), Log()
    server = start(config=None if parallel else strict(), gate=gate, m=log)
    wire, other = connect(server), connect(server)
    wire.send(request(listing(server, wire)))
    assert gate.begun.wait(PATIENCE)
    while len(log.seen) < parallel:
        assert other.ask("PING") == b"+PONG\r\n"
    tensor(other, "three", 3)
    assert other.ask("AI.MODELRUN m INPUTS three OUTPUTS z") == b"+OK\r\n"  # nobody holds the queue
    gate.may_end.set()
    assert wire.reply() == b"*3\r\n" + OK * 3
    assert log.seen == seen


def test_without_parallel_a_failure_skips_what_comes_after_it(start: Start, connect: Connect) -> None:
    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        raise CommandError("it is broken")

    server = start(config=strict(), gate=fail, m=Log())
    wire = connect(server)
    assert wire.ask(listing(server, wire)) == b"*3\r\n-it is broken\r\n+NA\r\n+NA\r\n"


def test_the_order_may_be_switched_while_the_server_runs(start: Start, connect: Connect) -> None:
    together = Barrier(2, timeout=PATIENCE)

    def meet(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        together.wait()
        return (inputs[0],)

    config = strict()
    wire = connect(start(config=config, m=meet))
    config.set({"dag-parallel": "yes"})
    tensor(wire, "x", 1)
    words = "AI.DAGRUN MODELRUN m INPUTS x OUTPUTS ~a~ => MODELRUN m INPUTS x OUTPUTS ~b~"
    assert wire.ask(words) == b"*2\r\n+OK\r\n+OK\r\n"


def test_quick_operations_in_strict_order_make_no_recursion(start: Start, connect: Connect) -> None:
    gate, log = Gate(), Log()
    wire = connect(start(config=strict(), gate=gate, m=log))
    tensor(wire, "k", 1)
    for _ in range(6):
        assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS y") == OK
    words = "AI.DAGRUN MODELRUN gate INPUTS k OUTPUTS ~a~"
    for number in range(1500):
        words += f" => MODELRUN m INPUTS k OUTPUTS ~{number}~"
    wire.send(request(words))
    assert gate.begun.wait(PATIENCE)
    gate.may_end.set()
    assert wire.reply() == b"*1501\r\n" + OK * 1501
