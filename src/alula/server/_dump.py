"""The payload of DUMP and RESTORE, as RedisAI and Redis write it, so that people can move their data.

Tensors, models and scripts are what Redis calls module values: fields, each with its kind in front.
Versions 0 to 4 are read, 4 is written. Strings, lists, hashes and sets are written in Redis' oldest and
simplest forms, which every Redis reads. Here bytes become forms; loading a model is left to others.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np

from ..errors import CommandError
from ._checksum import crc64
from ._forms import ModelForm, ScriptForm
from ._ops import MAX_DIMENSIONS
from ._packs import intset, listpack, pairs, ziplist
from ._payloads import MAX_BYTES
from ._rdb import FormError, Reader, length, string
from ._store import BACKENDS
from ._tensors import DTYPES, DType, Tensor

__all__ = ["LAST", "Dumped", "body", "dump", "read_value", "type_of_module", "unbody", "undump"]

Dumped: TypeAlias = (
    Tensor | ModelForm | ScriptForm | bytes | list[bytes] | dict[bytes, bytes] | frozenset[bytes]
)
"""What a payload holds: a value that needs nothing to be loaded, or the form of one that does."""

_STRING, _LIST, _SET, _HASH, _MODULE = 0, 1, 2, 4, 7
_VERSION: Final = 9  # of the RDB format that we write; what every Redis since 5 can read
LAST: Final = 80
"""The latest version of the RDB format that anybody writes: Valkey's."""
_ENCODING: Final = 4  # of module values

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _module(name: str) -> int:
    number = 0
    for letter in name:
        number = number << 6 | _LETTERS.index(letter)
    return number << 10


_TENSOR, _MODEL, _SCRIPT = _module("AI_TENSOR"), _module("AI__MODEL"), _module("AI_SCRIPT")

_FIXED: Final = {"i": 0, "u": 1, "f": 2, "b": 6, "S": 7}  # DLPack's codes, by numpy's kinds
_OF_CODE: Final = {(_FIXED[dtype.array.kind], 8 * max(1, dtype.size)): dtype for dtype in DTYPES.values()}


def dump(value: Dumped) -> bytes:
    """Give the payload of a value, checksum and all."""
    payload = body(value) + struct.pack("<H", _VERSION)
    return payload + struct.pack("<Q", crc64(payload))


def undump(payload: bytes) -> Dumped:
    """Read a payload.

    Raises
    ------
    CommandError
        In Redis' words: the payload is damaged, or holds what nobody can read here.
    """
    tail = payload[-10:]
    if len(tail) < 10 or not _is_sound(payload, *struct.unpack("<HQ", tail)):
        raise CommandError("ERR DUMP payload version or checksum are wrong")
    return unbody(payload[:-10])


def unbody(data: bytes) -> Dumped:
    """Read a value that stands without version and checksum.

    Raises
    ------
    CommandError
        If nobody can read it here.
    """
    reader = Reader(data)
    try:
        value = read_value(reader, reader.take(1)[0])
        if not reader.over:
            raise FormError
    except (FormError, KeyError, ValueError) as error:
        raise CommandError("ERR Bad data format") from error
    return value


def read_value(reader: Reader, kind: int) -> Dumped:
    """Read a value whose kind stands elsewhere.

    Raises
    ------
    KeyError
        If the kind is not known.
    FormError, ValueError
        If it is no value of this kind.
    """
    value = _READERS[kind](reader)
    if isinstance(value, list | dict | frozenset) and not value:  # no key holds an empty one
        raise FormError
    return value


def type_of_module(reader: Reader) -> str | None:
    """Look at a module's value, and name its type unless it is one of RedisAI's that can be read."""
    number = reader.peek_length()
    if number ^ (number & 1023) in _MODULES and number & 1023 <= _ENCODING:
        return None
    return "".join([_LETTERS[number >> shift & 63] for shift in range(58, 9, -6)])


def _is_sound(payload: bytes, version: int, checksum: int) -> bool:
    return version <= LAST and checksum == crc64(memoryview(payload)[:-8])


# ------------------------------------------------------------------------------------- writing


