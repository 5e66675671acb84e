"""Orders: what a worker is sent to run one attempt of a task, and how a call is opened."""

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from .._core._ids import Key
from ..futures import ObjectRef, get
from ..graph import Mark, fill
from ._ledger import Book
from ._tasks import Call, Creator, Task
from ._vault import Link, Object, Output, Stored, Unpacker, Vault, Volatile

__all__ = ["Opener", "Order", "Packed", "open_call"]


Packed: TypeAlias = tuple[bytes, bytes, list[ObjectRef[Any]]]
Ahead: TypeAlias = tuple[str, Key, Key | None, str, bytes | None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is sent.

    Attributes
    ----------
    vault
        Where values are.
    book
        Where a chain is recorded that runs on in place.
    name
        Of the task, for messages.
    creator
        The task, as what it may return will know it.
    call
        Function and arguments.
    inputs, values
        Keys of the tasks that it reads, and their values; those that are not stored come beside the
        order, as references, which are not to be in its pickle.
    ahead
        What follows the task, and its worker may go on with: name, key, root and call of each.
    attempt
        Which one this is, from 1.
    """

    vault: Vault
    book: Book
    name: str
    creator: Creator
    call: Stored
    inputs: tuple[Key, ...]
    values: tuple[Output, ...]
    ahead: Sequence[Ahead] = ()
    attempt: int = 1

    @staticmethod
    def packed(site: bytes, task: Task, values: Sequence[Output], followers: Iterable[Task] = ()) -> Packed:
        """Give what a worker is sent for a task: what is the same for all of its run, the order, references.

        Parameters
        ----------
        site
            Vault and book, pickled once.
        followers
            What the worker may go on with.
        """
        call = task.call
        assert call is not None
        # Built-in types, which are pickled several times as fast as classes, and so in a worker.
        stored = [(value.digest, value.data) if isinstance(value, Stored) else None for value in values]
        creator = (task.key, task.root, task.checkpoint, task.catch, task.checkpoint and task.recorded)
        ahead = [(t.name, t.key, t.root, t.call.digest, t.call.data) for t in followers if t.call]
        order = pickle.dumps((task.name, creator, (call.digest, call.data), task.inputs, stored, ahead), 5)
        return site, order, [value.ref for value in values if isinstance(value, Volatile)]

    @classmethod
    def of(cls, site: bytes, packed: bytes, refs: Sequence[ObjectRef[Any]], attempt: int = 1) -> "Order":
        """Unpack what was sent."""
        name, creator, call, inputs, stored, ahead = pickle.loads(packed)
        volatile = iter(refs)
        values = tuple([Volatile(next(volatile)) if parts is None else Stored(*parts) for parts in stored])
        vault, book = _site(site)
        key, root, checkpoint, catch, recorded = creator
        made = Creator(key, root, checkpoint, catch, recorded, book.owner.workflow_id)
        return cls(vault, book, name, made, Stored(*call), inputs, values, ahead, attempt)

    def following(self, ahead: Ahead, read: Key, value: Stored) -> "Order":
        """Give the order of a task that is run ahead, which reads the value of the one before it."""
        name, key, root, digest, data = ahead
        creator = Creator(key, root, checkpoint=True, workflow=self.creator.workflow)
        return Order(self.vault, self.book, name, creator, Stored(digest, data), (read,), (value,))


@lru_cache(maxsize=64)
def _site(packed: bytes) -> tuple[Vault, Book]:
    vault, book = pickle.loads(packed)
    return vault, book


def open_call(
    vault: Vault, task: Task, values: Sequence[Output], workflow: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the arguments of a logical task, with the values of its inputs in the order of its `inputs`."""
    assert task.call is not None
    _, args, kwargs = Opener(vault, task.inputs, values, workflow).open(task.call, task.name)
    return args, kwargs


class Opener:
    """Opens one call, its links and objects replaced by values and references."""

    def __init__(self, vault: Vault, inputs: Sequence[Key], values: Sequence[Output], workflow: str) -> None:
        self._vault, self._unpacker = vault, Unpacker(vault, workflow)
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
