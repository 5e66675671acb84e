"""A parent that starts a program again when it has crashed, and holds its sockets open meanwhile.

The parent listens, so that clients wait in the queue of the socket while the child comes back. Child and
parent hold the two ends of one more socket: the child says by it that it is ready, and learns from its
end that the parent is gone, so neither outlives the other.
"""

import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from types import FrameType
from typing import Final

from ..errors import CrashLoopError

__all__ = ["Inherited", "Supervisor", "inherited", "supervise"]

_log = logging.getLogger("alula.daemon")

_VARIABLE: Final = "ALULA_SUPERVISED"  # in the child's environment: the descriptors that it was given
_PASSED_ON: Final = (signal.SIGUSR1, signal.SIGUSR2)
_ENDS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # a terminal that is closed is an end, too


class Supervisor:
    """Keeps one child running until it is told to stop.

    Parameters
    ----------
    command
        The child; it finds by `inherited` what it was given.
    name
        What it is called in messages.
    listening
        Sockets that it is to listen on. They are closed when the child is to run no more.
    ready
        Called when the child says for the first time that it is.
    environment
        Of the child; by default this process's.
    quiet
        Whether nothing is shown of what it prints; its log is.
    crashes
        How many in a row are too many.
    calm
        Seconds after which a child counts as running well.
    delays
        Seconds before the first restart in a row, and the most; each is twice the one before.
    """

    def __init__(
        self,
        command: Sequence[str],
        listening: Sequence[socket.socket],
        *,
        name: str = "alula serve",
        ready: Callable[[], None] = lambda: None,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
        crashes: int = 5,
        calm: float = 60.0,
        delays: tuple[float, float] = (0.1, 10.0),
    ) -> None:
        self._command, self._listening, self.name, self._ready = command, listening, name, ready
        self._environment = dict(os.environ) if environment is None else environment
        self._output = subprocess.DEVNULL if quiet else None
        self._crashes, self._calm, self._delays = crashes, calm, delays
        self._child: subprocess.Popen[bytes] | None = None
        self._news: SimpleQueue[None] = SimpleQueue()  # told when it has to stop: ends a wait for a restart
        self._over = self._was_ready = False

    def run(self) -> int:
        """Start the child, and start it again whenever it has crashed; return its status when it has not.

        Returns
        -------
        int
            0 if it ended by itself or was told to. A child that gives up before it was ever ready is
            not started again: its status is the answer.

        Raises
        ------
        CrashLoopError
            If it crashed too often in a row.
        """
        failures = 0
        try:
            while True:
                begin = monotonic()
                status = self._run_child()
                if self._over or status == 0 or (status > 0 and not self._was_ready):
                    return max(0, status) if self._over else status
                failures = 1 if monotonic() - begin > self._calm else failures + 1
                if failures >= self._crashes:
                    raise CrashLoopError(self.name, failures, _how(status))
                if self._told_within(self._pause(failures, status)):
                    return 0
        finally:
            for each in self._listening:
                each.close()

    def stop(self) -> None:
        """Let the child end, and start it no more; from any thread, or a signal's handler."""
        self._over = True
        self._news.put(None)
        self.send(signal.SIGTERM)

    def send(self, number: int) -> None:
        """Pass a signal on."""
        child = self._child
        if child is not None:
            child.send_signal(number)

    def _run_child(self) -> int:
        ours, theirs = socket.socketpair()
        given = [theirs, *self._listening]
        numbers = [each.fileno() for each in given]
        environment = {**self._environment, _VARIABLE: ",".join(map(str, numbers))}
        with ours:
            try:
                child = subprocess.Popen(
                    self._command, pass_fds=numbers, env=environment, stdout=self._output
                )
            finally:
                theirs.close()
            self._child = child
            if self._over:  # told so while it was being started
                child.terminate()
            if ours.recv(1) and not self._was_ready:
                self._was_ready = True
                self._ready()
            return child.wait()

    def _pause(self, failures: int, status: int) -> float:
        """Say that it is going to be started again, and give the seconds until then."""
        first, most = self._delays
        delay: float = min(first * 2 ** (failures - 1), most)
        text = "the server %s; it is started again in %.1f s"
        _log.error(
            text, _how(status), delay, extra={"event": "crash", "status": status, "in_a_row": failures}
        )
        return delay

    def _told_within(self, seconds: float) -> bool:
        """Wait for being told to stop."""
        try:
            self._news.get(timeout=seconds)
        except Empty:
            return False
        return True


def _how(status: int) -> str:
    """Say how a process ended."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def supervise(command: Sequence[str], listening: Sequence[socket.socket]) -> int:
    """Run a child in the foreground, as `Supervisor` does: signals are passed on; in the main thread only.

    Returns
    -------
    int
        The status to end with.

    Raises
    ------
    CrashLoopError
        If the child crashed too often in a row.
    """
    supervisor = Supervisor(command, listening)

    def stop(_number: int, _frame: FrameType | None) -> None:
        supervisor.stop()

    def send(number: int, _frame: FrameType | None) -> None:
        supervisor.send(number)

    for number in _ENDS:
        signal.signal(number, stop)
    for number in _PASSED_ON:
        signal.signal(number, send)
    return supervisor.run()


# ------------------------------------------------------------------------------------- in the child


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a child has from its parent.

    Attributes
    ----------
    listening
        The sockets to listen on.
    """

    listening: tuple[socket.socket, ...]
    _watch: socket.socket

    def say_ready(self) -> None:
        """Tell the parent that clients can connect."""
        self._watch.sendall(b"\n")

    def follow(self) -> None:
        """End this process, as SIGTERM does, when the parent is gone."""

        def wait() -> None:
            with suppress(OSError):  # it died before it had read that we are ready
                while self._watch.recv(1):
                    pass
            os.kill(os.getpid(), signal.SIGTERM)

        Thread(target=wait, name="alula-parent", daemon=True).start()


def inherited() -> Inherited | None:
    """Give what this process has from a supervising parent, once; None if it has none."""
    numbers = os.environ.pop(_VARIABLE, "")
    if not numbers:
        return None
    watch, *listening = [socket.socket(fileno=int(number)) for number in numbers.split(",")]
    return Inherited(tuple(listening), watch)
