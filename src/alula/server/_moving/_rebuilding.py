"""The commands that make a key again: what a Redis writes when it rewrites its append-only file.

Each command is one that clients send, so the text of a whole keyspace can be replayed by any server that
knows them; keys of plain Redis also by Redis itself.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

from .._dump import Dumped, dump
from .._forms import ModelForm, ScriptForm
from .._tensors import Tensor

__all__ = ["CHUNK", "Entry", "Words", "rebuilding"]

Words: TypeAlias = Sequence[bytes | memoryview]

Entry: TypeAlias = tuple[bytes, Dumped, int | None]
"""A key, its value, and when it expires, a UNIX time in ms."""

CHUNK: Final = 511 << 20
"""Bytes of a model that stand in one word at most."""

_ITEMS: Final = 64  # of a list or hash in one command, as Redis has it


def rebuilding(entry: Entry, chunk: int = CHUNK) -> Iterator[Words]:
    """Give the commands that make a key what it is, whatever it was.

    Parameters
    ----------
    entry
        The key.
    chunk
        Bytes of a model that stand in one word at most.
    """
    key, value, expires = entry
    match value:
        case bytes():
            yield (b"SET", key, value)
        case list():
            yield (b"DEL", key)
            for items in _cut(value):
                yield (b"RPUSH", key, *items)
        case frozenset():
            yield (b"DEL", key)
            for members in _cut(sorted(value)):
                yield (b"SADD", key, *members)
        case dict():
            yield (b"DEL", key)
            for fields in _cut(list(value.items())):
                yield (b"HSET", key, *[word for field in fields for word in field])
        case Tensor() if 0 in value.shape:  # AI.TENSORSET has no such shape, but a model may have made it
            yield (b"RESTORE", key, b"0", dump(value), b"REPLACE")
        case Tensor():
            shape = [b"%d" % size for size in value.shape]
            yield (b"AI.TENSORSET", key, value.dtype.name.encode(), *shape, b"BLOB", value.data)
        case ModelForm():
            yield _of_model(key, value, chunk)
        case ScriptForm():
            yield _of_script(key, value)
    if expires is not None:
        yield (b"PEXPIREAT", key, b"%d" % expires)


_T = TypeVar("_T")


def _cut(items: list[_T]) -> Iterator[list[_T]]:
    return (items[at : at + _ITEMS] for at in range(0, len(items), _ITEMS))


def _of_model(key: bytes, model: ModelForm, chunk: int) -> Words:
    named: list[bytes] = []
    if model.backend == "TF":  # of the others the file says it
        for word, names in ((b"INPUTS", model.inputs), (b"OUTPUTS", model.outputs)):
            named += (word, b"%d" % len(names), *names)
    numbers = (model.batchsize, model.minbatchsize, model.minbatchtimeout)
    options = zip((b"BATCHSIZE", b"MINBATCHSIZE", b"MINBATCHTIMEOUT"), numbers, strict=True)
    blob = memoryview(model.blob)
    return (
        *(b"AI.MODELSTORE", key, model.backend.encode(), model.device, b"TAG", model.tag),
        *[word for name, number in options for word in (name, b"%d" % number)],
        *named,
        b"BLOB",
        *[blob[at : at + chunk] for at in range(0, len(blob), chunk)],
    )


def _of_script(key: bytes, script: ScriptForm) -> Words:
    if not script.entry_points:  # AI.SCRIPTSTORE would refuse it
        return (b"AI.SCRIPTSET", key, script.device, b"TAG", script.tag, b"SOURCE", script.source)
    entries = (b"ENTRY_POINTS", b"%d" % len(script.entry_points), *script.entry_points)
    return (b"AI.SCRIPTSTORE", key, script.device, b"TAG", script.tag, *entries, b"SOURCE", script.source)
