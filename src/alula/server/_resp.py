"""The wire: requests taken out of a stream of bytes, and replies turned into bytes.

Pure: no sockets, no clock. The parser looks at every announced length before it keeps a byte of what
was announced, so a client can make the server hold no more than `Limits` allow. What the requests
mean is left to the commands.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, Union, assert_never

from ..errors import CommandError
from ._alike import Alike
from ._words import integer, shown

__all__ = [
    "NO_ARRAY",
    "Limits",
    "Parser",
    "ProtocolError",
    "Push",
    "Raw",
    "Reply",
    "Several",
    "Unordered",
    "Verbatim",
    "encode",
    "error_line",
    "split_line",
]


class _Absent(Enum):
    ARRAY = "array"


NO_ARRAY: Final = _Absent.ARRAY
"""Nil where an array was asked for; RESP2 tells the two apart."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text for people; a bulk string in RESP2."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Push:
    """A message that answers no request; an array in RESP2."""

    items: "tuple[Reply, ...]"


@dataclass(frozen=True, slots=True)
class Raw:
    """A reply that is there as it goes over the wire."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Several:
    """Replies one after another, or none at all, where a client expects a number that it knows."""

    items: "tuple[Reply, ...]"


@dataclass(frozen=True, slots=True)
class Unordered:
    """A set; an array in RESP2."""

    items: "tuple[Reply, ...]"


Reply: TypeAlias = Union[
    str,
    bytes,
    memoryview,
    int,
    float,
    CommandError,
    "list[Reply]",
    "tuple[Reply, ...]",
    "Mapping[bytes, Reply]",
    Verbatim,
    Push,
    Raw,
    Several,
    Unordered,
    _Absent,
    None,
]
"""What a command answers: text is a status line, bytes are a bulk string, None is nil, an error is an error
line, sequences are arrays, which may nest. Floats are doubles, and bulk strings in C's ``%.17g`` in RESP2;
mappings are maps, and arrays of names and values in turn in RESP2."""

_BULK: Final = 512 << 20
_LENGTHS = {b"$%d" % n: n for n in range(4096)}  # of nearly every word, without parsing


class ProtocolError(Exception):
    """What the client sent is not RESP: it gets this text, and its connection is closed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"ERR Protocol error: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one request may hold.

    Attributes
    ----------
    bulk
        Bytes of one word.
    words
        Words of one request.
    request
        Bytes of one request, all words together.
    line
        Bytes of an inline command, or of a line that announces a length.
    known
        Whether the client has said who it is; to one that has not, the limits are smaller, and it is told so.
    """

    bulk: int = _BULK
    words: int = 1 << 20
    request: int = 1 << 30
    line: int = 64 << 10
    known: bool = True

    @property
    def adjective(self) -> str:
        """What to call a number beyond a limit."""
        return "invalid" if self.known else "unauthenticated"


class Parser:
    """Takes bytes as they come, in pieces of any size, and gives whole requests.

    Attributes
    ----------
    limits
        How much one request may hold; they may change between two requests.
    """

    __slots__ = (
        "_alike",
        "_at",
        "_bulk",
        "_data",
        "_fresh",
        "_left",
        "_pieces",
        "_room",
        "_wanted",
        "_words",
        "limits",
    )

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits, self._alike = limits or Limits(), Alike()
        self._data = b""
        self._at = 0  # what lies in front of it has been parsed
        self._pieces: list[bytes] = []  # came later, and are joined once they are enough
        self._fresh = 0  # their bytes
        self._wanted = 0  # bytes, from `_at` on, that the next step needs at least
        self._words: list[bytes] = []  # of the request that has begun
        self._left = 0  # its words still to come
        self._room = 0  # bytes that it may still bring
        self._bulk = -1  # bytes of its next word, -1 while they are not known

    @property
    def held(self) -> int:
        """Bytes that have come and belong to no request that was given out."""
        return len(self._data) - self._at + self._fresh

    def feed(self, data: bytes) -> None:
        """Take in what came next."""
        if self._at == len(self._data) and not self._pieces:
            self._data, self._at = data, 0
        else:
            self._pieces.append(data)
            self._fresh += len(data)

    def next(self) -> list[bytes] | None:
        """Give the words of the next request, one or more; None until more has come.

        Raises
        ------
        ProtocolError
            If what came is not RESP or exceeds a limit. The parser is of no use afterwards.
        """
        if self._pieces and not self._join():
            return None
        if self._at or self._left:
            return self._parsed()
        data = self._data  # perhaps one whole request, and all there is
        if len(data) == self._alike.size and (words := self._alike.words(data)) is not None:
            self._data = b""
            return words
        words = self._parsed()
        if words is not None and not self._data and data[0] == 42:
            self._alike.learn(data, words)
        return words

    def _parsed(self) -> list[bytes] | None:
        while True:
            if self._left:
                return self._body()
            line = self._line()
            if line is None:
                return None
            if line.startswith(b"*"):
                self._begin(line)
            elif words := split_line(line.removesuffix(b"\r")):
                return words

    def _join(self) -> bool:
        """Put the pieces together, unless they are still too few; so a word's bytes are moved once."""
        if self.held < self._wanted:
            return False
        self._data = b"".join([self._data[self._at :], *self._pieces])
        self._at = self._fresh = 0
        self._pieces.clear()
        return True

    def _line(self) -> bytes | None:
        """Take the line that begins a request, without its end."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            held = len(self._data) - self._at
            if held > self.limits.line:
                array = self._data.startswith(b"*", self._at)
                raise ProtocolError("too big mbulk count string" if array else "too big inline request")
            self._wanted = held + 1
            return None
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _begin(self, line: bytes) -> None:
        count = integer(line[1:-1]) if line.endswith(b"\r") else None
        if count is None or count >= 1 << 31:
            raise ProtocolError("invalid multibulk length")
        if count > self.limits.words:
            raise ProtocolError(f"{self.limits.adjective} multibulk length")
        self._left = max(0, count)  # no words, or fewer: as if nothing had been sent
        self._room = self.limits.request

    def _body(self) -> list[bytes] | None:
        """Take the words of an array. One loop with local names: every word of every request is here."""
        data, at, bulk, words = self._data, self._at, self._bulk, self._words
        left, room = self._left, self._room
        end, most = len(data), self.limits.bulk
        while left:
            if bulk < 0:
                stop = data.find(b"\r\n", at)
                if stop < 0:
                    self._check_head(data[at : at + self.limits.line + 1])
                    self._wanted = end - at + 1
                    break
                head = data[at:stop]
                bulk = _LENGTHS.get(head, -1)
                if not 0 <= bulk <= most:
                    bulk = self._length(head)
                room -= bulk
                if room < 0:
                    raise ProtocolError("request exceeds the query buffer limit")
                at = stop + 2
            stop = at + bulk
            if stop + 2 > end:
                self._wanted = bulk + 2
                break
            if data[stop] != 13 or data[stop + 1] != 10:
                raise ProtocolError("expected CRLF after a bulk string")
            words.append(data[at:stop])
            at, bulk = stop + 2, -1
            left -= 1
        if at == end:  # what was parsed is not kept until more comes: it may be large
            self._data, at = b"", 0
        self._at, self._bulk, self._left, self._room = at, bulk, left, room
        if left:
            return None
        self._words = []
        return words

    def _check_head(self, head: bytes) -> None:
        """Refuse what can no longer become the head of a bulk string, before more of it is kept."""
        if head and not head.startswith(b"$"):
            raise ProtocolError(f"expected '$', got '{shown(head[:1])}'")
        if len(head) > self.limits.line:
            raise ProtocolError("too big bulk count string")

    def _length(self, head: bytes) -> int:
        self._check_head(head or b"\r")
        length = integer(head[1:])
        if length is None or not 0 <= length <= self.limits.bulk:
            beyond = length is not None and 0 <= length <= _BULK
            raise ProtocolError(f"{self.limits.adjective if beyond else 'invalid'} bulk length")
        return length


# ---------------------------------------------------------------------------- inline commands

_PIECE = re.compile(
    rb"""[^\s\0"']+ | "(?:[^"\\]|\\.)*"(?!\S) | '(?:[^'\\]|\\'|\\(?!'))*'(?!\S)""", re.VERBOSE | re.DOTALL
)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def split_line(line: bytes) -> list[bytes]:
    """Cut an inline command into words, as a shell would: blanks separate, quotes hold together.

    Raises
    ------
    ProtocolError
        If a quote is not closed, or something stands right behind a closed one.
    """
    words: list[bytes] = []
    at, joined = 0, False
    while at < len(line):
        if line[at] in b" \t\n\r\0\v\f":
            at, joined = at + 1, False
            continue
        found = _PIECE.match(line, at)
        if found is None:
            raise ProtocolError("unbalanced quotes in request")
        if joined:
            words[-1] += _unquoted(found[0])
        else:
            words.append(_unquoted(found[0]))
        at, joined = found.end(), True
    return words


