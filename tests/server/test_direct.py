"""Commands of quick models, run in one go, answer and store just what the devices would have them do."""

from collections.abc import Sequence
from threading import current_thread

import pytest

from alula.errors import CommandError
from alula.server import Server, Tensor
from alula.testing import Clock
from tests.server.world import PATIENCE, Connect, Controlled, Gate, Log, Start, Wire, request, tensor

OK = b"+OK\r\n"
CHAIN = "AI.DAGRUN MODELRUN m INPUTS k OUTPUTS ~a~ => MODELRUN n INPUTS ~a~ OUTPUTS b => TENSORGET b VALUES"


class Model:
    """Adds one; fails when it is told to; says on which thread it ran."""

    def __init__(self) -> None:
        self.fails = False
        self.own: list[bool] = []

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        self.own.append(current_thread().name == "alula-server")
        if self.fails:
            raise CommandError("it was told to")
        [data] = bytes(inputs[0].data)
        return (Tensor(inputs[0].dtype, inputs[0].shape, bytes([data + 1])),)


class Pair:
    """Two models that are known to be quick: by a clock that stands still."""

    def __init__(self, start: Start, connect: Connect) -> None:
        self.first, self.second = Model(), Model()
        self.told: list[tuple[bytes, int, bool]] = []
        self.server: Server = start(clock=Clock(), m=self.first, n=self.second)
        self.wire: Wire = connect(self.server)
        stats = self.server._services.stats
        stats.listeners.append(
            lambda key, kind, queued, ran, n, batch, failed: self.told.append((key, n, failed))
        )
        tensor(self.wire, "k", 1)
        while not (self.first.own and self.first.own[-1] and self.second.own[-1]):
            assert self.wire.ask(CHAIN) == b"*3\r\n+OK\r\n+OK\r\n*1\r\n:3\r\n"
        assert self.wire.ask("DEL b") == b":1\r\n"
        self.told.clear()


@pytest.fixture
def pair(start: Start, connect: Connect) -> Pair:
    return Pair(start, connect)


def test_each_operation_is_counted_and_what_is_stored_is_there(pair: Pair) -> None:
    assert pair.wire.ask(CHAIN) == b"*3\r\n+OK\r\n+OK\r\n*1\r\n:3\r\n"
    assert pair.wire.ask("AI.TENSORGET b VALUES") == b"*1\r\n:3\r\n"
    assert pair.told == [(b"m", 1, False), (b"n", 1, False)]
    assert pair.wire.ask("AI.MODELRUN m INPUTS b OUTPUTS b") == OK
    assert pair.wire.ask("AI.TENSORGET b VALUES") == b"*1\r\n:4\r\n"


def test_a_failure_is_answered_counted_once_and_nothing_is_stored(pair: Pair) -> None:
    pair.second.fails = True
    assert pair.wire.ask(CHAIN) == b"*3\r\n+OK\r\n-it was told to\r\n+NA\r\n"
    assert pair.told == [(b"m", 1, False), (b"n", 0, True)]
    assert pair.wire.ask("EXISTS b") == b":0\r\n"
    assert pair.wire.ask("AI.MODELRUN n INPUTS k OUTPUTS b") == b"-it was told to\r\n"
    assert pair.told[2:] == [(b"n", 0, True)]


def test_what_fails_has_run_once_and_right_here(pair: Pair) -> None:
    pair.second.fails = True
    for model in (pair.first, pair.second):
        model.own.clear()
    assert pair.wire.ask("AI.MODELRUN n INPUTS k OUTPUTS b") == b"-it was told to\r\n"
    assert pair.wire.ask(CHAIN).startswith(b"*3\r\n+OK\r\n-it was told to\r\n")
    assert (pair.first.own, pair.second.own) == ([True], [True, True])


def test_of_several_outputs_that_were_made_before_a_failure_each_can_be_read(
    pair: Pair, controlled: Controlled
) -> None:
    controlled.add("two", lambda inputs: (inputs[0], inputs[0]), outputs=2)
    pair.server.deploy("two", b"two")
    both = (
        "AI.DAGRUN MODELRUN two INPUTS k OUTPUTS ~a~ ~b~ => MODELRUN n INPUTS k OUTPUTS ~c~ "
        "=> MODELRUN m INPUTS ~c~ OUTPUTS d => TENSORGET ~b~ VALUES => TENSORGET k VALUES => TENSORGET ~c~"
    )
    one = b"*1\r\n:1\r\n"
    for _ in range(3):  # then it is known to be quick
        assert pair.wire.ask(both).startswith(b"*6\r\n+OK\r\n+OK\r\n+OK\r\n" + one + one)
    pair.second.fails = True
    pair.second.own.clear()
    failed = b"*6\r\n+OK\r\n-it was told to\r\n+NA\r\n" + one + one + b"+NA\r\n"
    assert pair.wire.ask(both) == failed
    assert pair.second.own == [True]


def test_what_cannot_be_stored_is_said_behind_the_replies(pair: Pair) -> None:
    assert pair.wire.ask("SET b text") == OK
    wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    assert pair.wire.ask(CHAIN) == b"*4\r\n+OK\r\n+OK\r\n*1\r\n:3\r\n" + wrong
    assert pair.wire.ask("AI.MODELRUN m INPUTS k OUTPUTS b") == wrong


def test_a_quick_command_waits_for_its_turn_at_a_busy_device(start: Start, connect: Connect) -> None:
    gate, log = Gate(), Log()
    server = start(clock=Clock(), gate=gate, m=log)
    busy, wire = connect(server), connect(server)
    tensor(wire, "k", 7)
    for _ in range(3):  # then it is known to be quick
        assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS y") == OK
    busy.send(request("AI.MODELRUN gate INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    wire.send(request("AI.MODELRUN m INPUTS k OUTPUTS y"))
    assert connect(server).ask("PING") == b"+PONG\r\n"
    assert len(log.seen) == 3
    gate.may_end.set()
    assert busy.reply() == wire.reply() == OK
    assert len(log.seen) == 4
