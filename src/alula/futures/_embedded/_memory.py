"""The memory of this process: where large values are written, and when they have to move.

The processes of a session may hold so many bytes together. Who would exceed that gives back what he keeps
warm, then moves the values that only he sees to disk, the longest unused first, and at last writes new ones
to disk at once. Where descriptors get scarce, values move in the same way into a file that they share.

There is one such memory in each process, for descriptors and pages are the process's. Values go, and so
call us, at any moment in any thread: what that means for them is done later, by whoever needs memory next
or by the loop.
"""

import errno
import os
import weakref
from collections import deque
from collections.abc import Iterable

from ..._core._gates import gate
from ..._core._pickle import Parts, pack_chunks, packed_size
from ..._core._shield import Guard, Shield
from ...errors import ObjectStoreFullError, OutOfDiskError
from ._budget import Share, Usage
from ._descriptors import crowded, limit
from ._files import memory_file
from ._pool import MemoryFile, Pool
from ._segments import Backing, Segment, Source
from ._shelves import Place, Shelves, value_of
from ._wire import Descriptor

__all__ = ["Memory", "here"]

_POOL_PART = 8  # this part of the budget may be kept warm by one process
_LOW_WATER = 0.8  # of the budget: what is spilled when another process lacks memory
_WAITING = 8  # values that may have gone before somebody is woken for them
_NO_ROOM = {errno.ENOSPC, errno.ENOMEM, errno.EDQUOT, errno.EFBIG}
_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}


