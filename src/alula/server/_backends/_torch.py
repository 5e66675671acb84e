"""TorchScript: models and scripts, run by PyTorch, which is imported when the first one is loaded.

Gradients are not kept. A run may take as long as it likes, and nothing can end it: it occupies its own
queue, and nobody else waits for it.
"""

import io
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any

from ...errors import CommandError, MissingExtraError
from .._models import Stop
from .._resident import Value
from .._scripts import Invocation, Program, Reach
from ._torch_calls import Operators
from ._torch_graphs import inspect
from ._torch_tensors import Bridge

__all__ = ["TorchBackend"]


class TorchBackend:
    """Loads TorchScript models and compiles scripts.

    Parameters
    ----------
    threads
        Threads by which one operator may be split, in this whole process; 0 leaves it to PyTorch.
    reach
        How scripts reach their server; without it they cannot.
    """

    def __init__(self, *, threads: int = 0, reach: Reach | None = None) -> None:
        self._threads, self._reach = threads, reach
        self._torch: Any = None

    def open(self) -> None:
        """Import PyTorch; see `Backend`."""
        if self._torch is None:
            torch = _import()
            if self._threads:
                torch.set_num_threads(self._threads)
            self._torch = torch

    def facts(self) -> Mapping[str, str]:
        """Give its version, once it was imported."""
        return {"Torch_version": self._torch.__version__} if self._torch else {}

    def load(self, blob: bytes, device: str) -> "TorchSession":
        """Make a model ready; see `Backend`."""
        self.open()
        place = _place(self._torch, device)
        try:
            module = self._torch.jit.load(io.BytesIO(blob), map_location=place)
            forward, graph = module.forward, module.inlined_graph
        except Exception as error:  # its errors share no class of their own
            raise CommandError(_line(error)) from error
        return TorchSession(forward, Bridge(self._torch, place, copy=inspect([graph]).writes))

    def compile(self, source: bytes, device: str) -> Program:
        """Make a script ready; see `ScriptBackend`."""
        self.open()
        place, operators = _place(self._torch, device), _operators(self._torch)
        unit = self._torch.jit.CompilationUnit()
        try:
            unit.define(source.decode(), operators.resolve)
        except Exception as error:  # its errors share no class of their own
            raise CommandError(_line(error)) from error
        return TorchProgram(unit, operators, place, self._reach)


class TorchSession:
    """A loaded TorchScript model: its inputs are those of ``forward``, its outputs have no names."""

    __slots__ = ("_bridge", "_forward", "inputs", "outputs", "steady")

    def __init__(self, forward: Any, bridge: Bridge) -> None:
        self._forward, self._bridge = forward, bridge
        self.inputs: tuple[str, ...] = tuple([each.name for each in forward.schema.arguments[1:]])
        self.outputs: tuple[str, ...] = ("",) * sum(_tensors(each.type) for each in forward.schema.returns)
        self.steady = False  # it may hold loops whose end depends on what is in the inputs

    @property
    def home(self) -> Hashable:
        """Where its outputs stay; see `Session`."""
        return self._bridge.home

    def run(self, inputs: Sequence[Value], stop: Stop | None = None) -> tuple[Value, ...]:
        """Compute the outputs; see `Session`."""
        given = [self._bridge.there(tensor) for tensor in inputs]
        found = _call(self._bridge.torch, self._forward, given)
        return _results(found, len(self.outputs), "forward", self._bridge)


