"""What a Redis answers: cut into whole replies, which are handed on byte by byte or read.

A reply that is for a client stays as it is, whatever Redis' next version may put into it. Pure: no
sockets, no clock.
"""

from typing import Final, TypeAlias, Union

from ...errors import CommandError

__all__ = ["Answer", "FormError", "Replies", "read", "request", "split"]

Answer: TypeAlias = Union[str, bytes, int, CommandError, "list[Answer]", None]
"""A reply that was read: text is a status line, bytes are a bulk string, None is nil; a map is a list of its
names and values in turn."""

_BULKS: Final = frozenset(b"$=!")
_ITEMS: Final = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}


class FormError(Exception):
    """Bytes that are no reply of a Redis."""


def request(words: tuple[bytes, ...] | list[bytes]) -> bytes:
    """Write a command."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)


class Replies:
    """Takes bytes as they come, in pieces of any size, and gives whole replies."""

    __slots__ = ("_at", "_data", "_left", "_pieces", "_size", "_start", "_wanted")

    def __init__(self) -> None:
        self._data = b""
        self._start = self._at = 0  # of the reply that has begun, and how far it was looked through
        self._left = 1  # items of it that are still to come
        self._pieces: list[bytes] = []  # came later
        self._size = 0  # bytes of data and pieces
        self._wanted = 0  # as many as the next step needs

    def feed(self, data: bytes) -> None:
        """Take in what came next."""
        self._size += len(data)
        if self._start == len(self._data) and not self._pieces:
            self._data, self._start, self._at, self._size = data, 0, 0, len(data)
        else:
            self._pieces.append(data)

    def next(self) -> bytes | None:
        """Give the next reply as it came; None until more has come.

        Raises
        ------
        FormError
            If what came is none.
        """
        try:
            return self._next()
        except ValueError as error:
            raise FormError from error

    def _next(self) -> bytes | None:
        if self._pieces:
            if self._size < self._wanted:
                return None
            self._data = b"".join((self._data[self._start :], *self._pieces))
            self._at -= self._start
            self._start, self._size = 0, len(self._data)
            self._pieces.clear()
        while self._left:
            if not self._item():
                return None
        reply = self._data[self._start : self._at]
        self._start, self._left, self._wanted = self._at, 1, 0
        return reply

    def _item(self) -> bool:
        """Step over a line, with the bulk behind it or the number of items that it begins."""
        data, at = self._data, self._at
        end = data.find(b"\r\n", at)
        if end < 0:
            return False
        end += 2
        kind = data[at]
        if kind in _BULKS:
            size = int(data[at + 1 : end - 2])
            end += size + 2 if size >= 0 else 0
            if end > len(data):
                self._wanted = end - self._start
                return False
        elif kind in _ITEMS:
            # An attribute stands before the reply that it is about, and is none itself.
            self._left += max(0, int(data[at + 1 : end - 2])) * _ITEMS[kind] + (kind == ord("|"))
        self._at = end
        self._left -= 1
        return True


def split(reply: bytes) -> list[bytes] | None:
    """Give the items of an array, each as it came; None if it is none."""
    head, _, items = reply.partition(b"\r\n")
    if not head.startswith(b"*") or head == b"*-1":
        return None
    replies = Replies()
    replies.feed(items)
    found: list[bytes] = []
    while (item := replies.next()) is not None:
        found.append(item)
    return found


def read(reply: bytes) -> Answer:
    """Read a whole reply.

    Raises
    ------
    FormError
        If it is none.
    """
    if reply == b"+QUEUED\r\n":  # nearly half of all
        return "QUEUED"
    try:
        return _read(reply, 0)[0]
    except (ValueError, IndexError) as error:
        raise FormError from error


def _read(reply: bytes, at: int) -> tuple[Answer, int]:
    end = reply.index(b"\r\n", at)
    kind, line, end = reply[at : at + 1], reply[at + 1 : end], end + 2
    match kind:
        case b"$" | b"=":
            size = int(line)
            return (None, end) if size < 0 else (reply[end : end + size], end + size + 2)
        case b":":
            return int(line), end
        case b"-":
            return CommandError(line.decode(errors="surrogateescape")), end
        case b"*" | b"~" | b">" | b"%":
            count = int(line) * (2 if kind == b"%" else 1)
            if count < 0:
                return None, end
            items: list[Answer] = []
            for _ in range(count):
                item, end = _read(reply, end)
                items.append(item)
            return items, end
        case b"_":
            return None, end
        case _:
            return line.decode(errors="surrogateescape"), end
