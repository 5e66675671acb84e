"""What happens inside a worker: a task is opened, its body runs, and its result is stored.

Nothing here writes records: the worker only makes bytes durable, large ones among the artifacts, before
the reply that mentions them is sent.
"""

import asyncio
import inspect
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import time
from typing import Any, Final

from .._core._ids import Key
from ..futures import Function, ObjectRef, TaskOptions, get
from ..graph import Graph, Mark, Node, fill
from ._tasks import Call, Creator, Task, tasks_of
from ._vault import Link, Object, Output, Packer, Stored, Unpacker, Vault, Volatile

__all__ = ["LOADER", "RUNNER", "Order", "Reply", "continuation", "open_call"]

_inside: ContextVar[bool] = ContextVar("alula_workflow_task", default=False)


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is sent.

    Attributes
    ----------
    vault
        Where values are.
    name
        Of the task, for messages.
    creator
        The task, as what it may return will know it.
    call
        Function and arguments.
    inputs, values
        Keys of the tasks that it reads, and their values; those that are not stored come beside the
        order, as references, which are not to be in its pickle.
    """

    vault: Vault
    name: str
    creator: Creator
    call: Stored
    inputs: tuple[Key, ...]
    values: tuple[Stored | None, ...]

    @classmethod
    def of(cls, vault: Vault, task: Task, values: Sequence[Output]) -> tuple[bytes, list[ObjectRef[Any]]]:
        """Give the arguments of `RUNNER` for a task."""
        assert task.call is not None
        stored = tuple([value if isinstance(value, Stored) else None for value in values])
        creator = Creator(task.key, task.root, task.checkpoint)
        order = cls(vault, task.name, creator, task.call, task.inputs, stored)
        # Nothing of the user's is in it that is not sealed, so the plain pickler does, the faster one.
        return pickle.dumps(order, 5), [value.ref for value in values if isinstance(value, Volatile)]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answers.

    Attributes
    ----------
    result
        The stored value; or the tasks of a continuation; or None for a value that is not to be stored,
        which is then the second reference of the engine's task.
    started, ended
        When the body began and ended, in UNIX seconds.
    """

    result: Stored | tuple[Task, ...] | None
    started: float
    ended: float

    def plain(self) -> tuple[object, ...]:
        """Give the reply in built-in types, as far as it goes, for the engine's faster pickler."""
        result = self.result
        parts = (result.digest, result.data) if isinstance(result, Stored) else result
        return isinstance(result, Stored), parts, self.started, self.ended

    @classmethod
    def of(cls, plain: Any) -> "Reply":
        """Rebuild a reply."""
        is_stored, parts, started, ended = plain
        return cls(Stored(*parts) if is_stored else parts, started, ended)


def continuation(node: Node[Any]) -> Any:
    """Go on with another node: what the calling task returns, so that its value is that node's.

    Parameters
    ----------
    node
        Of a remote function: ``f.bind(...)``.

    Returns
    -------
    Node or value
        Inside a task of a workflow the node, to be returned. Elsewhere the value: the graph runs at once
        on the engine, and nothing is recorded.

    Raises
    ------
    TypeError
        If it is not a node.
    """
    if not isinstance(node, Node):
        raise TypeError(f"continuation() takes a node, made by f.bind(...), not {type(node).__name__}")
    return node if _inside.get() else get(node.execute())


@contextmanager
def _task() -> Iterator[None]:
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def _run(packed: bytes, refs: list[ObjectRef[Any]]) -> Any:
    """Run one attempt of a task."""
    order: Order = pickle.loads(packed)
    volatile = iter(refs)
    values = [Volatile(next(volatile)) if value is None else value for value in order.values]
    opener = _Opener(order.vault, order.inputs, values)
    digest, args, kwargs = opener.open(order.call, order.name)
    function = opener.function(digest)
    started = time()
    with _task():
        value = function(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
    ended = time()
    if order.creator.checkpoint:
        return Reply(_result(order, value), started, ended).plain()
    if isinstance(value, Node):
        return Reply(_grown(order, value), started, ended).plain(), None
    return Reply(None, started, ended).plain(), value


def _result(order: Order, value: Any) -> Stored | tuple[Task, ...]:
    return _grown(order, value) if isinstance(value, Node) else Packer(order.vault).pack(value)


def _grown(order: Order, node: Node[Any]) -> tuple[Task, ...]:
    return tasks_of(Graph.of(node, creator=order.creator.key), order.vault, creator=order.creator)


def _load(vault: Vault, stored: Stored) -> Any:
    """Give a stored value to the engine."""
    return Unpacker(vault).unpack(stored)


def open_call(vault: Vault, task: Task, values: Sequence[Output]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the arguments of a logical task, with the values of its inputs in the order of its `inputs`."""
    assert task.call is not None
    _, args, kwargs = _Opener(vault, task.inputs, values).open(task.call, task.name)
    return args, kwargs


class _Opener:
    """Opens one call, its links and objects replaced by values and references."""

    def __init__(self, vault: Vault, inputs: Sequence[Key], values: Sequence[Output]) -> None:
        self._vault, self._unpacker = vault, Unpacker(vault)
        self._values: dict[Key, Output] = dict(zip(inputs, values, strict=True))
        self._nested = False

    def open(self, stored: Stored, name: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Give the function's digest and the arguments."""
        call: Call = self._vault.unseal(stored, f"the call of {name}")
        digest, args, kwargs, self._nested = call
        opened = {name: self._argument(arg) for name, arg in kwargs.items()}
        return digest, tuple([self._argument(arg) for arg in args]), opened

    def function(self, digest: str) -> Callable[..., Any]:
        return self._unpacker.function(digest)

    def _argument(self, arg: Any) -> Any:
        if isinstance(arg, Link):
            return self._value(arg)
        if isinstance(arg, Object):
            return self._unpacker.load(arg)
        return fill(arg, self._reference) if self._nested else arg

    def _value(self, link: Link) -> Any:
        value = self._values[link.key]
        return get(value.ref) if isinstance(value, Volatile) else self._unpacker.unpack(value)

    def _reference(self, mark: Mark) -> Any:
        """Give what stands inside an argument: a reference, as everywhere on the engine."""
        if isinstance(mark, Object):
            return self._unpacker.refer(mark, self._unpacker.load)
        if not isinstance(mark, Link):
            return mark
        value = self._values[mark.key]
        return value.ref if isinstance(value, Volatile) else self._unpacker.refer(mark, self._value)


RUNNER: Final = Function(_run, TaskOptions())
LOADER: Final = Function(_load, TaskOptions(num_cpus=0, name="workflow output"))