class Memory:
    """Large values of one process, and what they lie in. Safe to use from any thread.

    Attributes
    ----------
    busy
        Whether `tidy` has something to do, now or soon.
    short
        Whether memory was missing, and other processes should give some back.
    """

    def __init__(self) -> None:
        self._shares: list[Share] = []
        self._begin()

    def _begin(self) -> None:
        self.busy = self.short = self._called = False
        self._lock = Guard(Shield(lambda: None))
        self._gone: deque[Source] = deque()
        self._segments: weakref.WeakSet[Segment] = weakref.WeakSet()
        self._pool = Pool()
        self._fused = Shelves(None)
        self._disk: Shelves | None = None

    def abandon(self) -> None:
        """In a forked child: all there is belongs to the parent."""
        for parents in (self._pool, self._fused, self._disk):
            if parents is not None:
                parents.abandon()
        self._shares.clear()
        self._begin()

    def enter(self, share: Share) -> None:
        """Be part of a session's memory."""
        with self._lock:
            self._shares.append(share)
            self._changed()

    def leave(self, share: Share) -> None:
        """Leave a session."""
        with self._lock:
            share.tally.write(share.slot, 0)
            self._shares.remove(share)
            self._settle()
            self._pool.empty()
            self._changed()

    def _changed(self) -> None:
        self._disk = Shelves(self._shares[-1].folder) if self._shares else None
        self._pool.limit = min((share.budget for share in self._shares), default=0) // _POOL_PART
        self._tell()

    def usage(self) -> Usage:
        """Tell what this process holds."""
        with self._lock:
            self._settle()
            segments = list(self._segments)
            return Usage(
                held=self._pool.held + self._fused.held,
                pooled=self._pool.warm,
                spilled=self._disk.held if self._disk is not None else 0,
                segments=len(segments),
                shared=sum(segment.backing.shares > 0 for segment in segments),
                budget=min((share.budget for share in self._shares), default=0),
                total=max((share.tally.total() for share in self._shares), default=0),
            )

    # ------------------------------------------------------------------------------------ new values

    def keep(self, parts: Parts) -> Segment:
        """Write a value where there is room for it.

        Raises
        ------
        OutOfDiskError
            If memory is used up, and the disk as well.
        ObjectStoreFullError
            If memory or descriptors are used up, and nothing can be moved to disk.
        """
        size = packed_size(parts)
        with self._lock:
            self._settle()
            file = self._pool.take(size)
        if file is None:
            file = self._fresh(size)
        backing = self._filled(file, size, parts) if file is not None else None
        if backing is None:
            backing = self._on_disk(size, pack_chunks(parts))
        return self.add(Segment(backing, mine=True))

    def add(self, segment: Segment) -> Segment:
        """Take note of a value that this process can read."""
        with self._lock:
            self._segments.add(segment)
        return segment

    def _fresh(self, size: int) -> MemoryFile | None:
        """Give a new file; None if there is no memory left for it."""
        if self._missing(size) > 0 and not self._make_room(size):
            self.short = True
            self._call()
            return None
        return self._count(self._new_file(size), size)

    def _filled(self, file: MemoryFile, size: int, parts: Parts) -> Backing | None:
        """Write a value into a file; None if there is no memory for it after all."""
        try:
            gate("segment.writing")
            file.fill(parts)
            gate("segment.written")
        except BaseException as error:
            with self._lock:
                self._pool.close(file)
                self._tell()
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                return None
            raise
        return Backing(file.descriptor, 0, size, file, self.gone)

    def _on_disk(self, size: int, chunks: Iterable[bytes | memoryview]) -> Backing:
        if self._disk is None:
            raise ObjectStoreFullError(value_of(size), "no memory is left")
        return self._placed(self._disk.put(size, chunks), size)

    def _placed(self, place: Place, size: int) -> Backing:
        return Backing(place.shelf.descriptor, place.start, size, place, self.gone)

    def _new_file(self, size: int) -> Descriptor:
        """Make a memory file, leaving room for the descriptors that others send us."""
        for _ in range(2):
            try:
                made = memory_file()
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR:
                    raise ObjectStoreFullError(value_of(size), error.strerror or str(error)) from error
            else:
                if not crowded(made.fileno()):
                    return made
                del made
            self.relieve()
        why = f"of {limit()} file descriptors too few are left: raise `ulimit -n`, or hold fewer large values"
        raise ObjectStoreFullError(value_of(size), why)

    # -------------------------------------------------------------------------------- what has gone

    def gone(self, source: Source) -> None:
        """Hear that nobody sees something any more; from any thread at any moment."""
        self._gone.append(source)
        if not self._shares:  # then nothing is kept warm, and there is no loop
            with self._lock:
                self._settle()
        elif not self._called and (not self.busy or source.prompt or len(self._gone) > _WAITING):
            self._call()

    def _call(self) -> None:
        """Have `tidy` called soon."""
        self._called = self.busy = True
        for share in self._shares:
            share.wake()

    def tidy(self) -> float | None:
        """Do what is due; give the s after which it is time to look again."""
        # In this order: a call in between, of another thread or a finaliser, must not be taken back in half.
        self.busy = False
        self._called = False
        with self._lock:
            self._settle()
            left = self._pool.expire()
            self._tell()
        if left is not None:
            self.busy = True
        return left

    def _settle(self) -> None:
        if self._gone:
            while self._gone:
                self._gone.popleft().free()
            self._tell()
            if self._pool and self._missing(0) > 0:
                self._give_back()

    def _give_back(self) -> None:
        """Keep nothing warm: others need the memory, or the descriptors."""
        self._pool.empty()
        self._tell()

    # ------------------------------------------------------------------------------------ the budget

    def _count(self, descriptor: Descriptor, size: int, *, reusable: bool = True) -> MemoryFile:
        with self._lock:
            file = self._pool.made(descriptor, size, reusable=reusable)
            self._tell()
        return file

    def _tell(self) -> None:
        held = self._pool.held + self._fused.held
        for share in self._shares:
            share.tally.write(share.slot, held)

    def _missing(self, size: int) -> int:
        """Bytes by which the budget would be exceeded."""
        return max((share.tally.total() + size - share.budget for share in self._shares), default=0)

    def _make_room(self, size: int) -> bool:
        """Give back what is kept warm, then move values to disk; tell whether that was enough."""
        with self._lock:
            self._give_back()
        self._spill(self._missing(size))
        return self._missing(size) <= 0

    def shrink(self) -> None:
        """Others lack memory: give back what can be had without anybody noticing."""
        with self._lock:
            self._settle()
            self._give_back()
        self._spill(max((s.tally.total() - int(s.budget * _LOW_WATER) for s in self._shares), default=0))

    def _spill(self, needed: int) -> None:
        if self._disk is not None and needed > 0:
            self._move([s for s in self._still() if s.mine and _in_memory(s)], needed, self._disk)

    def _still(self) -> list[Segment]:
        """The values at which nobody looks and that were sent to nobody, the longest unused first."""
        with self._lock:
            segments = list(self._segments)
        quiet = [s for s in segments if not (s.backing.viewed or s.backing.shares)]
        return sorted(quiet, key=lambda segment: segment.used)

    def _move(self, segments: list[Segment], needed: int, shelves: Shelves) -> None:
        """Move values to shelves until so many bytes were moved."""
        for segment in segments:
            if needed <= 0:
                break
            backing = segment.backing
            try:
                place = shelves.put(backing.size, [backing.view()])
            except (OutOfDiskError, ObjectStoreFullError):
                break  # what cannot be done for old values will be said about the new one
            # Who reads the old bytes just now, or has sent them, keeps them alive until he is done.
            segment.backing = self._placed(place, backing.size)
            needed -= backing.size
            del backing
        with self._lock:
            self._settle()
            self._give_back()

    # ------------------------------------------------------------------------------- the descriptors

    def arrived(self, descriptor: Descriptor) -> None:
        """Keep room for more descriptors, now that this one was sent to us."""
        if crowded(descriptor.fileno()):
            self.relieve()

    def relieve(self) -> None:
        """Move values into a file that they share, until a part of all descriptors is free."""
        with self._lock:
            self._settle()
            self._give_back()
        apart = [segment for segment in self._still() if not isinstance(segment.backing.source, Place)]
        apart.sort(key=lambda segment: not segment.mine)  # the others' bytes will be there twice
        for segment in apart[: max(16, limit() // 4)]:
            self.fuse(segment)

    def fuse(self, segment: Segment) -> None:
        """Move one value into a file that it shares with others."""
        if not isinstance(segment.backing.source, Place):
            crowded = self._disk if self._missing(segment.size) > 0 else None
            self._move([segment], segment.size, crowded or self._fused)

    # ----------------------------------------------------------------------- from process to process

    def hand_over(self, backing: Backing) -> bool:
        """A value goes to another process for good: tell whether its bytes are to come back in the end.

        If not, they count as the other's from now on.
        """
        file = backing.source
        if not isinstance(file, MemoryFile):
            return True
        with self._lock:
            if self._pool.lend(file):
                return True
            backing.source = None
            self._tell()
            return False

    def take_over(self, descriptor: Descriptor, size: int) -> MemoryFile:
        """Have a memory file of another process count as ours; others may see it, so nobody writes to it."""
        return self._count(descriptor, size, reusable=False)


def _in_memory(segment: Segment) -> bool:
    source = segment.backing.source
    return source is not None and source.in_memory


here = Memory()
"""That of this process."""

os.register_at_fork(after_in_child=here.abandon)
