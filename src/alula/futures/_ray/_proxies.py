"""What a program outside of the cluster holds: names of references, streams and actors of its agent's.

Each stands for one entry in the agent's table, by its number. On the way to the agent a name becomes the
thing itself, and on the way back the thing becomes a name. Anywhere else it means nothing, and says so.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from ...errors import ObjectLostError
from .._engine import Engine
from .._refs import ObjectRef
from .._remote import capture
from .._streams import ObjectRefGenerator

if TYPE_CHECKING:
    from ._client import ClientEngine

__all__ = ["ClientActor", "ClientGenerator", "ClientRef", "Named", "Names", "Table", "arrived", "ends"]

T = TypeVar("T")


class Table(dict[int, Any]):
    """What an agent holds for its program, by number."""

    def __init__(self) -> None:
        super().__init__()
        self._last = 0

    def keep(self, thing: Any) -> int:
        """Hold a thing until the program drops its number, and give that."""
        self._last += 1
        self[self._last] = thing
        return self._last


class _Ends:
    """The end of a connection that this process is, if it is one."""

    table: Table | None = None
    engine: "ClientEngine | None" = None


ends = _Ends()


class Named:
    """An entry of the agent's table; it is dropped there when nobody holds this any more.

    Attributes
    ----------
    number
        The entry.
    owner
        The engine whose agent it is.
    """

    __slots__ = ()

    number: int
    owner: "ClientEngine"

    def __del__(self) -> None:
        self.owner.drop(self.number)

    def __reduce__(self) -> tuple[Any, ...]:
        self.owner.check_alive()
        return capture(self) or (_meant, (self.number,))


Names = WeakValueDictionary[int, Named]


def _meant(number: int) -> Any:
    """Give the thing itself to the agent, and the name, while it lives, to the program."""
    if ends.table is not None:
        return ends.table[number]
    name = ends.engine.names.get(number) if ends.engine is not None else None
    if name is None:
        why = "a program outside of the cluster pickled it, instead of passing it on as an argument or value"
        raise ObjectLostError(f"entry {number}", why)
    return name


def arrived(kind: Callable[..., Named], number: int, *facts: Any) -> Named:
    """Make the name of what has come from the agent."""
    assert ends.engine is not None  # what is on the way to a session that is over is not read
    return kind(number, ends.engine, *facts)


class ClientRef(Named, ObjectRef[T]):
    """A reference.

    Attributes
    ----------
    identity
        Ray's, of the value.
    """

    __slots__ = ("identity", "number", "owner")

    def __init__(self, number: int, owner: "ClientEngine", identity: bytes) -> None:
        self.identity = identity
        self.number, self.owner = number, owner
        owner.names[number] = self

    @property
    def engine(self) -> Engine:
        """The engine that it came from."""
        return self.owner

    def binary(self) -> bytes:
        """Ray's identity of the value: 28 bytes."""
        return self.identity


class ClientActor(Named):
    """An actor, by the name of its class."""

    __slots__ = ("__weakref__", "cls", "number", "owner")

    def __init__(self, number: int, owner: "ClientEngine", cls: str) -> None:
        self.cls = cls
        self.number, self.owner = number, owner
        owner.names[number] = self


class ClientGenerator(ObjectRefGenerator[T], Named):
    """A stream. What was asked for and not taken, because whoever waited gave up, is given next."""

    __slots__ = ("_asked", "number", "owner")

    def __init__(self, number: int, owner: "ClientEngine") -> None:
        self._asked: Future[Any] | None = None
        self.number, self.owner = number, owner
        owner.names[number] = self

    @property
    def engine(self) -> Engine:
        """The engine that it came from."""
        return self.owner

    def completed(self) -> ObjectRef[None]:
        """Give a reference for the end; see `ObjectRefGenerator.completed`."""
        ref: ObjectRef[None] = self.owner.ask("completed", self.number)
        return ref

    def __next__(self) -> ObjectRef[T]:
        asked = self._next()
        asked.exception()  # waits
        ref = self._taken(asked)
        if ref is None:
            raise StopIteration
        return ref

    async def __anext__(self) -> ObjectRef[T]:
        asked = self._next()
        await asyncio.wait([asyncio.wrap_future(asked)])
        ref = self._taken(asked)
        if ref is None:
            raise StopAsyncIteration
        return ref

    def _next(self) -> Future[Any]:
        if self._asked is None:
            self._asked = self.owner.send("next", self.number)
        return self._asked

    def _taken(self, asked: Future[Any]) -> ObjectRef[T] | None:
        self._asked = None
        ref: ObjectRef[T] | None = self.owner.read(asked)
        return ref
