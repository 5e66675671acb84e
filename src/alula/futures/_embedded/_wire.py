"""Messages between two processes: tuples of plain values, with descriptors beside them.

A frame is a length, a number of descriptors, and a marshalled tuple. Both ends are the same Python, so
`marshal` is safe to use, and is several times as fast as pickle for what messages are made of. Bytes
in a message are the pickles of users' values; nobody unpickles them here.
"""

import marshal
import os
import socket
import struct
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

__all__ = ["Channel", "Message"]

Message: TypeAlias = tuple[Any, ...]

_HEAD = struct.Struct("<II")
_CHUNK = 1 << 18
_MOST_FDS = 250  # that one sendmsg may carry
_ANCILLARY = socket.CMSG_SPACE(_MOST_FDS * array("i").itemsize)
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Channel:
    """One end of a stream socket: never blocks, keeps what could not be sent yet.

    Not safe for several threads at once; its users hold a lock.
    """

    __slots__ = ("_fds", "_in", "_out", "closed", "sock")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.closed = False
        self._in = bytearray()
        self._out: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._fds: deque[int] = deque()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    @property
    def blocked(self) -> bool:
        """Whether something waits for the other side to read."""
        return bool(self._out)

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send a message, or keep it until `flush`. A broken connection is noticed when reading.

        The descriptors are duplicated if they have to wait, so the caller may close them.
        """
        if self.closed:
            return
        body = marshal.dumps(message, 2)
        frame = memoryview(_HEAD.pack(len(body), len(fds)) + body)
        groups = [fds[i : i + _MOST_FDS] for i in range(0, len(fds), _MOST_FDS)] or [()]
        # All but the last group go ahead in frames of their own that carry nothing else.
        pieces = [(memoryview(_HEAD.pack(0, 0)), group) for group in groups[:-1]]
        for data, group in [*pieces, (frame, groups[-1])]:
            if not self._out:
                data, group = self._push(data, group)
            if data:
                self._out.append((data, [os.dup(fd) for fd in group]))

    def flush(self) -> None:
        """Send what waits, as far as the other side takes it."""
        while self._out and not self.closed:
            data, fds = self._out[0]
            rest, left = self._push(data, fds)
            if not left:
                for fd in fds:
                    os.close(fd)
            if rest:
                self._out[0] = (rest, left)
                return
            self._out.popleft()

    def _push(self, data: memoryview, fds: Sequence[int]) -> tuple[memoryview, Sequence[int]]:
        try:
            if fds:
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))]
                sent = self.sock.sendmsg([data], ancillary)
            else:
                sent = self.sock.send(data)
        except BlockingIOError:
            return data, fds
        except OSError:  # the other side is gone: reading will say so, with whatever it sent before
            return data[len(data) :], ()
        return data[sent:], ()

    def receive(self) -> list[tuple[Message, list[int]]]:
        """Read what is there: messages with their descriptors, which now belong to the caller.

        Raises
        ------
        EOFError
            If the other side has closed, and all that it sent has been given out.
        """
        try:
            data, ancillary, flags, _ = self.sock.recvmsg(_CHUNK, _ANCILLARY, _FLAGS)
        except BlockingIOError:
            return []
        except OSError as error:
            raise EOFError("connection lost") from error
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._fds.extend(array("i", payload[: len(payload) - len(payload) % array("i").itemsize]))
        if flags & socket.MSG_CTRUNC:
            raise EOFError("no descriptors left: raise RLIMIT_NOFILE (ulimit -n)")
        if not data:
            raise EOFError("connection closed")
        return self._parse(data)

    def _parse(self, data: bytes) -> list[tuple[Message, list[int]]]:
        # The common case is whole frames: they are read where they arrived.
        buffer: bytes | bytearray = data
        if self._in:
            self._in += data
            buffer = self._in
        found: list[tuple[Message, list[int]]] = []
        at, end = 0, len(buffer)
        view = memoryview(buffer)
        while end - at >= _HEAD.size:
            size, count = _HEAD.unpack_from(view, at)
            start = at + _HEAD.size
            if end - start < size:
                break
            at = start + size
            if size:
                fds = [self._fds.popleft() for _ in range(count)]
                found.append((marshal.loads(view[start:at]), fds))
        rest = bytes(view[at:])
        view.release()
        self._in = bytearray(rest)
        return found

    def close(self) -> None:
        """Close the socket and all descriptors that were on their way."""
        if self.closed:
            return
        self.closed = True
        self.sock.close()
        for _, fds in self._out:
            for fd in fds:
                os.close(fd)
        for fd in self._fds:
            os.close(fd)
        self._out.clear()
        self._fds.clear()
