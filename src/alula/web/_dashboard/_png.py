"""Arrays as PNG, without a library for pictures."""

import zlib
from base64 import b64encode
from struct import pack
from typing import Any, Final

import numpy as np

__all__ = ["data_uri", "is_picture"]

_LARGEST: Final = 1024  # pixels of a side; what is larger is thinned out
_KINDS: Final = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: PNG's number for grey, grey and alpha, RGB, RGBA


def is_picture(array: "np.ndarray[Any, Any]") -> bool:
    """Tell whether an array is one of pixels: (height, width) or (height, width, 1 to 4), of bytes."""
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _KINDS)
    return array.dtype == np.uint8 and shaped and min(array.shape[:2]) >= 4


def data_uri(array: "np.ndarray[Any, Any]") -> str:
    """Give pixels as the address of a picture, for which nothing is fetched."""
    step = max(1, -(-max(array.shape[:2]) // _LARGEST))
    pixels = np.ascontiguousarray(array[::step, ::step])
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    height, width = pixels.shape[:2]
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter, which is none
    lines[:, 1:] = pixels.reshape(height, -1)
    head = pack(">IIBBBBB", width, height, 8, _KINDS[channels], 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