def body(value: Dumped) -> bytes:
    """Give a value without version and checksum."""
    match value:
        case bytes():
            return bytes((_STRING,)) + _plain(value)
        case list():
            return bytes((_LIST,)) + length(len(value)) + b"".join(map(string, value))
        case frozenset():
            return bytes((_SET,)) + length(len(value)) + b"".join(map(string, sorted(value)))
        case dict():
            pairs = [string(word) for pair in value.items() for word in pair]
            return bytes((_HASH,)) + length(len(value)) + b"".join(pairs)
        case Tensor():
            return _fields(_TENSOR, _of_tensor(value))
        case ModelForm():
            return _fields(_MODEL, _of_model(value))
        case ScriptForm():
            return _fields(_SCRIPT, _of_script(value))


def _plain(text: bytes) -> bytes:
    """Write a string as Redis does without compression: a small number is a number."""
    if 0 < len(text) <= 11 and text.lstrip(b"-").isdigit():
        number = int(text)
        for code, (form, bits) in enumerate((("<Bb", 8), ("<Bh", 16), ("<Bi", 32))):
            if b"%d" % number == text and -1 << bits - 1 <= number < 1 << bits - 1:
                return struct.pack(form, 0xC0 | code, number)
    return string(text)


_UNSIGNED, _TEXT = 2, 5  # kinds of fields
_SIGNED, _END = 1, 0


def _fields(module: int, fields: Iterable[int | bytes | memoryview]) -> bytes:
    written = [
        bytes((_UNSIGNED,)) + length(field) if isinstance(field, int) else bytes((_TEXT,)) + string(field)
        for field in fields
    ]
    return b"".join((bytes((_MODULE,)), length(module | _ENCODING), *written, bytes((_END,))))


def _of_tensor(tensor: Tensor) -> Iterator[int | bytes | memoryview]:
    kind = tensor.dtype.array.kind
    yield from (_FIXED[kind], 8 * max(1, tensor.dtype.size), len(tensor.shape), *tensor.shape, tensor.data)
    if kind == "S":
        start = 0
        for item in tensor.strings():
            yield start
            start += len(item) + 1


def _of_model(model: ModelForm) -> Iterator[int | bytes]:
    yield from (BACKENDS.index(model.backend), model.device + b"\0", model.tag)
    yield from (model.batchsize, model.minbatchsize, model.minbatchtimeout)
    for names in (model.inputs, model.outputs):
        yield len(names)
        yield from [name + b"\0" for name in names]
    yield from (len(model.blob), 1, model.blob)


def _of_script(script: ScriptForm) -> Iterator[int | bytes]:
    yield from (script.device + b"\0", script.tag, script.source + b"\0", len(script.entry_points))
    yield from [name + b"\0" for name in script.entry_points]


# ------------------------------------------------------------------------------------- reading


def _to_module(reader: Reader) -> Dumped:
    number = reader.length()
    version = number & 1023
    read = _MODULES.get(number ^ version)
    if read is None or version > _ENCODING:
        raise FormError
    value = read(_Fields(reader), version)
    if reader.length() != _END:
        raise FormError
    return value


class _Fields:
    """Takes the fields of a module value."""

    __slots__ = ("_reader",)

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def number(self) -> int:
        if self._reader.length() not in (_UNSIGNED, _SIGNED):
            raise FormError
        return self._reader.length()

    def numbers(self, count: int) -> tuple[int, ...]:
        return tuple([self.number() for _ in range(count)])

    def string(self) -> bytes:
        if self._reader.length() != _TEXT:
            raise FormError
        return self._reader.string()

    def text(self) -> bytes:
        """Take a string with a closing NUL, and leave that away."""
        return self.string().removesuffix(b"\0")

    def texts(self) -> tuple[bytes, ...]:
        """Take a number of strings, and then these."""
        return tuple([self.text() for _ in range(self.number())])


