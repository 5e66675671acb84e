"""Files without a name: memory that can be passed on as a descriptor, and the bytes in it.

Fresh pages are filled with `write`, which costs half of what a mapping does that faults on each of them.
Pages that are there already are filled through a mapping that is kept: that is a plain copy.
"""

import mmap
import os
import sys
from collections.abc import Iterable
from typing import Any

from ._wire import Descriptor

__all__ = ["fill", "memory_file", "rounded", "write"]

_BULK = 1 << 20  # bytes from which a copy lets other threads run meanwhile


def rounded(size: int) -> int:
    """Give the bytes of the pages that hold so many bytes."""
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def write(descriptor: int, at: int, chunks: Iterable[bytes | memoryview]) -> int:
    """Write at an offset of a file; give where it ends."""
    for chunk in chunks:
        rest = memoryview(chunk).cast("B")
        while rest:  # one call stops short of 2 GiB, and where room runs out
            written = os.pwrite(descriptor, rest, at)
            rest = rest[written:]
            at += written
    return at


def fill(target: memoryview, descriptor: int, chunks: Iterable[bytes | memoryview]) -> None:
    """Copy into a mapping of the file behind `descriptor`, from its beginning."""
    at = 0
    for chunk in chunks:
        source = memoryview(chunk).cast("B")
        size = len(source)
        if size < _BULK:
            target[at : at + size] = source
        elif (copyto := getattr(sys.modules.get("numpy"), "copyto", None)) is not None:
            array: Any = sys.modules["numpy"].frombuffer
            copyto(array(target[at : at + size], "B"), array(source, "B"))
        else:
            write(descriptor, at, [source])
        at += size


def memory_file(name: str = "alula") -> Descriptor:
    """Make an empty memory file; its name only shows in `/proc`.

    Raises
    ------
    OSError
        If there is no descriptor left.
    """
    return Descriptor(_made(name))


if sys.platform == "linux":

    def _made(name: str) -> int:
        return os.memfd_create(name, os.MFD_CLOEXEC)

else:
    import _posixshmem  # what multiprocessing.shared_memory stands on

    def _made(name: str) -> int:
        path = f"/{name}-{os.urandom(8).hex()}"
        descriptor: int = _posixshmem.shm_open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
        _posixshmem.shm_unlink(path)
        return descriptor
