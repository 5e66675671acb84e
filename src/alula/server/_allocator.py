"""The C allocator, told to keep what was freed: memory given back and taken again costs faults, page by page.

A tensor of a megabyte passes through three buffers on its way in, and with glibc's own settings each of
them is 256 page faults, four times what copying takes.
"""

import ctypes
from typing import Final

__all__ = ["keep_freed_memory"]

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of <malloc.h>
_KEPT: Final = 128 << 20  # bytes that may lie free at the end of the heap
_LARGE: Final = 32 << 20  # bytes from which on a buffer is mapped for itself; the most that glibc takes


def keep_freed_memory() -> bool:
    """Set it for this whole process; tell whether the allocator took it. Not glibc's: it stays as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP, _LARGE)) and bool(mallopt(_TRIM, _KEPT))
