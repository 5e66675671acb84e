"""Shared memory without names: one segment per large value.

A segment is a memory file that no path leads to. Whoever wants to read it is sent its descriptor, and
the kernel frees the memory when the last process has closed the last descriptor and unmapped the last
view: distributed reference counting that survives SIGKILL of anybody and can leak nothing.

It is written once, by its maker, with `write`: the kernel fills fresh pages faster than a mapping that
faults on each of them. Readers map it, read-only, so numpy arrays made from it are read-only too.
"""

import mmap
import os
import secrets
import sys
from collections.abc import Callable, Iterable

from ..._core._pickle import Parts, pack_chunks, packed_size, unpack

__all__ = ["Segment", "write_segment"]

_PREFAULT = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


class Segment:
    """A descriptor of a memory file; closed when this object goes."""

    __slots__ = ("fd", "size")

    def __init__(self, fd: int, size: int) -> None:
        self.fd, self.size = fd, size

    def parts(self) -> Parts:
        """Map the value's pickle and buffers where they lie.

        The mapping lives as long as any view of it, also after this object has gone.
        """
        mapped = mmap.mmap(self.fd, self.size, flags=_PREFAULT, prot=mmap.PROT_READ)
        return unpack(memoryview(mapped))

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.fd)  # bound early: at exit the module `os` may go before the last segment

    def __repr__(self) -> str:
        return f"<segment of {self.size} bytes>"


def write_segment(parts: Parts) -> Segment:
    """Write a value into fresh shared memory.

    Raises
    ------
    OSError
        If there is no memory, or no descriptor, left.
    """
    size = packed_size(parts)
    segment = Segment(_memory_file(), size)
    for chunk in _bounded(pack_chunks(parts)):
        os.write(segment.fd, chunk)
    return segment


def _bounded(chunks: Iterable[bytes | memoryview]) -> Iterable[memoryview]:
    """Cut into pieces that one `write` takes whole (Linux stops short of 2 GiB)."""
    limit = 1 << 30
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        for start in range(0, len(view), limit):
            yield view[start : start + limit]


if sys.platform == "linux":

    def _memory_file() -> int:
        return os.memfd_create("alula", os.MFD_CLOEXEC)

else:
    import _posixshmem  # what multiprocessing.shared_memory stands on

    def _memory_file() -> int:
        name = f"/alula-{secrets.token_hex(8)}"
        fd: int = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
        _posixshmem.shm_unlink(name)
        return fd
