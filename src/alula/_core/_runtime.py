"""The folder for the sockets of this user's processes."""

import os
import stat
from pathlib import Path

__all__ = ["private", "runtime_folder"]


def runtime_folder() -> Path:
    """Give the folder for the sockets of this user's processes: ``/run/user/<uid>/alula``.

    Where the system has none, ``/tmp/alula-<uid>``. It does not follow XDG_RUNTIME_DIR or TMPDIR: a
    daemon and a shell that differ in their environment must meet in the same place.
    """
    system = Path(f"/run/user/{os.getuid()}")
    return system / "alula" if os.access(system, os.W_OK) else Path(f"/tmp/alula-{os.getuid()}")


def private(folder: Path) -> None:
    """Make a folder of this user's own; refuse one that somebody else laid there for us.

    Raises
    ------
    OSError
        If it cannot be made, or others can write to it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(1, f"{folder} can be written by others")