def _to_tensor(fields: _Fields, version: int) -> Tensor:
    old = version < _ENCODING
    if old:
        _device, _number, bits, code, _lanes = fields.numbers(5)
    else:
        code, bits = fields.numbers(2)
    dtype = _OF_CODE[code, bits]
    dimensions = fields.number()
    if dimensions > MAX_DIMENSIONS:
        raise FormError
    shape = fields.numbers(dimensions)
    if math.prod(shape) > MAX_BYTES:
        raise FormError
    data = _old_data(fields, dtype, shape) if old else _data(fields, dtype, shape)
    if dtype.name == "BOOL" and data.translate(None, b"\0\1"):
        raise FormError
    return Tensor(dtype, shape, data)


def _data(fields: _Fields, dtype: DType, shape: tuple[int, ...]) -> bytes:
    data = fields.string()
    if not dtype.size:
        starts = fields.numbers(math.prod(shape))
        return b"".join([data[start : data.index(b"\0", start) + 1] for start in starts])
    if len(data) != math.prod(shape) * dtype.size:
        raise FormError
    return data


def _old_data(fields: _Fields, dtype: DType, shape: tuple[int, ...]) -> bytes:
    """Gather the elements of a tensor that says where each of them lies; strides count elements."""
    strides, start, data = fields.numbers(len(shape)), fields.number(), fields.string()
    if not dtype.size:  # there were no strings yet
        raise FormError
    steps = [stride * dtype.size for stride in strides]
    try:
        return np.ndarray(shape, dtype.array, data, start, steps).tobytes()
    except (TypeError, OverflowError) as error:
        raise FormError from error


def _to_model(fields: _Fields, version: int) -> ModelForm:
    backend, device = fields.number(), fields.text()
    if backend >= len(BACKENDS):
        raise FormError
    tag = fields.string() if version else fields.text()
    batchsize, minbatchsize = fields.numbers(2)
    return ModelForm(
        backend=BACKENDS[backend],
        device=device,
        tag=tag,
        batchsize=batchsize,
        minbatchsize=minbatchsize,
        minbatchtimeout=fields.number() if version > 1 else 0,
        inputs=fields.texts(),
        outputs=fields.texts(),
        blob=_blob(fields) if version else fields.string(),
    )


def _blob(fields: _Fields) -> bytes:
    size, count = fields.numbers(2)
    blob = b"".join([fields.string() for _ in range(count)])
    if len(blob) != size:
        raise FormError
    return blob


def _to_script(fields: _Fields, version: int) -> ScriptForm:
    device = fields.text()
    tag = fields.string() if version else fields.text()
    source = fields.text()
    return ScriptForm(
        device=device, tag=tag, source=source, entry_points=fields.texts() if version > 2 else ()
    )


def _to_list(reader: Reader) -> list[bytes]:
    return [reader.string() for _ in range(reader.length())]


def _to_set(reader: Reader) -> frozenset[bytes]:
    return frozenset([reader.string() for _ in range(reader.length())])


def _to_hash(reader: Reader) -> dict[bytes, bytes]:
    return {reader.string(): reader.string() for _ in range(reader.length())}


_MODULES: Final[dict[int, Callable[[_Fields, int], Dumped]]] = {
    _TENSOR: _to_tensor,
    _MODEL: _to_model,
    _SCRIPT: _to_script,
}


def _to_quicklist(reader: Reader) -> list[bytes]:
    return [item for _ in range(reader.length()) for item in ziplist(reader.string())]


def _to_quicklist2(reader: Reader) -> list[bytes]:
    items: list[bytes] = []
    for _ in range(reader.length()):
        plain, data = reader.length() == 1, reader.string()
        items += [data] if plain else listpack(data)
    return items


_READERS: Final[dict[int, Callable[[Reader], Dumped]]] = {
    _STRING: Reader.string,
    _LIST: _to_list,
    _SET: _to_set,
    _HASH: _to_hash,
    _MODULE: _to_module,
    # What Redis writes instead of the simple forms of lists, sets and hashes, by its version:
    10: lambda reader: ziplist(reader.string()),
    11: lambda reader: frozenset(intset(reader.string())),
    13: lambda reader: pairs(ziplist, reader.string()),
    14: _to_quicklist,
    16: lambda reader: pairs(listpack, reader.string()),
    18: _to_quicklist2,
    20: lambda reader: frozenset(listpack(reader.string())),
}
