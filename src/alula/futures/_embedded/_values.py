"""Values in the form in which they are kept and sent, and the references to them.

A `Blob` is a pickled value: small ones as bytes, large ones in a shared segment, and errors. It carries
the references that are nested in the value, since those are not part of the pickle: a reference that is
ready travels *with its value*, so that the receiver needs nobody; one that is pending travels as a name,
and whoever sent it sends the value after it (see `Parcels`).

There is therefore no protocol for borrowing: every holder of a reference holds the value itself, small
ones as bytes, large ones as a descriptor of memory that the kernel frees after the last of them.
"""

import pickle
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..._core._pickle import Parts, dump, is_plain, load, pack, unpack
from .._errors import unpack_error
from .._refs import ObjectRef
from .._remote import capture, captures
from ._memory import here

if TYPE_CHECKING:
    from .._engine import Engine
    from ._leases import Task

__all__ = [
    "BODY",
    "CALL",
    "ERROR",
    "INLINE",
    "NONE",
    "PACKED",
    "SEGMENT",
    "TETHER",
    "Blob",
    "Ref",
    "arguments_of",
    "size_of",
    "to_arguments",
    "to_blob",
    "travels",
]

T = TypeVar("T")

INLINE = 100 * 1024
"""Bytes up to which a value travels inside messages."""

BODY, PACKED, SEGMENT, ERROR, CALL, TETHER, SCALAR = 0, 1, 2, 3, 4, 5, 6
"""A pickle; pickle and buffers in one run of bytes; the same in shared memory; a carried error; the
arguments of a call, pickled with their references beside the pickle, or a tuple and a dict of scalars; an
actor's tether, which is no value: a descriptor that is open as long as anybody can call the actor; a scalar
itself, which needs no pickle, for messages are made of such."""

_SHORT, _FAR = 100, 1 << 62  # of scalars: bytes of a string, size of a number
_FEW = 16  # arguments that are scalars
_NONE_NAMED: dict[str, Any] = {}


class Blob:
    """One value, pickled.

    Attributes
    ----------
    kind
        `BODY`, `PACKED`, `SEGMENT`, `ERROR`, `TETHER` or `SCALAR`.
    data
        Bytes, the segment, the descriptor, or the value.
    refs
        References nested in the value, in the order of its pickle.
    """

    __slots__ = ("data", "kind", "refs")

    def __init__(self, kind: int, data: Any, refs: "tuple[Ref[Any], ...]" = ()) -> None:
        self.kind, self.data, self.refs = kind, data, refs

    @property
    def size(self) -> int:
        """Bytes that it takes inside a message."""
        if self.data.__class__ is bytes:
            return len(self.data)
        return 0 if self.kind == SEGMENT else _SHORT

    def load(self) -> Any:
        """Unpickle: each call gives a value of its own, its arrays read-only; an error is raised."""
        if self is NONE:
            return None
        if self.kind == SCALAR:
            return self.data
        if self.kind == BODY:
            if not self.refs:
                return pickle.loads(self.data)
            parts = Parts(self.data, ())
        elif self.kind == PACKED:
            parts = unpack(memoryview(self.data))
        elif self.kind == SEGMENT:
            parts = self.data.parts()
        else:
            raise unpack_error(self.data)
        with _refs_at_hand(list(self.refs)):
            return load(parts.body, parts.buffers)

    def seen(self) -> None:
        """Somebody else has it now: it is not lost if this one goes."""

    def error(self) -> BaseException | None:
        """Give the error, if it is one."""
        return unpack_error(self.data) if self.kind == ERROR else None


NONE = Blob(BODY, dump(None).body)


def to_blob(value: Any, name: str | None = None) -> Blob:
    """Pickle a value, called `name` in errors; a large one goes straight into shared memory.

    Raises
    ------
    TypeError
        If it cannot be pickled.
    OutOfDiskError, ObjectStoreFullError
        If it is large and there is no room for it.
    """
    if value is None:
        return NONE
    if _is_scalar(value):
        return Blob(SCALAR, value)
    if is_plain(value) and not (isinstance(value, (str, bytes)) and len(value) > INLINE):
        body = pickle.dumps(value, 5)
        return Blob(BODY, body) if len(body) <= INLINE else _sized(Parts(body, ()), [])
    with _refs_at_hand([]) as refs:
        parts = dump(value, name)
    return _sized(parts, refs)


def _is_scalar(value: object) -> bool:
    """Whether a value cannot be changed and is so small that it may travel as it is."""
    kind = value.__class__
    if kind is int:
        return -_FAR < value < _FAR  # type: ignore[operator]  # a number, as has just been seen
    if kind is str or kind is bytes:
        return len(value) <= _SHORT  # type: ignore[arg-type]  # a string, likewise
    return value is None or kind is float or kind is bool


def _sized(parts: Parts, refs: "list[Ref[Any]]") -> Blob:
    if parts.size > INLINE:
        return Blob(SEGMENT, here.keep(parts), tuple(refs))
    if parts.buffers:
        return Blob(PACKED, pack(parts), tuple(refs))
    return Blob(BODY, parts.body, tuple(refs))


def size_of(value: Any) -> int:
    """Give the bytes that a value takes once it is pickled, without those of references in it."""
    with _refs_at_hand([]):
        return dump(value).size


