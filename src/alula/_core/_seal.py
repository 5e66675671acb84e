"""Sealing: the only way by which pickles get into a store and out again.

Stored pickles run code when they are read, so whoever can write to the store could run code in every
process that reads it. A sealed value carries a MAC made with the installation's key, and is checked
before a byte of it is unpickled.

The bytes are hashed once: the SHA-256 is their name in a content-addressed store, and the MAC is an
HMAC of that hash.

What is no pickle (Parquet, JSON, ONNX) is signed as the bytes it is. The two never pass for each other: what
stands in front of the bytes is part of the hash.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import SealError
from ._pickle import dump, load, pack, pack_chunks, unpack

__all__ = ["Chunk", "Sealed", "body_of", "is_pickle", "reseal", "seal", "sign", "unseal", "unsign"]

Chunk: TypeAlias = "bytes | memoryview"

_MAGIC = b"ALUL\x01"
_PLAIN = b"ALUL\x02"
_HEAD = struct.Struct("<5s3x32s24x")  # padded to 64, so that what follows is aligned


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as bytes that may be stored anywhere.

    Attributes
    ----------
    head
        64 bytes: a magic number and the MAC.
    content
        The packed pickle and buffers, or what is no pickle, one part after the other.
    digest
        SHA-256 of the content, in hexadecimal: the same for the same content, so it is a name for it.
    """

    head: bytes
    content: tuple[Chunk, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes to be stored: head and content, in this order."""
        return len(self.head) + sum(map(len, self.content))

    def __bytes__(self) -> bytes:
        return b"".join((self.head, *self.content))


def seal(value: object, *, key: bytes) -> Sealed:
    """Turn a value into signed bytes.

    Raises
    ------
    TypeError
        If it cannot be pickled; the message names the offending part.
    """
    parts = dump(value)
    # Buffers are copied, for whoever has them may write to them before they are stored.
    content = (pack(parts),) if parts.buffers else tuple(map(bytes, pack_chunks(parts)))
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return Sealed(_HEAD.pack(_MAGIC, _sign(digest.digest(), key)), content, digest.hexdigest())


def sign(content: Iterable[Chunk], *, key: bytes) -> Sealed:
    """Sign bytes that are no pickle; nothing is copied, so nobody may write to them meanwhile."""
    parts = tuple(memoryview(part).cast("B") for part in content)
    digest = hashlib.sha256(_PLAIN)
    for part in parts:
        digest.update(part)
    return Sealed(_HEAD.pack(_PLAIN, _sign(digest.digest(), key)), parts, digest.hexdigest())


def unseal(
    data: bytes | memoryview, *, key: bytes, what: str = "a stored value", writable: bool = False
) -> Any:
    """Check signed bytes and turn them back into the value.

    Parameters
    ----------
    data
        Bytes of a `Sealed`; arrays use them where they lie.
    key
        The key they were sealed with.
    what
        How the message is to call them.
    writable
        Whether arrays may be written to where they lie, if `data` can be; else they are read-only.

    Raises
    ------
    SealError
        If they are unsigned, damaged, or signed with another key. Nothing was unpickled.
    """
    view = memoryview(data) if writable else memoryview(data).toreadonly()
    if len(view) < _HEAD.size or bytes(view[: len(_MAGIC)]) != _MAGIC:
        raise SealError(what, "it is not signed by Alula")
    if not _is_signed(view, _MAGIC, key):
        raise SealError(what, "its signature does not match: it is damaged, or of another ALULA_HOME")
    parts = unpack(view[_HEAD.size :])
    return load(parts.body, parts.buffers)


def is_pickle(data: Chunk, what: str) -> bool:
    """Tell whether signed bytes hold a pickle, to be given to `unseal`, or others, for `unsign`.

    Raises
    ------
    SealError
        If they are not signed at all.
    """
    magic = bytes(data[: len(_MAGIC)])
    if len(data) < _HEAD.size or magic not in (_MAGIC, _PLAIN):
        raise SealError(what, "it is not signed by Alula")
    return magic == _MAGIC


def unsign(data: Chunk, *, key: bytes, what: str = "a stored value", check: bool = True) -> memoryview:
    """Check what `sign` signed and give the bytes where they lie, writable if `data` is.

    Parameters
    ----------
    check
        False for bytes in a format that has checksums of its own, and that is harmless to read.

    Raises
    ------
    SealError
        If they are unsigned, damaged, signed with another key, or a pickle.
    """
    if is_pickle(data, what):
        raise SealError(what, "it is a pickle where there should be none")
    view = memoryview(data)
    if check and not _is_signed(view, _PLAIN, key):
        raise SealError(what, "its signature does not match: it is damaged, or of another ALULA_HOME")
    return view[_HEAD.size :]


def reseal(data: Chunk, *, key: bytes | None, new: bytes, what: str) -> Sealed:
    """Give signed bytes, of either sort, signed with another key.

    Parameters
    ----------
    key
        The key that they have to be signed with; None takes them whoever signed them.
    new
        The key to sign them with.

    Raises
    ------
    SealError
        If they are unsigned, damaged, or signed with another key than `key`.
    """
    magic = _MAGIC if is_pickle(data, what) else _PLAIN
    view = memoryview(data)
    if key is not None and not _is_signed(view, magic, key):
        raise SealError(what, "its signature does not match: it is damaged, or of another ALULA_HOME")
    digest = _digest(view, magic)
    return Sealed(_HEAD.pack(magic, _sign(digest, new)), (view[_HEAD.size :],), digest.hex())


def body_of(data: bytes | memoryview) -> bytes | memoryview:
    """Give the pickle in sealed bytes without its large buffers, unchecked: to look through, not to load."""
    return unpack(memoryview(data)[_HEAD.size :]).body


def _sign(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def _is_signed(view: memoryview, magic: bytes, key: bytes) -> bool:
    return hmac.compare_digest(view[: _HEAD.size], _HEAD.pack(magic, _sign(_digest(view, magic), key)))


def _digest(view: memoryview, magic: bytes) -> bytes:
    """Hash the content; that of pickles without their magic, as they always were."""
    digest = hashlib.sha256(b"" if magic == _MAGIC else magic)
    digest.update(view[_HEAD.size :])
    return digest.digest()
