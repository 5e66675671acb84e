"""Files in which several values lie: on disk, or in memory where descriptors are scarce.

A shelf has no name: on disk it is made without one, or loses it at once, so nothing is left of it when its
last process has gone, however that ended. Values lie one after the other, each from a page of its own, so
that it can be mapped; the page of one that has gone is given back to the file system.
"""

import ctypes
import errno
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from ...errors import ObjectStoreFullError, OutOfDiskError
from ._files import memory_file, rounded, write
from ._wire import Descriptor

__all__ = ["Place", "Shelf", "Shelves", "value_of"]

_LARGE = 128 << 20  # bytes after which a shelf takes no more values
_MOST_USED = 0.95  # of the disk
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # modes of fallocate


class Shelf:
    """One file with several values.

    Attributes
    ----------
    in_memory
        Whether its pages are memory.
    end
        Where the next value goes.
    values
        How many lie in it.
    """

    __slots__ = ("descriptor", "end", "in_memory", "values")

    def __init__(self, descriptor: Descriptor, *, in_memory: bool) -> None:
        self.descriptor, self.in_memory = descriptor, in_memory
        self.end = self.values = 0


class Place:
    """Where a value lies in a shelf.

    Attributes
    ----------
    frozen
        Whether others may see it for good: then its pages go with the file.
    """

    __slots__ = ("_shelves", "frozen", "shelf", "size", "start")
    prompt: ClassVar[bool] = False

    def __init__(self, shelves: "Shelves", shelf: Shelf, start: int, size: int) -> None:
        self._shelves, self.shelf, self.start, self.size = shelves, shelf, start, size
        self.frozen = False

    @property
    def in_memory(self) -> bool:
        """Whether its pages are memory."""
        return self.shelf.in_memory

    def free(self) -> None:
        """Give the pages back."""
        self._shelves.free(self)

    def freeze(self) -> None:
        """Leave the pages as they are."""
        self.frozen = True


class Shelves:
    """The shelves of one kind that a process fills.

    Attributes
    ----------
    held
        Bytes of pages in use, in all of them.
    """

    def __init__(self, folder: Path | None) -> None:
        """Make shelves on disk, in `folder`, which is made when it is needed; or in memory."""
        self._folder = folder
        self._lock = threading.RLock()
        self._shelf: Shelf | None = None
        self._shelves: set[Shelf] = set()  # strongly, as a place must find the file that it lies in
        self._abandoned = False
        self.held = 0

    def abandon(self) -> None:
        """In a forked child: leave all places to the parent."""
        self._abandoned = True
        self._shelves.clear()

    def put(self, size: int, chunks: Iterable[bytes | memoryview]) -> Place:
        """Write a value behind the others.

        Raises
        ------
        OutOfDiskError
            If the disk is full, or nearly so.
        ObjectStoreFullError
            If nothing can be written there at all.
        """
        try:
            place = self._room(size)
        except OSError as error:
            raise _refused(self._folder, size, error) from error
        try:
            write(place.shelf.descriptor.fileno(), place.start, chunks)
        except BaseException as error:
            self.free(place)
            if isinstance(error, OSError):
                raise _refused(self._folder, size, error) from error
            raise
        return place

    def _room(self, size: int) -> Place:
        with self._lock:
            shelf = self._shelf
            if shelf is None or shelf.end + size > _LARGE:
                shelf = self._shelf = self._made()
            if self._folder is not None:
                _check_disk(self._folder, shelf.descriptor, size)
            place = Place(self, shelf, shelf.end, rounded(size))
            shelf.end += place.size
            shelf.values += 1
            self._shelves.add(shelf)
            self.held += place.size
            return place

    def _made(self) -> Shelf:
        if self._folder is None:
            return Shelf(memory_file(), in_memory=True)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Shelf(_unnamed(self._folder), in_memory=False)

    def free(self, place: Place) -> None:
        """A value has gone: give its pages back; the last one takes the file with it."""
        if self._abandoned:
            return
        with self._lock:
            shelf = place.shelf
            shelf.values -= 1
            self.held -= place.size
            if shelf.values:
                if not place.frozen:
                    _punch(shelf.descriptor.fileno(), place.start, place.size)
                return
            self._shelves.remove(shelf)
            if shelf is self._shelf:
                self._shelf = None


def _unnamed(folder: Path) -> Descriptor:
    """Make a file that has no name, or none for longer than a moment."""
    flags = os.O_RDWR | os.O_CLOEXEC
    with suppress(AttributeError, OSError):  # not every system, or file system, can do that
        return Descriptor(os.open(folder, flags | os.O_TMPFILE, 0o600))
    path = folder / os.urandom(8).hex()
    descriptor = Descriptor(os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600))
    path.unlink()
    return descriptor


def _check_disk(folder: Path, descriptor: Descriptor, size: int) -> None:
    disk = os.statvfs(descriptor.fileno())
    used, free = disk.f_blocks - disk.f_bfree, disk.f_bavail - size // disk.f_frsize
    if free < (1 - _MOST_USED) * (used + disk.f_bavail):
        raise OutOfDiskError(value_of(size), f"the disk of {folder} would be more than {_MOST_USED:.0%} full")


def value_of(size: int) -> str:
    """How errors speak of a value, where nobody knows more of it than its size in bytes."""
    return f"a value of {size:,} bytes"


def _refused(folder: Path | None, size: int, error: OSError) -> OSError | Exception:
    why = error.strerror or str(error)
    if folder is not None and error.errno in _NO_SPACE:
        return OutOfDiskError(value_of(size), f"{folder}: {why}")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ObjectStoreFullError(value_of(size), "no file descriptor is left: raise `ulimit -n`")
    return ObjectStoreFullError(value_of(size), f"{folder or 'memory'}: {why}")


if sys.platform == "linux":
    _libc = ctypes.CDLL(None)
    _fallocate = getattr(_libc, "fallocate64", None) or _libc.fallocate  # musl has one of them

    def _punch(descriptor: int, start: int, size: int) -> None:
        # Where the file system cannot do that, the pages go with the file.
        _fallocate(
            descriptor,
            _PUNCH_HOLE | _KEEP_SIZE,
            ctypes.c_int64(start),
            ctypes.c_int64(size),
        )

else:

    def _punch(descriptor: int, start: int, size: int) -> None:
        pass  # the pages go with the file
