"""What the server's tests are made of: a bare socket, small models, and a backend under control."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from onnx import TensorProto, helper

from alula.errors import CommandError
from alula.server import Server, Session, Stop, Tensor

Words = str | bytes | int | float


def request(*words: Words) -> bytes:
    """A command as clients send it; a first word with blanks in it is cut at them."""
    if len(words) == 1 and isinstance(words[0], str):
        words = tuple(words[0].split())
    given = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(given) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in given)


class Wire:
    """A connection on which nothing is interpreted: replies are the bytes that came."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=150)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> bytes:
        """One whole reply; empty when the server has closed the connection."""
        line = self.file.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind in (b"$", b"=") and rest != b"-1":
            return line + self.file.read(int(rest) + 2)
        if kind in (b"*", b">", b"~", b"%"):
            count = int(rest) * (2 if kind == b"%" else 1)
            return line + b"".join(self.reply() for _ in range(count))
        return line

    def ask(self, *words: Words) -> bytes:
        self.send(request(*words))
        return self.reply()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def onnx_model(
    op: str,
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    kind: int = TensorProto.FLOAT,
    *,
    outputs_are_sequences: bool = False,
    **attributes: Any,
) -> bytes:
    """A model of one operator; `inputs` gives each input's shape, None for any."""
    node = helper.make_node(op, list(inputs), list(outputs), **attributes)
    typed = helper.make_tensor_sequence_value_info if outputs_are_sequences else helper.make_tensor_value_info
    result = attributes.get("to", kind)
    graph = helper.make_graph(
        [node],
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [typed(name, result, None) for name in outputs],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    blob: bytes = made.SerializeToString()
    return blob


def endless() -> bytes:
    """A loop that goes on for as long as its input is below zero or above."""
    typed = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Cast", ["s"], ["go"], to=TensorProto.BOOL),
            helper.make_node("Identity", ["s"], ["t"]),
        ],
        "body",
        [
            typed("i", TensorProto.INT64, []),
            typed("c", TensorProto.BOOL, []),
            typed("s", TensorProto.FLOAT, None),
        ],
        [typed("go", TensorProto.BOOL, []), typed("t", TensorProto.FLOAT, None)],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)],
        "endless",
        [typed("x", TensorProto.FLOAT, [])],
        [typed("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("yes", TensorProto.BOOL, [], [True])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    blob: bytes = made.SerializeToString()
    return blob


MUL = onnx_model("Mul", {"0": None, "1": None}, ["2"])
MUL_2 = onnx_model("Mul", {"0": [2], "1": [2]}, ["2"])
SUM = onnx_model("Sum", {"a": None, "b": None, "c": None}, ["s"])
SPLIT = onnx_model("Split", {"x": None}, ["low", "high"], axis=0)


Behaviour = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]


Connect = Callable[[Server], Wire]


@dataclass
class Controlled:
    """A backend whose models do what a test says: the blob names the behaviour.

    What `stops` holds for one is called with the stop of each run before it begins.
    """

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    stops: dict[str, Callable[[Stop | None], None]] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def open(self) -> None:
        pass

    def facts(self) -> Mapping[str, str]:
        return {}

    def add(self, name: str, run: Behaviour, inputs: int = 1, outputs: int = 1) -> None:
        self.behaviours[name], self.counts[name] = run, (inputs, outputs)

    def load(self, blob: bytes, device: str) -> Session:
        name = blob.decode()
        if name not in self.behaviours:
            raise CommandError(f"no model {name}")
        return ControlledSession(self.behaviours[name], *self.counts[name], self.stops.get(name))


class ControlledSession:
    steady = True

    def __init__(
        self,
        run: Behaviour,
        inputs: int,
        outputs: int,
        watch: Callable[[Stop | None], None] | None = None,
    ) -> None:
        self.inputs = tuple(f"i{n}" for n in range(inputs))
        self.outputs = tuple(f"o{n}" for n in range(outputs))
        self._run, self._watch = run, watch

    def run(self, inputs: Sequence[Tensor], stop: Stop | None = None) -> tuple[Tensor, ...]:
        if self._watch is not None:
            self._watch(stop)
        return self._run(inputs)


PATIENCE = 20
Start = Callable[..., Server]


class Gate:
    """A model that says when it has begun and ends when it may."""

    def __init__(self) -> None:
        self.begun, self.may_end = Event(), Event()

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        self.begun.set()
        assert self.may_end.wait(PATIENCE)
        return (inputs[0],)


class Log:
    """A model that writes down the order in which it is called, by the first byte of its input."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self._lock = Lock()

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        with self._lock:
            self.seen.append(bytes(inputs[0].data)[0])
        return (inputs[0],)


def tensor(wire: Wire, key: str, number: int) -> None:
    assert wire.ask("AI.TENSORSET", key, "UINT8", 1, "VALUES", number) == b"+OK\r\n"
