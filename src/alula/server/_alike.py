"""Requests that look like the one before are not parsed again: most clients send the same with other data.

A shape is what two requests have in common when they differ in long words only. All the rest, the lengths of
those words included, is compared as bytes; so a request that fits a shape would have been parsed into just
these words.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["Alike"]

_LONG: Final = 32  # bytes from which on a word is taken for data
_SLOTS: Final = 8  # words of data that a shape may have: with more of them little is won
_MOST: Final = 256 << 10  # bytes of a request, beyond which parsing does not count
_FIXED: Final = 256  # words of a request that is remembered: every connection holds its own
_PATIENCE: Final = 64  # requests after which another shape is tried, where none has been of use for long


@dataclass(frozen=True, slots=True)
class _Shape:
    """A request less its data.

    Attributes
    ----------
    fixed
        What must be there, with where it begins and ends.
    words
        Of the request that it was made of, without its data.
    slots
        Which of them are data, with where they begin and end.
    """

    fixed: tuple[tuple[int, int, bytes], ...]
    words: list[bytes]
    slots: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, data: bytes, words: list[bytes]) -> "_Shape | None":
        """Make the shape of a request, if it is of use."""
        fixed: list[tuple[int, int, bytes]] = []
        slots: list[tuple[int, int, int]] = []
        begun, at, rest = 0, data.index(b"\n") + 1, words.copy()
        for i, word in enumerate(words):
            at = data.index(b"\n", at) + 1
            if len(word) >= _LONG:
                fixed.append((begun, at, data[begun:at]))
                begun = at + len(word)
                slots.append((i, at, begun))
                rest[i] = b""  # it may be large, and nobody needs it
            at += len(word) + 2
        fixed.append((begun, at, data[begun:at]))
        return cls(tuple(fixed), rest, tuple(slots)) if len(slots) <= _SLOTS else None


class Alike:
    """Remembers the shape of one request."""

    __slots__ = ("_left", "_patience", "_shape", "size")

    def __init__(self) -> None:
        self.size = -1  # of the requests that may fit
        self._shape: _Shape | None = None
        self._left = self._patience = 1

    def words(self, data: bytes) -> list[bytes] | None:
        """Give the words of one whole request of `size` bytes, if it fits."""
        shape = self._shape
        assert shape is not None
        for start, stop, fixed in shape.fixed:
            if data[start:stop] != fixed:
                return None
        words = shape.words.copy()
        for i, start, stop in shape.slots:
            words[i] = data[start:stop]
        self._patience = 1
        return words

    def learn(self, data: bytes, words: list[bytes]) -> None:
        """See one whole request that did not fit: the next ones may look like it."""
        self._left = max(0, self._left - 1)
        if self._left or len(data) > _MOST or len(words) > _FIXED:
            return
        if not data.startswith(b"*%d\r\n" % len(words)):
            return  # there may be an empty request in front
        self._left = self._patience = min(2 * self._patience, _PATIENCE)
        self._shape = _Shape.of(data, words)
        self.size = -1 if self._shape is None else len(data)