class TorchProgram:
    """A compiled script."""

    __slots__ = ("_bridge", "_operators", "_reach", "_unit", "calls")

    def __init__(self, unit: Any, operators: Operators, place: str, reach: Reach | None) -> None:
        traits = inspect([function.inlined_graph for function in unit.get_functions()])
        self.calls = traits.calls
        self._unit, self._operators, self._reach = unit, operators, reach
        self._bridge = Bridge(operators.torch, place, copy=traits.writes)

    @property
    def home(self) -> Hashable:
        """Where its outputs stay; see `Program`."""
        return self._bridge.home

    def check(self, entry_points: Sequence[bytes]) -> None:
        """See that functions can be entry points; see `Program`."""
        for word in entry_points:
            name, function = word.decode(errors="surrogateescape"), self._find(word)
            if function is None:
                raise CommandError(f"Function {name} does not exist in the given script.")
            kinds = [str(each.type) for each in function.schema.arguments]
            if len(kinds) != 3:
                raise CommandError(
                    f"Wrong number of inputs in function {name}. Expected 3 but was {len(kinds)}"
                )
            if kinds != ["List[Tensor]", "List[str]", "List[str]"]:
                raise CommandError(
                    f"Wrong inputs type in function {name}. Expected signature similar to: "
                    f"def {name}(tensors: List[Tensor], keys: List[str], args: List[str])"
                )

    def run(self, invocation: Invocation, inputs: Sequence[Value], *, entry: bool) -> tuple[Value, ...]:
        """Call a function; see `Program`."""
        name, function = invocation.function.decode(errors="surrogateescape"), self._find(invocation.function)
        if function is None:
            raise CommandError(f"Function does not exist: {name}")
        values = [self._bridge.there(tensor) for tensor in inputs]
        if entry:
            given = [values, _texts(invocation.keys), _texts(invocation.args)]
        else:
            given = _fill(function.schema.arguments, values, name)
        with self._operators.caller(self._reach, self._bridge, readonly=invocation.readonly):
            found = _call(self._operators.torch, function, given)
        return _results(found, invocation.outputs, name, self._bridge) if invocation.outputs else ()

    def _find(self, word: bytes) -> Any:
        try:
            return self._unit.find_function(word.decode())
        except UnicodeDecodeError:
            return None


def _import() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch", "running TorchScript models and scripts") from error
    with _registering:
        _operators(torch)  # a model may have been saved with calls of theirs
    return torch


_registering = Lock()


@cache  # an operator can be registered once in a process
def _operators(torch: Any) -> Operators:
    return Operators(torch)


def _place(torch: Any, device: str) -> str:
    """Give PyTorch's name of a device."""
    kind, _, number = device.partition(":")
    if kind != "GPU":
        return "cpu"
    if not torch.cuda.is_available():
        raise CommandError("GPU requested but Torch couldn't find CUDA")
    return f"cuda:{number or 0}"


# ------------------------------------------------------------------------------ arguments and results


def _call(torch: Any, function: Callable[..., Any], given: Sequence[Any]) -> Any:
    """Call a compiled function."""
    try:
        with torch.no_grad():
            return function(*given)
    except Exception as error:  # its errors share no class of their own
        raise CommandError(_line(error)) from error


def _fill(arguments: Sequence[Any], values: list[Any], name: str) -> list[Any]:
    """Spread tensors over the arguments of a function; the first list of tensors takes all the rest."""
    given: list[Any] = []
    rest, listed = list(values), False
    for argument in arguments:
        match str(argument.type):
            case "Tensor" if rest:
                given.append(rest.pop(0))
            case "Tensor":
                raise CommandError(f"Wrong number of inputs provided to function: {name}")
            case "List[Tensor]" if not listed:
                given.append(rest)
                rest, listed = [], True
            case _:
                raise CommandError(f"Unsupported input type in function definition: {name}")
    return given


def _texts(words: Sequence[bytes]) -> list[str]:
    try:
        return [word.decode() for word in words]
    except UnicodeDecodeError as error:
        raise CommandError("a script takes only text that is UTF-8") from error


def _tensors(kind: Any) -> int:
    """Count the tensors that a returned value has for sure: a list has any number."""
    if kind.kind() == "TupleType":
        return sum(map(_tensors, kind.elements()))
    return int(kind.kind() == "TensorType")


def _results(value: Any, count: int, name: str, bridge: Bridge) -> tuple[Value, ...]:
    found = _flat(value, name)
    if len(found) != count:
        raise CommandError(f"Function returned unexpected number of outputs - {name}")
    return tuple([bridge.back(each) for each in found])


def _flat(value: Any, name: str) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [each for part in value for each in _flat(part, name)]
    if not hasattr(value, "numpy"):
        raise CommandError(f"Function returned non-tensor values{name}")
    return [value]


def _line(error: Exception) -> str:
    """Give PyTorch's message on one line, without the places of our own code in it."""
    text, _, _ = str(error).lstrip("\n").partition("\n\nAt:\n")
    return re.sub(r"[\r\n]", " ", text)
