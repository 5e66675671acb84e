"""A place where tasks stop until the test lets them through, whatever process they run in.

It is what sleeping is a bad substitute for: a test knows that a task has begun, because it has arrived,
and that it has not ended, because it has not been let through. Two named pipes do it, so a task that is
killed while it waits leaves nothing behind.
"""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

__all__ = ["Turnstile"]


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    # Without blocking, so that a task which comes after the test's end does not wait for ever.
    pipe = os.open(path, flags | os.O_NONBLOCK)
    try:
        yield pipe
    finally:
        os.close(pipe)


def _passed(pipe: int) -> bool:
    try:
        os.read(pipe, 1)  # nothing, at once, if the test is over
    except BlockingIOError:
        return False
    return True


class Turnstile:
    """Made by a test, passed by tasks; pickles, and works wherever the folder can be seen.

    Parameters
    ----------
    folder
        Where the two pipes are made; must exist, on a local disk.
    name
        Of this turnstile among those in the folder.
    """

    def __init__(self, folder: Path, name: str = "turnstile") -> None:
        self._paths = [folder / f"{name}.arrived", folder / f"{name}.open"]
        for path in self._paths:
            os.mkfifo(path)
        # Both ends are held here: so what is written waits for its reader, and neither side blocks.
        self._arrived, self._open = (os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in self._paths)

    def wait(self) -> None:
        """In a task: say that it is here, and stop until it is let through."""
        with _opened(self._paths[0], os.O_WRONLY) as pipe:
            os.write(pipe, b".")
        with _opened(self._paths[1], os.O_RDONLY) as pipe:
            while not _passed(pipe):
                # Not for long at a time: some engines interrupt a task only between two lines of Python.
                select.select([pipe], [], [], 0.02)

    def arrived(self, timeout: float = 30.0) -> None:
        """In the test: wait until one more task has arrived.

        Raises
        ------
        TimeoutError
            If none has after `timeout` seconds.
        """
        if not select.select([self._arrived], [], [], timeout)[0]:
            raise TimeoutError(f"nobody arrived at {self._paths[0]} in {timeout:g} s")
        os.read(self._arrived, 1)

    def let(self, count: int = 1000) -> None:
        """In the test: let so many tasks through, those that wait and those still to come."""
        os.write(self._open, b"." * count)

    def close(self) -> None:
        """In the test: let through whoever waits, and be of no further use; who comes later fails."""
        os.close(self._arrived)
        os.close(self._open)

    def __getstate__(self) -> dict[str, Any]:
        return {"_paths": self._paths}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
