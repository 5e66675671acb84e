"""Where workers' output is shown: the driver reads their pipes, and writes whole lines to its own streams.

A pipe is read by whoever does the driver's I/O, together with the results. What a task has written was
in the pipe before its result was sent, so it is shown before `get` returns. A worker that writes faster
than lines can be shown waits in its own write: nothing is dropped, nothing piles up here.
"""

import os
import sys
from collections import deque
from collections.abc import Sequence
from functools import partial
from threading import RLock
from typing import Final, Literal, TextIO, TypeAlias

from ._loop import Loop
from ._output import mark
from ._wire import Descriptor, Message

__all__ = ["Console", "Tap"]

_Stream: TypeAlias = Literal["stdout", "stderr"]

_CHUNK: Final = 1 << 16
_LONGEST: Final = 1 << 16  # bytes of a line: what is longer is shown in parts
_MOST: Final = 16  # chunks that may wait while another thread writes
_STREAMS: Final[tuple[_Stream, _Stream]] = ("stdout", "stderr")
_COLOUR, _PLAIN = "\x1b[36m", "\x1b[0m"


class Tap:
    """The reading end of one pipe of a worker; to the loop it is a channel that only receives.

    Attributes
    ----------
    closed
        Whether the loop reads it no more.
    """

    blocked = False  # nothing is ever sent

    def __init__(self, sock: Descriptor, stream: _Stream, pid: int, mark: bytes) -> None:
        os.set_blocking(sock.fileno(), False)
        self.sock, self.stream, self.pid = sock, stream, pid
        self.closed = False
        self._mark = mark
        self._name = ""
        self._rest = b""

    def receive(self) -> list[tuple[Message, list[Descriptor]]]:
        """Read what is there.

        Raises
        ------
        EOFError
            If nobody can write any more.
        """
        try:
            data = os.read(self.sock.fileno(), _CHUNK)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError("the worker has ended")
        return [((data,), [])]

    def flush(self) -> None:
        """Nothing is ever sent."""

    def close(self) -> None:
        """Be read by the loop no more: what is left in the pipe is for `Console.close`."""
        self.closed = True

    def lines(self, data: bytes, *, last: bool = False) -> list[tuple[str, str]]:
        """Give the lines that are whole, each with the name of who wrote it."""
        *whole, rest = (self._rest + data).split(b"\n")
        if rest and (last or len(rest) > _LONGEST):
            whole, rest = [*whole, rest], b""
        self._rest = rest
        found: list[tuple[str, str]] = []
        for line in whole:
            words, marked, name = line.partition(self._mark)
            if words or not marked:
                # What a progress bar has written over is not shown.
                shown = words.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
                found.append((self._name, shown))
            if marked:
                self._name = name.decode(errors="replace")
        return found


class Console:
    """All pipes of a session, and the driver's streams."""

    def __init__(self, loop: Loop, session: bytes) -> None:
        self._loop = loop
        self._mark = mark(session)
        self._taps: set[Tap] = set()
        self._due: deque[tuple[Tap, list[tuple[str, str]]]] = deque()
        self._writing = RLock()  # a stream of the user's may wait for values itself

    def listen(self, pid: int, pipes: Sequence[Descriptor]) -> None:
        """Show what a new worker writes. The loop's lock is held."""
        for pipe, stream in zip(pipes, _STREAMS, strict=True):
            tap = Tap(pipe, stream, pid, self._mark)
            self._taps.add(tap)
            self._loop.add(tap, partial(self._on_output, tap), partial(self._on_end, tap))

    def _on_output(self, tap: Tap, message: Message, fds: list[Descriptor]) -> None:
        self._show(tap, tap.lines(message[0]))

    def _on_end(self, tap: Tap) -> None:
        self._taps.discard(tap)
        self._show(tap, tap.lines(b"", last=True))

    def _show(self, tap: Tap, lines: list[tuple[str, str]]) -> None:
        if lines:
            self._due.append((tap, lines))
            self._loop.later(self._write)

    def _write(self) -> None:
        """Write what is due, in its order; if another thread is at it, only wait for it if there is much."""
        while self._due and self._writing.acquire(blocking=len(self._due) > _MOST):
            try:
                while self._due:
                    tap, lines = self._due.popleft()
                    stream: TextIO | None = getattr(sys, tap.stream)
                    if stream is not None:
                        _put(stream, tap.pid, lines)
            finally:
                self._writing.release()

    def close(self) -> None:
        """Show what is left in the pipes; their workers have ended."""
        for tap in list(self._taps):
            try:
                while found := tap.receive():
                    self._show(tap, tap.lines(found[0][0][0]))
                    self._write()
            except EOFError:
                pass
            self._on_end(tap)  # it may have no end: programs that were started may live on with a copy
        self._write()


def _put(stream: TextIO, pid: int, lines: list[tuple[str, str]]) -> None:
    try:
        before, after = (_COLOUR, _PLAIN) if stream.isatty() and not os.environ.get("NO_COLOR") else ("", "")
        text = "".join([f"{before}({name} pid={pid}){after} {line}\n" for name, line in lines])
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError):  # closed, or nobody reads it: then nobody misses it
        pass
