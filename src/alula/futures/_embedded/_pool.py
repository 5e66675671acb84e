"""The memory files that count as ours, and those of them that are kept warm.

A file that nobody sees any more is kept for a moment: its pages are there already, so the next value of
about its size is written several times as fast as into fresh ones. It keeps its mapping, too.
"""

import mmap
import os
from time import monotonic
from typing import ClassVar

from ..._core._pickle import Parts, pack_chunks
from ._descriptors import most_mapped
from ._files import fill, rounded, write
from ._wire import Descriptor

__all__ = ["MemoryFile", "Pool"]

_MOST = 64  # files that are kept warm
_AWAY = 32  # files that were handed over and are expected back
_KEEP = 1.0  # s for which an unused file is kept
_SLACK = 64 << 10  # bytes that a value may be smaller than the file it goes into, beside a quarter of it


class MemoryFile:
    """A memory file that counts as ours.

    Attributes
    ----------
    capacity
        Bytes of its pages.
    away
        Whether it was handed over, to come back when nobody needs it any more.
    since
        When it was last seen by anybody, on the monotonic clock.
    """

    prompt: ClassVar[bool] = False
    in_memory: ClassVar[bool] = True
    __slots__ = ("_pool", "_warm", "away", "capacity", "descriptor", "mapping", "reusable", "since")

    def __init__(self, pool: "Pool", descriptor: Descriptor, size: int, *, reusable: bool) -> None:
        self.descriptor, self.capacity, self.reusable = descriptor, rounded(size), reusable
        self.away = self._warm = False
        self.since = 0.0
        self.mapping: mmap.mmap | None = None
        self._pool = pool

    def fill(self, parts: Parts) -> None:
        """Write a value."""
        if self._warm and self.mapping is None and self._pool.mapped < most_mapped():
            self._map()
        self._warm = True
        if self.mapping is None:
            write(self.descriptor.fileno(), 0, pack_chunks(parts))
            return
        with memoryview(self.mapping) as target:
            fill(target, self.descriptor.fileno(), pack_chunks(parts))

    def _map(self) -> None:
        os.ftruncate(self.descriptor.fileno(), self.capacity)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.mapping = mmap.mmap(self.descriptor.fileno(), self.capacity, flags)
        self._pool.mapped += 1

    def free(self) -> None:
        """Nobody sees it: keep it warm, or let it go."""
        self._pool.put(self)

    def freeze(self) -> None:
        """Others may see it for good: it is not written to again."""
        self.reusable = False


class Pool:
    """All memory files of one process. Its users hold a lock.

    Attributes
    ----------
    limit
        Bytes that may be kept warm.
    held
        Bytes of all files.
    mapped
        Files that have a mapping to write through.
    """

    def __init__(self) -> None:
        self.limit = self.held = self.mapped = 0
        # Strongly: the collector finalises all of a dead cycle, also what one of its finalisers brings back,
        # and a file whose descriptor it had closed would be written to under another's number.
        self._files: set[MemoryFile] = set()
        self._warm: list[MemoryFile] = []  # the one that was used last is the last
        self._away = self._away_files = 0
        self._abandoned = False

    def abandon(self) -> None:
        """In a forked child: nothing may be written to what is the parent's."""
        self._abandoned = True
        self._warm.clear()
        self._files.clear()

    def __bool__(self) -> bool:
        return bool(self._warm)

    @property
    def warm(self) -> int:
        """Bytes that are kept warm."""
        return sum(file.capacity for file in self._warm)

    def made(self, descriptor: Descriptor, size: int, *, reusable: bool = True) -> MemoryFile:
        """Count a file as ours; one that others may see is not to be reused."""
        file = MemoryFile(self, descriptor, size, reusable=reusable)
        self.held += file.capacity
        self._files.add(file)
        return file

    def take(self, size: int) -> MemoryFile | None:
        """Give a warm file for a value of that size."""
        for i in range(len(self._warm) - 1, -1, -1):
            if size <= self._warm[i].capacity <= size + size // 4 + _SLACK:
                return self._warm.pop(i)
        return None

    def put(self, file: MemoryFile) -> None:
        """Take back a file that nobody sees."""
        if self._abandoned:
            return
        if file.away:
            file.away = False
            self._away -= file.capacity
            self._away_files -= 1
        if not file.reusable or file.capacity > self.limit:
            self.close(file)
            return
        file.since = monotonic()
        self._warm.append(file)
        over = self.warm - self.limit
        while over > 0 or len(self._warm) > _MOST:
            over -= self._warm[0].capacity
            self.close(self._warm.pop(0))

    def lend(self, file: MemoryFile) -> bool:
        """Tell whether a file that is handed over is to come back; if not, it counts no more."""
        if self._away_files >= min(_AWAY, most_mapped()) or self._away + file.capacity > self.limit:
            self.close(file)
            return False
        file.away = True
        self._away += file.capacity
        self._away_files += 1
        return True

    def expire(self) -> float | None:
        """Let go of what was kept long enough; give the s until there is more of it."""
        now = monotonic()
        while self._warm and now - self._warm[0].since > _KEEP:
            self.close(self._warm.pop(0))
        return max(0.0, self._warm[0].since + _KEEP - now) + 0.001 if self._warm else None

    def empty(self) -> None:
        """Keep nothing warm."""
        while self._warm:
            self.close(self._warm.pop())

    def close(self, file: MemoryFile) -> None:
        """Forget a file: the kernel frees it, unless somebody else has it open."""
        self._files.discard(file)
        self.mapped -= file.mapping is not None
        self.held -= file.capacity
