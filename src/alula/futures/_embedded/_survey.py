"""What the node process tells of a session to those who ask: other programs, and `timeline`.

A survey asks every process of the session once and gathers the answers. A process that does not answer
in time, since its user's code keeps the interpreter, is left out. When nobody asks, nothing is done.

A program of the same user asks by connecting to a socket in the folder of the user's sockets: it gets
one JSON object and the end of the connection. Nothing is read from it, so there is nothing to abuse.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from ..._core._runtime import private

__all__ = ["Surveys", "Window", "reply"]

_TIME: Final = 0.5  # s that a process has for its answer
_BUFFER: Final = 1 << 22


@dataclass(slots=True)
class _Survey:
    then: Callable[[dict[int, Any]], None]
    missing: set[int]
    deadline: float
    answers: dict[int, Any] = field(default_factory=dict)


class Surveys:
    """The questions that are open."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._open: dict[int, _Survey] = {}
        self._last = 0

    def start(
        self,
        processes: Iterable[int],
        ask: Callable[[int, int], None],
        then: Callable[[dict[int, Any]], None],
    ) -> None:
        """Ask processes by ``ask(process, ticket)``; `then` gets the answers by process."""
        missing = set(processes)
        self._last += 1
        ticket = self._last
        self._open[ticket] = _Survey(then, missing, self._clock() + _TIME)
        for process in missing:
            ask(process, ticket)

    def answer(self, process: int, ticket: int, facts: Any) -> None:
        """Take an answer; one that comes too late is ignored."""
        survey = self._open.get(ticket)
        if survey is not None and process in survey.missing:
            survey.missing.discard(process)
            survey.answers[process] = facts
            if not survey.missing:
                self._end(ticket)

    def gone(self, process: int) -> None:
        """A process has ended: nobody waits for it."""
        for ticket, survey in list(self._open.items()):
            survey.missing.discard(process)
            if not survey.missing:
                self._end(ticket)

    def patience(self) -> float | None:
        """Give the s for which answers may still come; None if none is expected."""
        if not self._open:
            return None
        return max(0.0, min(survey.deadline for survey in self._open.values()) - self._clock())

    def expire(self) -> None:
        """End the surveys whose time is over."""
        now = self._clock()
        for ticket in [t for t, survey in self._open.items() if survey.deadline <= now]:
            self._end(ticket)

    def _end(self, ticket: int) -> None:
        survey = self._open.pop(ticket)
        survey.then(survey.answers)


class Window:
    """The socket at which other programs of this user ask."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.sock: socket.socket | None = None

    def open(self) -> None:
        """Listen; without a folder for it the session is merely not seen."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            private(self._path.parent.parent)
            private(self._path.parent)
            self._path.unlink(missing_ok=True)
            sock.bind(str(self._path))
            sock.listen()
            sock.setblocking(False)
        except OSError:
            sock.close()
        else:
            self.sock = sock

    def accept(self) -> socket.socket | None:
        """Take one who asks."""
        assert self.sock is not None
        with contextlib.suppress(OSError):  # gone again
            return self.sock.accept()[0]
        return None

    def close(self, *, unlink: bool = True) -> None:
        """Listen no more; a forked child only lets go of its copy."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None
            if unlink:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)


def reply(client: socket.socket, facts: Mapping[str, Any]) -> None:
    """Send one who asked the answer, which the system keeps until it is read."""
    with client, contextlib.suppress(OSError):  # gone meanwhile
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        import json  # here, for most sessions are never looked at

        client.sendall(json.dumps(facts).encode())
