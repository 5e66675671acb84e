"""The nursery as its worker sees it: asked for processes, which are then looked after by their ids."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

__all__ = ["Nursery", "Process"]

_PROGRAM: Final = Path(__file__).with_name("_nursery.py")
_LOST: Final = 1  # the status of a process of which only its end is known


class Process:
    """A kernel's process, as far as Jupyter's own manager of kernels asks for one."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """Give None while it lives."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return _LOST
        return None

    def wait(self) -> int:
        """Give the status of a process that `poll` has seen end."""
        return _LOST

    def send_signal(self, number: int) -> None:
        """Send a signal to it and all that it has started; nothing if it has ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it, whatever it does."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class Nursery:
    """Starts processes that end with this one; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the process of the nursery, unless it runs; it loads what kernels need on its own."""
        with self._lock:
            self._opened()

    def spawn(self, argv: Sequence[str], env: Mapping[str, str], cwd: str, folder: str) -> Process:
        """Start a kernel.

        Parameters
        ----------
        argv, env, cwd
            Its command, its whole environment, and where it works.
        folder
            Of its own, which is removed when all ends; to the file ``log`` there it writes what it has to
            say besides its messages.

        Raises
        ------
        OSError
            If no process can be started.
        """
        request = (
            json.dumps({"argv": [*argv], "env": dict(env), "cwd": cwd, "folder": folder}).encode() + b"\n"
        )
        with self._lock:
            try:
                return Process(self._asked(request))
            except (OSError, ValueError):  # somebody has killed it; its kernels notice that themselves
                self._close()
                return Process(self._asked(request))

    def close(self) -> None:
        """End it, and all that it has started."""
        with self._lock:
            self._close()

    def _asked(self, request: bytes) -> int:
        process = self._opened()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request)
        process.stdin.flush()
        return int(process.stdout.readline())  # `ValueError` if it has died

    def _opened(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},  # no advice about debuggers
                start_new_session=True,  # Ctrl-C in a terminal is for the worker alone
            )
        return self._process

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.communicate()
