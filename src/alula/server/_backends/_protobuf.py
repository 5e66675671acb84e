"""Whether an ONNX file means to read other files of this machine.

A model may keep its weights outside, under any path. Whoever sends a model to a server must not be
able to name files there, so such a model is refused before anything else looks at it. The file is
walked as protobuf, field by field, only along the ways that lead to tensors.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

__all__ = ["has_external_data"]

_Field: TypeAlias = tuple[int, "memoryview | int"]

# Which fields of which message hold messages that hold tensors: onnx.proto, in every version so far.
_WAYS: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_DATA_LOCATION: Final = 14  # of a tensor; 1 says that it is in another file


def has_external_data(blob: bytes) -> bool:
    """Tell whether any tensor of the model lies in another file.

    What is no protobuf is walked as far as it looks like one.
    """
    stack: list[tuple[str, memoryview]] = [("model", memoryview(blob))]
    while stack:
        kind, data = stack.pop()
        for number, value in _fields(data):
            if kind == "tensor" and number == _DATA_LOCATION and value == 1:
                return True
            if isinstance(value, memoryview) and (inner := _WAYS.get(kind, {}).get(number)):
                stack.append((inner, value))
    return False


def _fields(data: memoryview) -> Iterator[_Field]:
    """Give the fields of a message: numbers as they are, everything else as bytes."""
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            match tag & 7:
                case 0:
                    value, at = _varint(data, at)
                    yield tag >> 3, value
                case 1:
                    at += 8
                case 2:
                    size, at = _varint(data, at)
                    yield tag >> 3, data[at : at + size]
                    at += size
                case 5:
                    at += 4
                case 3 | 4:
                    pass  # a group begins or ends; parsers skip them, what is inside is looked at
                case _:
                    return
    except IndexError:  # it ends in the middle of a number: ONNX Runtime will say so
        return


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):  # of 64 bits, so never more than ten bytes
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise IndexError("a number without an end")
