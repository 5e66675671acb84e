"""Sealing: the only way by which pickles get into a store and out again.

Stored pickles run code when they are read, so whoever can write to the store could run code in every
process that reads it. A sealed value carries a MAC made with the installation's key, and is checked
before a byte of it is unpickled.

The bytes are hashed once: the SHA-256 is their name in a content-addressed store, and the MAC is an
HMAC of that hash.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Any

from ..errors import SealError
from ._pickle import dump, load, pack, pack_chunks, unpack

__all__ = ["Sealed", "body_of", "seal", "unseal"]

_MAGIC = b"ALUL\x01"
_HEAD = struct.Struct("<5s3x32s24x")  # padded to 64, so that what follows is aligned


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as bytes that may be stored anywhere.

    Attributes
    ----------
    head
        64 bytes: a magic number and the MAC.
    content
        The packed pickle and buffers, one part after the other.
    digest
        SHA-256 of the content, in hexadecimal: the same for the same content, so it is a name for it.
    """

    head: bytes
    content: tuple[bytes, ...]
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
    content = hashlib.sha256(view[_HEAD.size :]).digest()
    if not hmac.compare_digest(view[: _HEAD.size], _HEAD.pack(_MAGIC, _sign(content, key))):
        raise SealError(what, "its signature does not match: it is damaged, or of another ALULA_HOME")
    parts = unpack(view[_HEAD.size :])
    return load(parts.body, parts.buffers)


def body_of(data: bytes | memoryview) -> bytes | memoryview:
    """Give the pickle in sealed bytes without its large buffers, unchecked: to look through, not to load."""
    return unpack(memoryview(data)[_HEAD.size :]).body


def _sign(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")
