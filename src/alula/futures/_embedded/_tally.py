"""How many bytes each process of a session holds, on a page that all of them share.

Each process writes its own slot only, and the node clears those of the dead; so there is nothing to lock,
and anybody can add them up in a microsecond. The sum is right up to what is being written just now.
"""

import mmap
import os

from ._files import memory_file
from ._wire import Descriptor

__all__ = ["Tally"]

_SIZE = 1 << 16
_WORD = 8
_SLOTS = _SIZE // _WORD


class Tally:
    """The shared page: word 0 is how many slots were ever in use, each other word is a slot, in bytes.

    Attributes
    ----------
    descriptor
        Of the memory file that holds it, for processes that cannot inherit the mapping.
    """

    __slots__ = ("_words", "descriptor")

    def __init__(self, descriptor: Descriptor | None = None) -> None:
        """Map the page of another process, or make one."""
        if descriptor is None:
            descriptor = memory_file("tally")
            os.ftruncate(descriptor.fileno(), _SIZE)
        self.descriptor = descriptor
        self._words = memoryview(mmap.mmap(descriptor.fileno(), _SIZE)).cast("q")

    def open(self) -> int:
        """Give a free slot, or 0 where there is none left: that process's bytes are not counted."""
        words = self._words
        used = words[0]
        free = next((slot for slot in range(1, used + 1) if words[slot] < 0), used + 1)
        if free >= _SLOTS:
            return 0
        words[free] = 0
        words[0] = max(used, free)
        return free

    def close(self, slot: int) -> None:
        """Clear the slot of a process that has ended; another may have it."""
        if slot:
            self._words[slot] = -1

    def write(self, slot: int, held: int) -> None:
        """Say how many bytes a process holds."""
        if slot:
            self._words[slot] = held

    def total(self) -> int:
        """Add up what all processes hold."""
        words = self._words
        return sum(held for held in words[1 : words[0] + 1] if held > 0)
