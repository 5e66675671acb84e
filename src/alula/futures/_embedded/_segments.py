"""Where the bytes of large values lie, and how they are read in place.

A segment is one large value. Its bytes are a run in a file that no path leads to: a memory file of its own,
or a place in a file that several share, in memory or on disk. Whoever wants to read it is sent the
descriptor, and the kernel frees the bytes with the last process that has it open or mapped; that survives
SIGKILL of anybody and can leak nothing.

Readers map the run, read-only, so numpy arrays made from it are read-only too; pages that nobody looks at
cost nothing.
"""

import errno
import mmap
import os
import sys
import weakref
from itertools import count
from typing import TYPE_CHECKING, Protocol

from ..._core._pickle import Parts, unpack
from ._descriptors import most_viewed
from ._wire import Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backing", "Segment", "Source"]

_NO_MAPPING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}

_tick = count(1)


class Source(Protocol):
    """What a run of bytes is for this process: its own file, a place in one, or a loan from another.

    Attributes
    ----------
    in_memory
        Whether it is memory; else it is on disk.
    prompt
        Whether somebody waits to hear that nobody sees it any more.
    """

    @property
    def in_memory(self) -> bool: ...

    @property
    def prompt(self) -> bool: ...

    def free(self) -> None:
        """Nobody sees the bytes any more, here or behind us."""

    def freeze(self) -> None:
        """Somebody of whom nobody will tell may see the bytes: they stay as they are, also once freed."""


class _View(mmap.mmap):
    """A mapping that keeps its run alive; numpy arrays and slices keep the mapping alive."""

    backing: "Backing"


_alive: weakref.WeakSet[_View] = weakref.WeakSet()


class _End:
    """What happens when nobody sees a run of bytes any more.

    Not in a finaliser: while that runs, a weak reference still gives the object to other threads, and who
    takes it then has something whose end was told already and will not be told again.
    """

    __slots__ = ("gone", "source")

    def __init__(self, source: Source | None, gone: "Callable[[Source], None] | None") -> None:
        self.source, self.gone = source, gone

    def come(self, watch: "weakref.ref[Backing]") -> None:
        """Tell it."""
        _watched.pop(id(watch), None)
        if self.gone is not None and self.source is not None:
            self.gone(self.source)


_watched: "dict[int, weakref.ref[Backing]]" = {}  # a weak reference that goes first tells nothing


class Backing:
    """A run of bytes in a file without a name, as one process sees it.

    While this object lives, somebody here or behind us can see the bytes: values hold it, and so do the
    views into it and the shares that were sent to others.

    Attributes
    ----------
    descriptor, start, size
        The run.
    number
        By which those to whom it was sent speak of it; 0 as long as it was not.
    shares
        How often it was sent and has not been returned. The hub's lock guards this.
    """

    __slots__ = (
        "__weakref__",
        "_end",
        "_mapping",
        "descriptor",
        "number",
        "shares",
        "size",
        "start",
    )

    def __init__(
        self,
        descriptor: Descriptor,
        start: int,
        size: int,
        source: Source | None = None,
        gone: "Callable[[Source], None] | None" = None,
    ) -> None:
        """Make one; `gone` is given the source in the end, from any thread at any moment."""
        self.descriptor, self.start, self.size = descriptor, start, size
        self.number = self.shares = 0
        self._end = _End(source, gone)
        self._mapping: weakref.ref[_View] | None = None
        watch = weakref.ref(self, self._end.come)
        _watched[id(watch)] = watch

    @property
    def source(self) -> Source | None:
        """What is told when nobody sees it any more."""
        return self._end.source

    @source.setter
    def source(self, source: Source | None) -> None:
        self._end.source = source

    @property
    def viewed(self) -> bool:
        """Whether anything in this process looks into it."""
        return self._mapping is not None and self._mapping() is not None

    def view(self) -> memoryview:
        """Map the bytes, read-only, or give the mapping that there is.

        It lives as long as any view of it, also after this object has gone. Where no more mappings can be
        had the bytes are copied.
        """
        mapping = self._mapping() if self._mapping is not None else None
        if mapping is None:
            if len(_alive) >= most_viewed():
                return self._copy()
            try:
                mapping = _map(self.descriptor.fileno(), self.start, self.size)
            except OSError as error:
                if error.errno not in _NO_MAPPING:
                    raise
                return self._copy()
            mapping.backing = self
            _alive.add(mapping)
            self._mapping = weakref.ref(mapping)
        return memoryview(mapping)

    def _copy(self) -> memoryview:
        copied = mmap.mmap(-1, self.size)
        at, rest = self.start, memoryview(copied)
        while rest:
            read = os.preadv(self.descriptor.fileno(), [rest], at)
            at, rest = at + read, rest[read:]
        return memoryview(copied).toreadonly()


class Segment:
    """One large value, wherever its bytes lie; that may change as long as nobody looks.

    Attributes
    ----------
    backing
        The run of bytes that holds it now.
    mine
        Whether no other process sees it but those to whom this one has sent it.
    used
        Larger, the later it was used.
    """

    __slots__ = ("__weakref__", "backing", "mine", "used")

    def __init__(self, backing: Backing, *, mine: bool) -> None:
        self.backing, self.mine = backing, mine
        self.used = next(_tick)

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.backing.size

    def parts(self) -> Parts:
        """Find the value's pickle and buffers where they lie."""
        self.used = next(_tick)
        return unpack(self.backing.view())

    def __repr__(self) -> str:
        return f"<segment of {self.size} bytes>"


if sys.version_info >= (3, 13):

    def _map(descriptor: int, start: int, size: int) -> _View:
        return _View(
            descriptor, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=start, trackfd=False
        )

else:

    def _map(descriptor: int, start: int, size: int) -> _View:
        # It keeps a descriptor of its own.
        return _View(descriptor, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=start)
