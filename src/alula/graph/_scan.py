"""Finding the marks in an argument, however deep, and putting values in their place.

Built-in containers are walked. Any other object, and any heir of those, is looked through by pickling
it with the marks held apart, which also rebuilds it with values in their place; its large buffers are
not copied.
"""

import io
import operator
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import cloudpickle

from .._core._pickle import is_plain
from ._node import Mark

__all__ = ["fill", "scan"]

# Types that cannot hold a mark, so that the common arguments cost one look.
_LEAVES: frozenset[type] = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray})
_CONTAINERS: frozenset[type] = frozenset({list, tuple, set, frozenset, dict})  # not their heirs
_LEAF_NAMES = ("numpy", "pandas", "pyarrow")  # data, not containers of ours


def scan(*values: object) -> list[Mark]:
    """Give the marks inside some values in the order in which they stand, each once."""
    found: dict[int, Mark] = {}
    seen: set[int] = set()
    for value in values:
        if type(value) not in _LEAVES:
            _walk(value, found, seen)
    return list(found.values())


def _walk(value: object, found: dict[int, Mark], seen: set[int]) -> None:
    if isinstance(value, Mark):
        found.setdefault(id(value), value)
    elif type(value) in _LEAVES or id(value) in seen:
        return
    elif type(value) in _CONTAINERS:
        seen.add(id(value))
        for item in _items(value):
            _walk(item, found, seen)
    elif _may_hold(value):
        for mark in _pickled(value)[1]:
            found.setdefault(id(mark), mark)


def _items(container: Any) -> Iterable[object]:
    return (*container, *container.values()) if type(container) is dict else container


def fill(value: Any, given: Callable[[Mark], Any]) -> Any:
    """Give the value with every mark in it replaced by what `given` says.

    Parts without marks are the same objects as before, and a part that stands in two places still does.
    """
    return _filled(value, given, {})


def _filled(value: Any, given: Callable[[Mark], Any], filled: dict[int, Any]) -> Any:
    if isinstance(value, Mark):
        return given(value)
    if type(value) in _LEAVES:
        return value
    if type(value) in _CONTAINERS:
        if id(value) not in filled:
            filled[id(value)] = value  # inside itself, a container stands as it is
            filled[id(value)] = _container(value, given, filled)
        return filled[id(value)]
    return _object(value, given) if _may_hold(value) else value


def _container(value: Any, given: Callable[[Mark], Any], filled: dict[int, Any]) -> Any:
    old = list(_items(value))
    new = [_filled(item, given, filled) for item in old]
    if all(map(operator.is_, old, new)):
        return value
    if type(value) is dict:
        return dict(zip(new[: len(value)], new[len(value) :], strict=True))
    return type(value)(new)


def _object(value: Any, given: Callable[[Mark], Any]) -> Any:
    data, marks, buffers = _pickled(value)
    if not marks:
        return value
    loader = _Filler(io.BytesIO(data), buffers=buffers)
    loader.values = [given(mark) for mark in marks]
    return loader.load()


def _may_hold(value: object) -> bool:
    return (
        not isinstance(value, type)
        and not callable(value)
        and (type(value).__module__.partition(".")[0] not in _LEAF_NAMES)
        and not is_plain(value)
    )


class _Finder(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def __init__(self, file: io.BytesIO) -> None:
        self.marks: list[Mark] = []
        self.buffers: list[pickle.PickleBuffer] = []
        super().__init__(file, protocol=5, buffer_callback=self.buffers.append)

    def persistent_id(self, value: object) -> int | None:
        if not isinstance(value, Mark):
            return None
        self.marks.append(value)
        return len(self.marks) - 1


class _Filler(pickle.Unpickler):
    values: list[Any]

    def persistent_load(self, pid: Any) -> Any:
        return self.values[pid]


def _pickled(value: object) -> tuple[bytes, list[Mark], list[pickle.PickleBuffer]]:
    file = io.BytesIO()
    finder = _Finder(file)
    try:
        finder.dump(value)
    except Exception:  # what cannot be pickled is looked at no further: its place will say so
        return b"", [], []
    return file.getvalue(), finder.marks, finder.buffers