def _unquoted(piece: bytes) -> bytes:
    if piece[:1] == b"'":
        return piece[1:-1].replace(b"\\'", b"'")
    if piece[:1] == b'"':
        return _ESCAPE.sub(_unescaped, piece[1:-1])
    return piece


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode())
    return _CONTROLS.get(escape[2], escape[2])


# -------------------------------------------------------------------------------------- replies

_LINE_END = re.compile(r"[\r\n]")


def encode(reply: Reply, write: Callable[[bytes | memoryview], object], protocol: int = 2) -> None:
    """Write a reply in a version of RESP, in pieces; large bulk strings are handed on as they are."""
    match reply:
        case str():
            write(b"+%b\r\n" % reply.encode())
        case bytes() | memoryview():
            write(b"$%d\r\n" % (reply.nbytes if isinstance(reply, memoryview) else len(reply)))
            write(reply)
            write(b"\r\n")
        case int():
            write(b":%d\r\n" % reply)
        case list() | tuple():
            write(b"*%d\r\n" % len(reply))
            for item in reply:
                encode(item, write, protocol)
        case None:
            write(b"$-1\r\n" if protocol == 2 else b"_\r\n")
        case CommandError():
            write(b"-%b\r\n" % _LINE_END.sub(" ", reply.text).encode(errors="surrogateescape"))
        case _:
            _encode_rare(reply, write, protocol)


