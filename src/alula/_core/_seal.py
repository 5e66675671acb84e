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
from ._pickle import dump, load, pack_into, packed_size, unpack

__all__ = ["Sealed", "seal", "unseal"]

_MAGIC = b"ALUL\x01"
_HEAD = struct.Struct("<5s3x32s24x")  # padded to 64, so that what follows is aligned


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as bytes that may be stored anywhere.

    Attributes
    ----------
    data
        Head (magic, MAC), then the packed pickle and buffers.
    digest
        SHA-256 of what follows the head, in hexadecimal: the same for the same content, so it is a
        name for it.
    """

    data: bytes | memoryview
    digest: str

    @property
    def size(self) -> int:
        """Bytes to be stored."""
        return len(self.data)


def seal(value: object, *, key: bytes) -> Sealed:
    """Turn a value into signed bytes.

    Raises
    ------
    TypeError
        If it cannot be pickled; the message names the offending part.
    """
    parts = dump(value)
    data = bytearray(_HEAD.size + packed_size(parts))
    view = memoryview(data)
    pack_into(parts, view[_HEAD.size :])
    content = hashlib.sha256(view[_HEAD.size :]).digest()
    _HEAD.pack_into(data, 0, _MAGIC, _sign(content, key))
    return Sealed(memoryview(data).toreadonly(), content.hex())


def unseal(data: bytes | memoryview | Sealed, *, key: bytes, what: str = "a stored value") -> Any:
    """Check signed bytes and turn them back into the value; arrays in it are read-only.

    Parameters
    ----------
    data
        What `seal` gave, or its bytes; arrays use these bytes where they lie.
    key
        The key they were sealed with.
    what
        How the message is to call them.

    Raises
    ------
    SealError
        If they are unsigned, damaged, or signed with another key. Nothing was unpickled.
    """
    view = memoryview(data.data if isinstance(data, Sealed) else data).toreadonly()
    if len(view) < _HEAD.size or bytes(view[: len(_MAGIC)]) != _MAGIC:
        raise SealError(what, "it is not signed by Alula")
    _, mac = _HEAD.unpack_from(view)
    content = hashlib.sha256(view[_HEAD.size :]).digest()
    if not hmac.compare_digest(mac, _sign(content, key)):
        raise SealError(what, "its signature does not match: it is damaged, or of another ALULA_HOME")
    parts = unpack(view[_HEAD.size :])
    return load(parts.body, parts.buffers)


def _sign(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")
