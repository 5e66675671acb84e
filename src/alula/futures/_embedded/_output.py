"""What a worker writes: its descriptors 1 and 2 are pipes to the driver, which shows whose words they are.

Everything is seen, whoever writes it: Python, C libraries, programs that a task starts, the last words of
a crash. So that the driver can say which task wrote a line, the worker puts marks between the lines:
always before what Python writes, and for all others when a task of another name begins, though not more
than every two milliseconds, for a mark
costs more than a small task.
"""

import faulthandler
import fcntl
import io
import os
import socket
import sys
from typing import Any, Final

__all__ = ["Voice", "mark", "redirect"]

_PAUSE: Final = 0.002  # s between marks that are made although Python has written nothing


def mark(session: bytes) -> bytes:
    """Give what stands before the name in a mark; no program writes it by chance. A line ends the name."""
    return b"\x1e" + session.hex().encode() + b":"


def redirect(control: socket.socket, pipes: list[int]) -> socket.socket:
    """In a new worker: let 1 and 2 lead to the pipes, or nowhere; give `control`, out of their way."""
    if control.fileno() <= 2:  # as where the driver was started without them
        control = socket.socket(fileno=fcntl.fcntl(control.detach(), fcntl.F_DUPFD_CLOEXEC, 3))
    for number, source in zip((1, 2), pipes or [os.open(os.devnull, os.O_WRONLY)] * 2, strict=True):
        os.dup2(source, number)
    return control


class _Mouth(io.FileIO):
    """Descriptor 1 or 2, with a mark before the words of somebody else."""

    def __init__(self, number: int, voice: "Voice") -> None:
        super().__init__(number, "w", closefd=False)
        self._voice = voice
        self._shown = ""

    def write(self, data: Any, /) -> int:
        if self._shown != self._voice.name:
            self.show()
        return super().write(data)

    def show(self) -> None:
        self._shown = self._voice.name
        super().write(self._voice.mark + self._shown.encode(errors="replace") + b"\n")


class Voice:
    """Standard output and error of a worker.

    Attributes
    ----------
    name
        Whose words they are.
    """

    def __init__(self, session: bytes) -> None:
        """Replace ``sys.stdout`` and ``sys.stderr``, and let crashes tell where they happened."""
        self.mark = mark(session)
        self.name = ""
        self._since = 0.0
        self._mouths = [_Mouth(1, self), _Mouth(2, self)]
        self._streams = [self._stream(0, "strict"), self._stream(1, "backslashreplace")]
        for name, stream in zip(("stdout", "stderr"), self._streams, strict=True):
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        faulthandler.enable(file=2, all_threads=False)

    def _stream(self, index: int, errors: str) -> io.TextIOWrapper:
        raw = io.BufferedWriter(self._mouths[index])
        return io.TextIOWrapper(raw, "utf-8", errors, line_buffering=True)

    def become(self, name: str, now: float) -> None:
        """From now on others' words are written; `now` is on the monotonic clock."""
        if name == self.name:
            return
        if now - self._since > _PAUSE:
            self.flush()
            self.name, self._since = name, now
            for mouth in self._mouths:
                mouth.show()
        self.name = name

    def flush(self) -> None:
        """Write what waits for the end of its line."""
        for stream in self._streams:
            try:
                stream.flush()
            except (ValueError, OSError):  # a task has closed it
                continue