def _encode_rare(
    reply: "float | Mapping[bytes, Reply] | Verbatim | Push | Raw | Several | Unordered | _Absent",
    write: Callable[[bytes | memoryview], object],
    protocol: int,
) -> None:
    """Write what the two versions have different forms for."""
    match reply:
        case float():
            text = b"%.17g" % reply
            write(b"$%d\r\n%b\r\n" % (len(text), text) if protocol == 2 else b",%b\r\n" % text)
        case Verbatim(text):
            head = b"$%d\r\n" % len(text) if protocol == 2 else b"=%d\r\ntxt:" % (len(text) + 4)
            write(b"%b%b\r\n" % (head, text))
        case Push(items) | Unordered(items):
            mark = b"*" if protocol == 2 else b">" if isinstance(reply, Push) else b"~"
            write(b"%b%d\r\n" % (mark, len(items)))
            for item in items:
                encode(item, write, protocol)
        case Raw(data):
            write(data)
        case Several(items):
            for item in items:
                encode(item, write, protocol)
        case Mapping():
            write(b"*%d\r\n" % (2 * len(reply)) if protocol == 2 else b"%%%d\r\n" % len(reply))
            for name, value in reply.items():
                encode(name, write, protocol)
                encode(value, write, protocol)
        case _Absent.ARRAY:
            write(b"*-1\r\n" if protocol == 2 else b"_\r\n")
        case _:
            assert_never(reply)


def error_line(error: ProtocolError) -> bytes:
    """Write what a client gets before its connection is closed."""
    return b"-%b\r\n" % _LINE_END.sub(" ", str(error)).encode(errors="surrogateescape")
