"""Turning values into bytes and back, once for the wire and once for the store.

A value becomes one pickle (protocol 5) and the large buffers that stand beside it: a numpy array of
a gigabyte is a few hundred bytes of pickle and one buffer that nobody copied. `dump` and `load` work
on these parts; `pack` and `unpack` lay them out in one run of bytes, each buffer on a 64-byte
boundary, so that a reader which maps the bytes can use the arrays where they lie.

Functions and classes of ``__main__`` travel by value (cloudpickle); plain values of built-in types
take a shortcut that is seven times as fast.
"""

import pickle
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import CellType
from typing import Any, NamedTuple, TypeVar

import cloudpickle

__all__ = [
    "ALIGN",
    "Parts",
    "add_partly_plain",
    "add_plain",
    "dump",
    "is_plain",
    "load",
    "pack",
    "pack_chunks",
    "packed_size",
    "set_apart",
    "unpack",
]

T = TypeVar("T")

ALIGN = 64
_HEADER = struct.Struct("<QQ")  # bytes of pickle, number of buffers
_LENGTH = struct.Struct("<Q")

# Exact types that pickle by value everywhere and hold nothing that needs cloudpickle.
_plain: set[type] = {type(None), bool, int, float, complex, str, bytes}
_partly: dict[type, Callable[[Any], object]] = {}
_LARGE = 1 << 16  # bytes of a pickle that are not worth a copy
_SHORT = 16  # a container longer than this is not worth looking through
_SHALLOW = 4  # nor is one nested deeper, or in itself


class Parts(NamedTuple):
    """A value as bytes: the pickle, and the buffers that it refers to by position."""

    body: bytes
    buffers: Sequence[memoryview]

    @property
    def size(self) -> int:
        """Bytes of the pickle and of all buffers, without alignment."""
        return len(self.body) + sum(buffer.nbytes for buffer in self.buffers)


def add_plain(kind: type[T]) -> type[T]:
    """Declare a class of ours, which any process can import, to hold nothing but values of built-in types."""
    _plain.add(kind)
    return kind


def add_partly_plain(parts: Callable[[T], object], kind: type[T]) -> None:
    """Declare a class of ours to hold nothing else, but for some `parts`, which have to be looked at."""
    _partly[kind] = parts


def is_plain(value: object, depth: int = _SHALLOW) -> bool:
    """Tell whether `value` is made of built-in types alone, as far as a short look can tell."""
    kind = type(value)
    if kind in _plain:
        return True
    if kind not in (tuple, list, dict) or not depth:
        return kind in _partly and is_plain(_partly[kind](value))
    container: Any = value
    if len(container) > _SHORT:
        return False
    for item in (*container, *container.values()) if kind is dict else container:
        if type(item) not in _plain and not is_plain(item, depth - 1):
            return False
    return True


def dump(value: object, name: str | None = None) -> Parts:
    """Turn a value into a pickle and its large buffers, which stay where they are.

    Parameters
    ----------
    value
        Anything that can be pickled; functions and classes of ``__main__`` too.
    name
        What an error message calls the value; its type or qualified name by default.

    Raises
    ------
    TypeError
        If it cannot be pickled; the message names the offending part.
    """
    if is_plain(value):
        return Parts(pickle.dumps(value, 5), ())
    buffers: list[memoryview] = []
    try:
        body = cloudpickle.dumps(value, protocol=5, buffer_callback=partial(set_apart, buffers))
    except Exception as error:
        if isinstance(error, (pickle.PicklingError, TypeError, AttributeError, RecursionError)):
            raise TypeError(_report(value, name or _name(value), error)) from error
        raise
    return Parts(body, buffers)


