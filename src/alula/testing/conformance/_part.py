"""What all parts of the suite stand on: the engine, and what a test can know of other processes."""

import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TypeVar

import pytest

from ...futures import Engine, Feature, ObjectRef, current, get
from .._turnstile import Turnstile

__all__ = ["LIMIT", "Notes", "Part", "ended", "needs", "value"]

T = TypeVar("T")

LIMIT = 150.0
"""Seconds after which something hangs.

Nothing that works takes nearly as long, also where a process takes twenty to start: on a busy machine, when
many are started at once and import much.
"""


def value(ref: ObjectRef[T]) -> T:
    """Give the value of a reference, or fail the test if it does not come."""
    return get(ref, timeout=LIMIT)


class Notes:
    """Lines that tasks leave in a file, whatever process they run in and however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def add(self, line: object = "ran") -> int:
        """In a task: leave a line; gives how many there are now."""
        pipe = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(pipe, f"{line}\n".encode())
        finally:
            os.close(pipe)
        return len(self.lines)

    @property
    def lines(self) -> list[str]:
        """All lines, the oldest first."""
        return self._path.read_text().splitlines()

    def wait_for(self, line: str, count: int = 1) -> None:
        """Wait until tasks have left a line so many times; fails the test if they do not."""
        deadline = monotonic() + LIMIT
        while self.lines.count(line) < count:
            assert monotonic() < deadline, f"nobody noted {line!r}"
            threading.Event().wait(0.001)


def ended(pid: int, timeout: float = LIMIT) -> bool:
    """Tell whether a process of this machine has ended, waiting for it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)


def needs(engine: Engine, feature: Feature) -> None:
    """Leave a test out if the engine need not pass it."""
    if feature not in engine.supports:
        pytest.skip(f"not supported: {feature}")


class Part:
    """A part of the suite: its tests use the default engine of the process, which is `engine`'s."""

    @pytest.fixture(autouse=True)
    def _is_current(self, engine: Engine) -> None:
        assert current() is engine, "the fixture `engine` must be the default engine of this process"

    @pytest.fixture
    def notes(self, tmp_path: Path) -> Notes:
        """Give a file for lines that tasks leave."""
        return Notes(tmp_path / "notes")

    @pytest.fixture
    def turnstile(self, tmp_path: Path) -> Iterator[Turnstile]:
        """Give a place where tasks stop until the test lets them through."""
        with Turnstile(tmp_path) as turnstile:
            yield turnstile
            turnstile.let()
