"""Locks of the operating system, for executors of one machine: one file for each holder of a name.

Such a lock ends with its process, however that dies, and no clock is asked. The files lie beside the
database and not in the user's runtime folder: that one is emptied when its user logs out, and whoever
then looked would take a living executor for dead.
"""

import fcntl
import os
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from sqlalchemy import Connection

from ..errors import StoreUnavailableError

__all__ = ["FileLocks"]


class FileLocks:
    """The locks that lie in one folder; what each call does is said by `Locks`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, connection: Connection, name: str, epoch: int) -> None:
        """Lock; nothing is written to the database."""
        path = self._path(name, epoch)
        with _guard:  # no fork in here: its child could not tell that the file is one of these
            try:
                path.parent.mkdir(exist_ok=True)
                descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise StoreUnavailableError(str(path), str(error.strerror)) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(descriptor)
                why = "an executor unknown to the store holds it; is the database an older copy of itself?"
                raise StoreUnavailableError(str(path), why) from error
            _held[path] = descriptor

    def taken(self, name: str, epoch: int) -> bool:
        """Tell whether its holder lives."""
        try:
            descriptor = os.open(self._path(name, epoch), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def give_back(self, name: str, epoch: int) -> None:
        """Unlock, if this process holds it."""
        path = self._path(name, epoch)
        with _guard:
            descriptor = _held.pop(path, None)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def forget(self, name: str, epoch: int) -> None:
        """Remove the file of a dead holder."""
        self._path(name, epoch).unlink(missing_ok=True)

    def _path(self, name: str, epoch: int) -> Path:
        return self._folder / f"{quote(name, safe='@')}.{epoch}.lock"


_guard = Lock()
_held: dict[Path, int] = {}


def _close_inherited() -> None:
    """Let go of the locks in a forked child, which would otherwise hold them after its parent's death."""
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_guard.release)
os.register_at_fork(after_in_child=_close_inherited)