def set_apart(buffers: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    """Take a buffer out of a pickle, if it can be; as the callback of a pickler."""
    try:
        buffers.append(buffer.raw())
    except BufferError:  # not contiguous: goes into the pickle
        return True
    return False


def load(body: bytes | memoryview, buffers: Iterable[Any] = ()) -> Any:
    """Turn the parts back into a value; arrays use the given buffers where they lie.

    Read-only buffers give read-only arrays.
    """
    return pickle.loads(body, buffers=buffers)


def packed_size(parts: Parts) -> int:
    """Bytes that `pack` will give."""
    size = _HEADER.size + _LENGTH.size * len(parts.buffers) + len(parts.body)
    for buffer in parts.buffers:
        size = -(-size // ALIGN) * ALIGN + buffer.nbytes
    return size


def pack_chunks(parts: Parts) -> Iterator[bytes | memoryview]:
    """Give the bytes to be written, part after part, buffers aligned, nothing large copied."""
    lengths = b"".join(_LENGTH.pack(buffer.nbytes) for buffer in parts.buffers)
    head = _HEADER.pack(len(parts.body), len(parts.buffers)) + lengths
    if len(parts.body) < _LARGE:
        yield head + parts.body
    else:
        yield head
        yield parts.body
    at = len(head) + len(parts.body)
    for buffer in parts.buffers:
        if padding := -at % ALIGN:
            yield bytes(padding)
        yield buffer.cast("B")
        at += padding + buffer.nbytes


def pack(parts: Parts) -> bytes:
    """Give the parts as one run of bytes."""
    return b"".join(pack_chunks(parts))


def unpack(source: memoryview) -> Parts:
    """Find the parts in bytes that `pack` gave; nothing is copied.

    Raises
    ------
    ValueError
        If the bytes end before the parts do.
    """
    if len(source) < _HEADER.size:
        raise ValueError("the bytes end before their header does")
    body_size, count = _HEADER.unpack_from(source)
    at = _HEADER.size + _LENGTH.size * count
    if len(source) < at + body_size:
        raise ValueError("the bytes end before their pickle does")
    lengths = [_LENGTH.unpack_from(source, _HEADER.size + _LENGTH.size * i)[0] for i in range(count)]
    body = source[at : at + body_size]
    at += body_size
    buffers = []
    for length in lengths:
        at = -(-at // ALIGN) * ALIGN
        if len(source) < at + length:
            raise ValueError("the bytes end before their buffers do")
        buffers.append(source[at : at + length])
        at += length
    return Parts(body, buffers)  # type: ignore[arg-type]  # a view reads like bytes


def _report(value: object, name: str, error: Exception) -> str:
    """Say which part of `value` cannot be pickled, looking three levels deep."""
    return f"cannot pickle {_offender(value, name, depth=3)}: {error}"


def _offender(value: object, path: str, *, depth: int) -> str:
    for part, name in _parts_of(value, path):
        try:
            cloudpickle.dumps(part, protocol=5, buffer_callback=lambda _: False)
        except Exception:  # whatever it is, here is where it happens
            return _offender(part, name, depth=depth - 1) if depth else name
    return f"{path} (a {type(value).__qualname__})"


def _parts_of(value: object, path: str) -> Iterable[tuple[object, str]]:
    if isinstance(value, dict):
        yield from ((item, f"{path}[{key!r}]") for key, item in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((item, f"{path}[{i}]") for i, item in enumerate(value))
    elif isinstance(value, type):
        return
    elif (closure := getattr(value, "__closure__", None)) is not None:
        names = value.__code__.co_freevars  # type: ignore[attr-defined]  # what has a closure has code
        yield from (
            (cell.cell_contents, f"{path}'s variable {name!r}")
            for name, cell in zip(names, closure, strict=True)
            if cell != CellType()  # an empty one: the variable has no value yet
        )
    elif isinstance(attributes := getattr(value, "__dict__", None), dict):
        yield from ((item, f"{path}.{key}") for key, item in attributes.items())


def _name(value: object) -> str:
    return getattr(value, "__qualname__", None) or f"the {type(value).__qualname__}"
