"""Shared memory without names: one segment per large value.

A segment is a memory file that no path leads to. Whoever wants to read it is sent its descriptor, and
the kernel frees the memory when the last process has closed the last descriptor and unmapped the last
view: distributed reference counting that survives SIGKILL of anybody and can leak nothing.

It is written once, by its maker, with `write`: the kernel fills fresh pages faster than a mapping that
faults on each of them. Readers map it, read-only, so numpy arrays made from it are read-only too; pages
that nobody looks at cost nothing.
"""

import mmap
import os
import secrets
import sys
import weakref
from collections.abc import Iterable

from ..._core._gates import gate
from ..._core._pickle import Parts, pack_chunks, packed_size, unpack
from ._wire import Descriptor

__all__ = ["Segment", "write_segment"]


class Segment(Descriptor):
    """A memory file that holds one value."""

    __slots__ = ("_mapped", "size")

    def __init__(self, fd: int, size: int) -> None:
        super().__init__(fd)
        self.size = size
        self._mapped: weakref.ref[mmap.mmap] | None = None

    def parts(self) -> Parts:
        """Map the value's pickle and buffers where they lie.

        The mapping lives as long as any view of it, also after this object has gone; while it lives,
        further calls give views of the same memory.
        """
        mapped = self._mapped() if self._mapped is not None else None
        if mapped is None:
            mapped = _map(self.fileno(), self.size)
            self._mapped = weakref.ref(mapped)
        return unpack(memoryview(mapped))

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
    gate("segment.writing")
    _write(segment.fileno(), size, pack_chunks(parts))
    gate("segment.written")
    return segment


if sys.version_info >= (3, 13):

    def _map(fd: int, size: int) -> mmap.mmap:
        return mmap.mmap(fd, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, trackfd=False)

else:

    def _map(fd: int, size: int) -> mmap.mmap:
        return mmap.mmap(
            fd, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ
        )  # keeps a descriptor of its own


if sys.platform == "linux":

    def _memory_file() -> int:
        return os.memfd_create("alula", os.MFD_CLOEXEC)

    def _write(fd: int, size: int, chunks: Iterable[bytes | memoryview]) -> None:
        for chunk in chunks:
            rest = memoryview(chunk).cast("B")
            while rest:  # one call stops short of 2 GiB, and where memory runs out
                rest = rest[os.write(fd, rest) :]

else:
    import _posixshmem  # what multiprocessing.shared_memory stands on

    def _memory_file() -> int:
        name = f"/alula-{secrets.token_hex(8)}"
        fd: int = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
        _posixshmem.shm_unlink(name)
        return fd

    def _write(fd: int, size: int, chunks: Iterable[bytes | memoryview]) -> None:
        os.ftruncate(fd, size)  # such memory can be mapped only
        with mmap.mmap(fd, size) as mapped:
            for chunk in chunks:
                mapped.write(chunk)
