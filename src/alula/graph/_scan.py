"""Finding the marks in an argument, however deep, and putting values in their place.

Built-in containers are walked. Any other object is looked through by pickling it with the marks held
apart, which also rebuilds it with values in their place; its large buffers are not copied.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle

from ._node import Mark

__all__ = ["fill", "scan"]

# Types that cannot hold a mark, so that the common arguments cost one look.
_LEAVES: frozenset[type] = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray})
_LEAF_NAMES = ("numpy", "pandas", "pyarrow")  # data, not containers of ours


def scan(value: object) -> list[Mark]:
    """Give the marks inside a value in the order in which they stand, each once."""
    found: dict[int, Mark] = {}
    _walk(value, found, set())
    return list(found.values())


def _walk(value: object, found: dict[int, Mark], above: set[int]) -> None:
    if isinstance(value, Mark):
        found.setdefault(id(value), value)
    elif type(value) in _LEAVES or id(value) in above:
        return
    elif isinstance(value, (list, tuple, set, frozenset, dict)):
        above.add(id(value))
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            _walk(item, found, above)
        above.discard(id(value))
    elif _may_hold(value):
        for mark in _pickled(value)[1]:
            found.setdefault(id(mark), mark)


def fill(value: Any, given: Callable[[Mark], Any]) -> Any:
    """Give the value with every mark in it replaced by what `given` says.

    Parts without marks are the same objects as before.
    """
    if isinstance(value, Mark):
        return given(value)
    if type(value) in _LEAVES:
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [fill(item, given) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*items)
        return type(value)(items)
    if isinstance(value, dict):
        pairs = {fill(key, given): fill(item, given) for key, item in value.items()}
        same = all(new is old for new, old in zip(pairs.values(), value.values(), strict=False))
        return value if same and list(pairs) == list(value) else type(value)(pairs)
    if _may_hold(value):
        data, marks, buffers = _pickled(value)
        if marks:
            loader = _Filler(io.BytesIO(data), buffers=buffers)
            loader.values = [given(mark) for mark in marks]
            return loader.load()
    return value


def _may_hold(value: object) -> bool:
    return (
        not isinstance(value, type)
        and not callable(value)
        and (type(value).__module__.partition(".")[0] not in _LEAF_NAMES)
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
