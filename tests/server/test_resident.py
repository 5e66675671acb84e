"""Tensors go after their last reader, and stay on a device until somebody asks for them."""

import asyncio
import gc
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alula.errors import CommandError
from alula.server import Backend, MemoryKeyspace, Resident, Server, Session, Stop, Tensor, background
from alula.server._devices import Devices
from alula.server._models import Model
from alula.server._plans import Plans
from alula.server._run import Running
from alula.server._tensors import DTYPES
from alula.testing import Clock
from tests.server.world import (
    PATIENCE,
    Connect,
    Controlled,
    ControlledSession,
    Gate,
    Start,
    Wire,
    request,
    tensor,
)

OK = b"+OK\r\n"


# --------------------------------------------------------------------------- after the last reader


class Makers:
    """Models whose outputs are watched."""

    def __init__(self) -> None:
        self.arrays: list[weakref.ref[NDArray[Any]]] = []

    def make(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return (self._watched(),)

    def make_two(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return self._watched(), self._watched()

    def _watched(self) -> Tensor:
        array = np.zeros(1000, "u1")
        self.arrays.append(weakref.ref(array))
        return Tensor.of(array)

    @property
    def alive(self) -> list[bool]:
        return [array() is not None for array in self.arrays]


@contextmanager
def no_collector() -> Iterator[None]:
    """Nothing may depend on it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass
class Stage:
    server: Server
    wire: Wire
    gate: Gate
    makers: Makers

    def until_gate(self, words: str) -> None:
        self.wire.send(request(words))
        assert self.gate.begun.wait(PATIENCE)

    def let_go(self) -> bytes:
        self.gate.may_end.set()
        reply = self.wire.reply()
        assert self.wire.ask("PING") == b"+PONG\r\n"  # the server's loop has made another turn
        return reply


@pytest.fixture
def stage(start: Start, connect: Connect, controlled: Controlled) -> Stage:
    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        raise CommandError("it is broken")

    gate, makers = Gate(), Makers()
    server = start(gate=gate, make=makers.make, bad=fail)
    controlled.add("two", makers.make_two, outputs=2)
    controlled.add("pair", lambda inputs: (inputs[0],), inputs=2)
    for name in ("two", "pair"):
        server.deploy(name, name.encode())
    wire = connect(server)
    tensor(wire, "k", 1)
    return Stage(server, wire, gate, makers)


@pytest.mark.parametrize(
    ("words", "alive"),
    [
        ("MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN gate INPUTS ~a~ OUTPUTS ~b~", [True]),
        ("MODELRUN two INPUTS k OUTPUTS ~a~ ~b~ => MODELRUN gate INPUTS ~a~ OUTPUTS ~c~", [True, False]),
        ("MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN make INPUTS ~a~ OUTPUTS ~b~ "
         "=> MODELRUN gate INPUTS ~b~ OUTPUTS ~c~ => MODELRUN pair INPUTS ~a~ ~c~ OUTPUTS ~d~", [True, True]),
        ("MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN make INPUTS ~a~ OUTPUTS ~b~ "
         "=> MODELRUN gate INPUTS ~b~ OUTPUTS ~c~ => TENSORGET ~a~ META", [True, True]),
        ("MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN make INPUTS ~a~ OUTPUTS ~a~ "
         "=> MODELRUN gate INPUTS ~a~ OUTPUTS ~c~ => TENSORGET ~a~ META", [False, True]),
        ("MODELRUN two INPUTS k OUTPUTS ~a~ ~b~ => MODELRUN gate INPUTS ~a~ OUTPUTS ~c~ "
         "=> TENSORGET ~a~ META", [True, False]),
        ("MODELRUN make INPUTS k OUTPUTS a => MODELRUN make INPUTS a OUTPUTS ~b~ "
         "=> MODELRUN gate INPUTS ~b~ OUTPUTS ~c~", [True, True]),
    ],
)  # fmt: skip
def test_an_output_lives_until_nobody_reads_it_any_more(stage: Stage, words: str, alive: list[bool]) -> None:
    with no_collector():
        stage.until_gate("AI.DAGRUN " + words)
        assert stage.makers.alive == alive
        assert stage.let_go().startswith(b"*")
        stage.wire.ask("DEL a")
        assert stage.wire.ask("PING") == b"+PONG\r\n"
        assert not any(stage.makers.alive)


def test_after_a_failure_nothing_is_left(stage: Stage) -> None:
    failed = Event()
    stats = stage.server._services.stats
    stats.listeners.append(lambda *facts, **named: failed.set() if b"bad" in facts else None)
    with no_collector():
        stage.until_gate(
            "AI.DAGRUN MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN bad INPUTS ~a~ OUTPUTS ~b~ "
            "=> MODELRUN gate INPUTS k OUTPUTS ~c~ => MODELRUN pair INPUTS ~a~ ~c~ OUTPUTS d"
        )
        assert failed.wait(PATIENCE)  # both run at once, and this one is to end first
        reply = stage.let_go()
        assert reply == b"*4\r\n+OK\r\n-it is broken\r\n+OK\r\n+NA\r\n"
        assert stage.makers.alive == [False]


def test_after_a_client_has_gone_nothing_is_left(stage: Stage, connect: Connect) -> None:
    with no_collector():
        stage.until_gate(
            "AI.DAGRUN MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN make INPUTS ~a~ OUTPUTS ~b~ "
            "=> MODELRUN gate INPUTS ~b~ OUTPUTS ~c~ => MODELRUN pair INPUTS ~a~ ~c~ OUTPUTS d"
        )
        server = stage.server
        stage.wire.close()
        stage.wire = connect(server)
        while stage.makers.alive[0]:
            assert stage.wire.ask("PING") == b"+PONG\r\n"
        stage.gate.may_end.set()
        while stage.makers.alive[1]:  # what runs reads it to its end
            assert stage.wire.ask("PING") == b"+PONG\r\n"


@pytest.mark.parametrize(
    ("words", "alive"),
    [
        ("MODELRUN same INPUTS ~p~ OUTPUTS ~a~ => MODELRUN look INPUTS ~a~ OUTPUTS ~b~", [False]),
        ("MODELRUN look INPUTS ~p~ OUTPUTS ~a~ => MODELRUN same INPUTS ~p~ OUTPUTS ~b~", [True]),
        ("MODELRUN same INPUTS ~p~ OUTPUTS ~a~ => MODELRUN look INPUTS ~a~ OUTPUTS ~b~ => TENSORGET ~p~ META",
         [True]),
        ("MODELRUN same INPUTS l OUTPUTS ~a~ => MODELRUN look INPUTS ~a~ OUTPUTS ~b~", [True, False]),
        ("MODELRUN same INPUTS l OUTPUTS ~a~ => MODELRUN look INPUTS ~a~ OUTPUTS ~b~ => TENSORGET l META",
         [True, True]),
        ("MODELRUN two INPUTS ~p~ l OUTPUTS ~a~ => MODELRUN two INPUTS ~p~ ~p~ OUTPUTS ~b~ "
         "=> MODELRUN two INPUTS ~a~ ~b~ OUTPUTS ~c~ => MODELRUN look INPUTS ~c~ OUTPUTS ~d~",
         [False, False]),
    ],
)  # fmt: skip
def test_what_the_command_brought_goes_after_its_last_reader_too(words: str, alive: list[bool]) -> None:
    """The payload ~p~, and l of the keyspace, whose key has been written anew meanwhile."""
    arrays: list[weakref.ref[NDArray[Any]]] = []
    seen: list[bool] = []

    def watched() -> Tensor:
        array = np.zeros(1000, "u1")
        arrays.append(weakref.ref(array))
        return Tensor.of(array)

    def look(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        seen.extend(array() is not None for array in arrays)
        return (inputs[0],)

    def fresh(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return (Tensor(DTYPES[b"UINT8"], (1000,), bytes(1000)),)

    async def main() -> None:
        keyspace = MemoryKeyspace()
        for name, run_it, count in (("same", fresh, 1), ("look", look, 1), ("two", fresh, 2)):
            model = Model(
                backend="ONNX", device=b"CPU", blob=b"", session=ControlledSession(run_it, count, 1)
            )
            for _ in range(8):
                model.pace.note_elsewhere(
                    (Tensor(DTYPES[b"UINT8"], (1000,), bytes(1000)),) * count, 0.0
                )  # quick
            keyspace.write({name.encode(): model})
        keyspace.write({b"l": fresh([])[0]})
        text = "AI.DAGRUN TENSORSET ~p~ UINT8 1000 => " + words
        bound = Plans().bind(text.encode().split(), keyspace)
        bound.tensors[0] = watched()
        if b"l" in bound.home.values:
            bound.home.values[b"l"] = watched()
        devices = Devices(asyncio.get_running_loop(), slots=1, width=1, clock=Clock())
        replies: list[object] = []
        Running(bound, devices, replies.append).start()
        assert len(replies) == 1

    with no_collector():
        asyncio.run(main())
    assert seen == alive


# --------------------------------------------------------------------------------- on the device


@dataclass
class Memory:
    """A device that counts what is copied from it and to it."""

    fetched: int = 0
    sent: int = 0
    live: list[weakref.ref[NDArray[Any]]] = field(default_factory=list)

    def keep(self, array: NDArray[Any], home: object) -> Resident:
        self.live.append(weakref.ref(array))
        tensor = Tensor.of(array)

        def fetch() -> Tensor:
            self.fetched += 1
            return Tensor(tensor.dtype, tensor.shape, bytes(tensor.data))

        return Resident(home, array, tensor.dtype, tensor.shape, fetch)


@dataclass
class OnDevice:
    """A model that adds one to the sum of its inputs, in the memory of a device."""

    memory: Memory
    home: str
    inputs: tuple[str, ...] = ("x",)
    outputs: tuple[str, ...] = ("y",)
    steady: bool = True

    def run(self, inputs: Sequence[Tensor | Resident], stop: Stop | None = None) -> tuple[Resident, ...]:
        arrays = []
        for value in inputs:
            if isinstance(value, Resident):
                assert value.home == self.home
                assert isinstance(value.handle, np.ndarray)
                arrays.append(value.handle)
            else:
                self.memory.sent += 1
                arrays.append(value.array())
        total = sum(arrays) + np.ones((), "u1")
        return tuple([self.memory.keep(total.copy(), self.home) for _ in self.outputs])


@dataclass
class DeviceBackend:
    memory: Memory

    def open(self) -> None:
        pass

    def facts(self) -> Mapping[str, str]:
        return {}

    def load(self, blob: bytes, device: str) -> Session:
        count, outputs = blob
        names = tuple("abc"[:count]), tuple("yz"[:outputs])
        return OnDevice(self.memory, f"fake {device}", *names)


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def gpu(memory: Memory, controlled: Controlled, connect: Connect) -> Iterator[Wire]:
    backends: Mapping[str, Backend] = {"TORCH": DeviceBackend(memory), "ONNX": controlled}
    controlled.add("host", lambda inputs: (inputs[0],))
    with background(Server(port=0, backends=backends)) as server:
        for name, blob, device in (
            ("one", bytes([1, 1]), "GPU"),
            ("pair", bytes([2, 1]), "GPU"),
            ("fork", bytes([1, 2]), "GPU"),
            ("far", bytes([1, 1]), "GPU:1"),
        ):
            server.deploy(name, blob, backend="TORCH", device=device)
        server.deploy("host", b"host")
        wire = connect(server)
        tensor(wire, "k", 1)
        yield wire


@pytest.mark.parametrize(
    ("words", "last", "sent", "fetched"),
    [
        ("MODELRUN one INPUTS k OUTPUTS ~a~ => MODELRUN one INPUTS ~a~ OUTPUTS ~b~ "
         "=> MODELRUN one INPUTS ~b~ OUTPUTS ~c~", "+OK", 1, 0),
        ("MODELRUN one INPUTS k OUTPUTS ~a~ => MODELRUN one INPUTS ~a~ OUTPUTS ~b~ => TENSORGET ~b~ VALUES",
         "*1\r\n:3", 1, 1),
        ("MODELRUN one INPUTS k OUTPUTS ~a~ => TENSORGET ~a~ BLOB => TENSORGET ~a~ VALUES", "*1\r\n:2", 1, 1),
        ("MODELRUN one INPUTS k OUTPUTS ~a~ => MODELRUN one INPUTS ~a~ OUTPUTS ~b~ => TENSORGET ~a~ META",
         "*4\r\n$5\r\ndtype\r\n$5\r\nUINT8\r\n$5\r\nshape\r\n*1\r\n:1", 1, 0),
        ("MODELRUN one INPUTS k OUTPUTS a => MODELRUN one INPUTS a OUTPUTS ~b~ => TENSORGET a VALUES",
         "*1\r\n:2", 1, 1),
        ("MODELRUN one INPUTS k OUTPUTS ~a~ => MODELRUN host INPUTS ~a~ OUTPUTS ~b~ "
         "=> MODELRUN host INPUTS ~a~ OUTPUTS ~c~ => TENSORGET ~c~ VALUES", "*1\r\n:2", 1, 1),
        ("MODELRUN one INPUTS k OUTPUTS ~a~ => MODELRUN far INPUTS ~a~ OUTPUTS ~b~ => TENSORGET ~b~ VALUES",
         "*1\r\n:3", 2, 2),
        ("MODELRUN one INPUTS k OUTPUTS a => MODELRUN pair INPUTS a k OUTPUTS ~b~ => TENSORGET ~b~ VALUES",
         "*1\r\n:4", 2, 2),
        ("MODELRUN fork INPUTS k OUTPUTS ~a~ ~b~ => MODELRUN one INPUTS ~b~ OUTPUTS ~c~ "
         "=> TENSORGET ~a~ VALUES", "*1\r\n:2", 1, 1),
    ],
)  # fmt: skip
def test_the_host_gets_a_copy_only_where_one_is_asked_for_and_one_at_most(
    gpu: Wire, memory: Memory, words: str, last: str, sent: int, fetched: int
) -> None:
    reply = gpu.ask("AI.DAGRUN " + words)
    assert reply.endswith(f"{last}\r\n".encode())
    assert (memory.sent, memory.fetched) == (sent, fetched)


def test_what_a_command_of_its_own_stores_is_copied_once(gpu: Wire, memory: Memory) -> None:
    assert gpu.ask("AI.MODELEXECUTE one INPUTS 1 k OUTPUTS 1 y") == OK
    assert gpu.ask("AI.TENSORGET y VALUES") == b"*1\r\n:2\r\n"
    assert (memory.sent, memory.fetched) == (1, 1)


def test_memory_of_the_device_is_let_go_after_the_last_reader(gpu: Wire, memory: Memory) -> None:
    with no_collector():
        words = "MODELRUN one INPUTS k OUTPUTS ~a~ => MODELRUN one INPUTS ~a~ OUTPUTS b => TENSORGET b VALUES"
        assert gpu.ask("AI.DAGRUN " + words).startswith(b"*3")
        assert gpu.ask("PING") == b"+PONG\r\n"
        assert [array() for array in memory.live] == [None, None]
        assert gpu.ask("AI.TENSORGET b VALUES") == b"*1\r\n:3\r\n"


def test_a_batch_takes_and_gives_what_lies_on_a_device(gpu: Wire, memory: Memory) -> None:
    options = ["one", "TORCH", "GPU", "BATCHSIZE", "9", "MINBATCHSIZE", "2", "BLOB"]
    assert gpu.ask("AI.MODELSTORE", *options, bytes([1, 1])) == OK
    reply = gpu.ask(
        "AI.DAGRUN MODELRUN fork INPUTS k OUTPUTS ~a~ ~b~ => MODELRUN one INPUTS ~a~ OUTPUTS ~c~ "
        "=> MODELRUN one INPUTS ~b~ OUTPUTS ~d~ => TENSORGET ~d~ VALUES"
    )
    assert reply == b"*4\r\n+OK\r\n+OK\r\n+OK\r\n*1\r\n:3\r\n"