def to_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Blob:
    """Pickle the arguments of a call; plain values and references, the usual ones, without a detour.

    Raises
    ------
    TypeError
        If they cannot be pickled.
    OutOfDiskError, ObjectStoreFullError
        If they are large and there is no room for them.
    """
    if not args and not kwargs:
        return NONE
    if len(args) + len(kwargs) <= _FEW and all(map(_is_scalar, args)):
        if not kwargs:
            return Blob(CALL, (args, _NONE_NAMED))
        if all(map(_is_scalar, kwargs.values())):
            return Blob(CALL, (args, dict(kwargs)))
    places: list[tuple[int | str, int]] = []
    refs: list[Ref[Any]] = []
    plain: list[Any] = list(args)
    for i, value in enumerate(args):
        if type(value) is Ref:
            places.append((i, len(refs)))
            refs.append(value)
            plain[i] = None
        elif not is_plain(value):
            return to_blob((args, kwargs))
    named = dict(kwargs)
    for name, value in kwargs.items():
        if type(value) is Ref:
            places.append((name, len(refs)))
            refs.append(value)
            named[name] = None
        elif not is_plain(value):
            return to_blob((args, kwargs))
    body = pickle.dumps((plain, named, places), 5)
    return Blob(CALL, body, tuple(refs)) if len(body) <= INLINE else to_blob((args, kwargs))


def arguments_of(blob: Blob) -> tuple[Sequence[Any], dict[str, Any]]:
    """Give the arguments of a call, with the references in their places."""
    if blob is NONE:
        return (), {}
    if blob.kind != CALL:
        args, kwargs = blob.load()
        return args, kwargs
    if blob.data.__class__ is tuple:
        found: tuple[Sequence[Any], dict[str, Any]] = blob.data
        return found
    args, kwargs, places = load(blob.data)
    for place, index in places:
        (args if isinstance(place, int) else kwargs)[place] = blob.refs[index]
    return args, kwargs


# ------------------------------------------------------------------------------ references in pickles


class _AtHand(threading.local):
    refs: "list[Ref[Any]] | None" = None


_at_hand = _AtHand()


@contextmanager
def _refs_at_hand(refs: "list[Ref[Any]]") -> "Iterator[list[Ref[Any]]]":
    before, _at_hand.refs = _at_hand.refs, refs
    try:
        yield refs
    finally:
        _at_hand.refs = before


def travels() -> bool:
    """Tell whether this thread is pickling something for another process, so that references may be in it."""
    return _at_hand.refs is not None or captures()


def _nested(index: int) -> "Ref[Any]":
    if _at_hand.refs is None:
        raise RuntimeError("this pickle holds references to values of a session that has ended")
    return _at_hand.refs[index]


class Ref(ObjectRef[T]):
    """A reference of the embedded engine: identity, and the value once it is there.

    The object is its own row in the owner's table: as long as anything holds it, the value lives.

    Attributes
    ----------
    owner, number
        Identity: the process that made it (8 bytes), and a number in that process.
    blob
        The value, or None while it is pending.
    then
        What is due when it has settled: None, one thing, or a list. A thing is a callback, or a task that
        waits for it, which needs no object of its own for that.
    """

    __slots__ = ("_engine", "blob", "number", "owner", "then")

    def __init__(self, engine: "Engine", owner: bytes, number: int, blob: Blob | None = None) -> None:
        self._engine, self.owner, self.number = engine, owner, number
        self.blob = blob
        self.then: Callable[[], None] | Task | list[Callable[[], None] | Task] | None = None

    @property
    def engine(self) -> "Engine":
        """The engine of this process."""
        return self._engine

    def binary(self) -> bytes:
        """Owner and number: 16 bytes."""
        return self.owner + self.number.to_bytes(8, "big")

    def __await__(self) -> Generator[Any, None, T]:
        engine: Any = self._engine  # which is written on this module
        found: Generator[Any, None, T] = engine.awaited(self)
        return found

    def settled(self) -> bool:
        """Tell whether the value is there."""
        return self.blob is not None

    def on_settled(self, callback: "Callable[[], None] | Task") -> None:
        """Add something that is due then; the lock is held and the value pending."""
        if self.then is None:
            self.then = callback
        elif isinstance(self.then, list):
            self.then.append(callback)
        else:
            self.then = [self.then, callback]

    def settle(self, blob: Blob) -> "list[Callable[[], None] | Task] | None":
        """Give the value, once; give what is due, if anything is. The lock is held."""
        if self.blob is not None:
            return None
        self.blob = blob
        if self.then is None:
            return None
        then, self.then = self.then, None
        return then if isinstance(then, list) else [then]

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Ref) and self.number == other.number and self.owner == other.owner
        )

    def __hash__(self) -> int:
        return hash((self.owner, self.number))

    def __reduce__(self) -> tuple[Any, ...]:
        if (captured := capture(self)) is not None:
            return captured
        if _at_hand.refs is None:
            raise TypeError(
                "an ObjectRef can only be pickled by passing it to a task, an actor or put(): outside of "
                "its session it names nothing. Store the value instead: get(ref)"
            )
        _at_hand.refs.append(self)
        return _nested, (len(_at_hand.refs) - 1,)
