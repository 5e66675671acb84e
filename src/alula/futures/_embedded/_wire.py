"""Messages between two processes: tuples of plain values, with descriptors beside them.

A frame is a length, a number of descriptors, and a marshalled tuple. Both ends are the same Python, so
`marshal` is safe to use, and is several times as fast as pickle for what messages are made of. Bytes
in a message are the pickles of users' values; nobody unpickles them here.
"""

import errno
import marshal
import os
import socket
import struct
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

__all__ = ["Channel", "Descriptor", "Message"]

Message: TypeAlias = tuple[Any, ...]

_HEAD = struct.Struct("<QI")
_EMPTY = _HEAD.pack(0, 0)
_CHUNK = 1 << 18
_MOST_FDS = 250  # that one sendmsg may carry
_ANCILLARY = socket.CMSG_SPACE(_MOST_FDS * array("i").itemsize)
_FLAGS = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))
_TRUNCATED = int(socket.MSG_CTRUNC)  # as a number: to test a flag of the enum takes a microsecond
_FULL = {errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS}  # the last: descriptors that nobody took yet


class Descriptor:
    """A file descriptor with one owner: closed when this object goes."""

    __slots__ = ("__weakref__", "_fd")

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Give its number."""
        return self._fd

    def detach(self) -> int:
        """Give its number to somebody who will close it."""
        fd, self._fd = self._fd, -1
        return fd

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # First: the number is soon another's, and what dies in a cycle may still be found by somebody.
        fd, self._fd = self._fd, -1
        if fd >= 0:
            close(fd)  # bound early: at exit the module `os` may go before the last descriptor


class Channel:
    """One end of a stream socket: never blocks, keeps what could not be sent yet.

    Not safe for several threads at once; its users hold a lock.

    Attributes
    ----------
    broken
        Whether nothing more can be sent: the other side is gone, or we have closed it.
    closed
        Whether we have closed it.
    passed
        Bytes that went through it, both ways.
    """

    __slots__ = ("_chunk", "_fds", "_first", "_in", "_out", "_wanted", "broken", "closed", "passed", "sock")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.broken = self.closed = False
        self.passed = 0
        # Read into memory that stays: to get and return so much each time costs more than the reading.
        self._chunk = memoryview(bytearray(_CHUNK))
        self._first = self._chunk[_HEAD.size :]  # the body of the first frame, and what comes after it
        self._in = bytearray()  # the beginning of a frame
        self._wanted = 0  # bytes of that frame, as far as they are known
        self._out: deque[tuple[memoryview, Sequence[Descriptor]]] = deque()
        self._fds: deque[Descriptor] = deque()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    @property
    def blocked(self) -> bool:
        """Whether something waits for the other side to read."""
        return bool(self._out)

    def send(self, message: Message, fds: Sequence[Descriptor] = ()) -> bool:
        """Send a message, or keep it, and the descriptors, until `flush`; tell whether anything is kept.

        That the other side is gone shows in `broken`, and when reading.
        """
        if self.broken:
            return False
        body = marshal.dumps(message, 2)
        frame = _HEAD.pack(len(body), len(fds)) + body
        if not (fds or self._out):  # the common case, and the other side takes it whole
            try:
                sent = self.sock.send(frame)
            except OSError:  # below it comes again, and is looked at
                sent = 0
            self.passed += sent
            if sent == len(frame):
                return False
            frame = frame[sent:]
        while len(fds) > _MOST_FDS:  # the first ones go ahead in frames that carry nothing else
            self._queue(_EMPTY, fds[:_MOST_FDS])
            fds = fds[_MOST_FDS:]
        self._queue(frame, fds)
        return self.blocked

    def _queue(self, frame: bytes, fds: Sequence[Descriptor]) -> None:
        data = memoryview(frame)
        if not self._out:
            data, fds = self._push(data, fds)
        if data:
            self._out.append((data, fds))

    def flush(self) -> None:
        """Send what waits, as far as the other side takes it."""
        while self._out and not self.closed:
            rest, fds = self._push(*self._out[0])
            if rest:
                self._out[0] = (rest, fds)
                return
            self._out.popleft()

    def _push(self, data: memoryview, fds: Sequence[Descriptor]) -> tuple[memoryview, Sequence[Descriptor]]:
        """Send what the other side takes; give what is left."""
        try:
            if fds:
                numbers = array("i", [fd.fileno() for fd in fds])
                sent = self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
            else:
                sent = self.sock.send(data)
        except OSError as error:
            if error.errno in _FULL:
                return data, fds
            self.broken = True  # reading will say so too, after whatever it sent before
            return data[len(data) :], ()
        self.passed += sent
        return data[sent:], ()

    def receive(self) -> list[tuple[Message, list[Descriptor]]]:
        """Read what is there: messages with their descriptors.

        Raises
        ------
        EOFError
            If the other side has closed, and all that it sent has been given out.
        OSError
            If a descriptor was sent and this process may open no more.
        """
        try:
            size, ancillary, flags, _ = self.sock.recvmsg_into([self._chunk], _ANCILLARY, _FLAGS)
        except BlockingIOError:
            return []
        except OSError as error:
            raise EOFError("connection lost") from error
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                whole = len(payload) - len(payload) % array("i").itemsize
                self._fds.extend(map(Descriptor, array("i", payload[:whole])))
        if flags & _TRUNCATED:
            raise OSError(errno.EMFILE, "no file descriptor left for a large value: raise `ulimit -n`")
        if not size:
            raise EOFError("connection closed")
        self.passed += size
        # Most often it is one whole frame; what is behind it in that memory does not disturb `marshal`.
        if not self._in and _HEAD.unpack_from(self._chunk) == (size - _HEAD.size, 0) and size > _HEAD.size:
            return [(marshal.loads(self._first), [])]
        return self._parse(self._chunk[:size])

    def _parse(self, data: memoryview) -> list[tuple[Message, list[Descriptor]]]:
        # The common case is whole frames: they are read where they arrived.
        if self._in:
            self._in += data
            if len(self._in) < self._wanted:
                return []
            data = memoryview(self._in)
        found: list[tuple[Message, list[Descriptor]]] = []
        at, end = 0, len(data)
        self._wanted = _HEAD.size
        while end - at >= _HEAD.size:
            size, count = _HEAD.unpack_from(data, at)
            start = at + _HEAD.size
            if end - start < size:
                self._wanted += size
                break
            at = start + size
            if size:
                fds = [self._fds.popleft() for _ in range(count)]
                found.append((marshal.loads(data[start:at]), fds))
        self._in = bytearray(data[at:])
        return found

    def close(self) -> None:
        """Close the socket and all descriptors that were on their way."""
        self.closed = self.broken = True
        self.sock.close()
        self._out.clear()
        self._fds.clear()
