r"""A value as bytes, the way it lies in a file or in a Redis that keeps the keys.

A tensor, a model or a script begins with ``\x9aALULA``, a byte for the format's version (1) and a letter for
its kind: ``T``, ``M`` or ``S``. Then comes a head, JSON in ASCII, with its size in front (four bytes, the
lowest first), and then the payload as it is: a tensor's elements, a model's file, a script's text. In
the head, bytes that a client gave are written as characters of the same numbers.

========  ==========================================================================================
tensor    ``dtype``, ``shape``
model     ``digest`` of everything, ``backend``, ``device``, ``tag``, ``batchsize``, ``minbatchsize``,
          ``minbatchtimeout``, ``inputs``, ``outputs``
script    ``digest``, ``device``, ``tag``, ``entry_points``
========  ==========================================================================================

So the first bytes tell what kind of value it is and, by the digest, whether a model is still the one that
was loaded. A string, a list, a hash or a set is written as in a DUMP, without the checksum; in a Redis they
are Redis' own.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from ...errors import CommandError
from .._dump import Dumped, body, unbody
from .._forms import ModelForm, ScriptForm
from .._tensors import DTYPES, DType, Tensor

__all__ = ["MAGIC", "head_of", "pack", "unpack"]

MAGIC: Final = b"\x9aALULA\x01"
"""What a tensor, a model or a script begins with."""

_FRONT: Final = len(MAGIC) + 1 + 4  # bytes before the head


def pack(value: Dumped) -> bytes:
    """Give a value's bytes."""
    match value:
        case Tensor():
            return b"".join((_tensor_head(value.dtype.name, value.shape), value.data))
        case ModelForm():
            fields = {
                "backend": value.backend,
                "device": _text(value.device),
                "tag": _text(value.tag),
                "batchsize": value.batchsize,
                "minbatchsize": value.minbatchsize,
                "minbatchtimeout": value.minbatchtimeout,
                "inputs": [_text(name) for name in value.inputs],
                "outputs": [_text(name) for name in value.outputs],
            }
            return _digested(b"M", fields, value.blob)
        case ScriptForm():
            entries = [_text(name) for name in value.entry_points]
            fields = {"device": _text(value.device), "tag": _text(value.tag), "entry_points": entries}
            return _digested(b"S", fields, value.source)
        case _:
            return body(value)


def unpack(data: bytes) -> Dumped:
    """Give the value that some bytes are.

    Raises
    ------
    CommandError
        If they are none of `pack`; a newer version may have written them.
    """
    if not data.startswith(MAGIC):
        return unbody(data)
    head = head_of(data)
    try:
        return _KINDS[head[len(MAGIC) : len(MAGIC) + 1]](head, data[len(head) :])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error


def head_of(data: bytes) -> bytes:
    """Give what stands before the payload; of two images with the same head, one is as good as the other
    for a model or a script.

    Raises
    ------
    CommandError
        If `data` does not reach to the end of the head.
    """
    size = int.from_bytes(data[_FRONT - 4 : _FRONT], "little")
    if len(data) < _FRONT + size:
        raise _unreadable()
    return data[: _FRONT + size]


def _unreadable() -> CommandError:
    return CommandError("ERR a key holds bytes that begin like a value of Alula and are none it can read")


# ------------------------------------------------------------------------------------- writing


@lru_cache(maxsize=1024)
def _tensor_head(dtype: str, shape: tuple[int, ...]) -> bytes:
    return _head(b"T", {"dtype": dtype, "shape": shape})


def _head(kind: bytes, fields: dict[str, Any]) -> bytes:
    text = json.dumps(fields, separators=(",", ":")).encode()
    return b"".join((MAGIC, kind, len(text).to_bytes(4, "little"), text))


def _digested(kind: bytes, fields: dict[str, Any], payload: bytes) -> bytes:
    digest = blake2b(_head(kind, fields), digest_size=16)
    digest.update(payload)
    return _head(kind, {"digest": digest.hexdigest(), **fields}) + payload


def _text(given: bytes) -> str:
    return given.decode("latin-1")


# ------------------------------------------------------------------------------------- reading


@lru_cache(maxsize=1024)
def _tensor_fields(head: bytes) -> tuple[DType, tuple[int, ...]]:
    fields = json.loads(head[_FRONT:])
    return DTYPES[fields["dtype"].encode()], tuple(fields["shape"])


def _to_tensor(head: bytes, payload: bytes) -> Tensor:
    return Tensor(*_tensor_fields(head), payload)


def _to_model(head: bytes, payload: bytes) -> ModelForm:
    fields = json.loads(head[_FRONT:])
    del fields["digest"]
    for name in ("device", "tag"):
        fields[name] = fields[name].encode("latin-1")
    for name in ("inputs", "outputs"):
        fields[name] = tuple([item.encode("latin-1") for item in fields[name]])
    return ModelForm(**fields, blob=payload)


def _to_script(head: bytes, payload: bytes) -> ScriptForm:
    fields = json.loads(head[_FRONT:])
    return ScriptForm(
        device=fields["device"].encode("latin-1"),
        tag=fields["tag"].encode("latin-1"),
        entry_points=tuple([name.encode("latin-1") for name in fields["entry_points"]]),
        source=payload,
    )


_KINDS: Final[dict[bytes, Callable[[bytes, bytes], Dumped]]] = {
    b"T": _to_tensor,
    b"M": _to_model,
    b"S": _to_script,
}
