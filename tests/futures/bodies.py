"""What the tasks of random programs do, in a module of their own: workers need not load what tests need."""

import os
from typing import Any

from alula.futures import ObjectRef, get, put, remote

__all__ = ["Summing", "add", "dig", "echo", "fail", "own", "value"]

_LARGE = 150_000  # bytes: more than goes inside a message


def value(number: int, large: bool) -> tuple[int, bytes]:
    """Give a value that is known by its number."""
    return number, bytes([number % 251]) * (_LARGE if large else 3)


@remote(max_retries=-1)
def add(large: bool, *given: tuple[int, bytes]) -> tuple[int, bytes]:
    """Add values that came by reference."""
    return value(1 + sum(number for number, _ in given), large)


@remote(max_retries=-1)
def dig(large: bool, nested: Any) -> tuple[int, bytes]:
    """Add values whose references came in containers."""
    refs = [nested[0], *nested[1]["more"]]
    return value(1 + sum(number for number, _ in get(refs)), large)


@remote(max_retries=-1)
def own(large: bool, number: int) -> list[ObjectRef[Any]]:
    """Give references to what this task owns: a value, a task, and a task that reads its result."""
    first = add.remote(large, value(number, large))
    return [put(value(number, large)), first, add.remote(large, first)]


@remote(max_retries=-1)
def echo(given: Any) -> Any:
    """Give back what came."""
    return given


@remote(max_retries=-1)
def fail() -> None:
    """Raise."""
    raise ValueError("as it should")


class _Summing:
    def __init__(self) -> None:
        self.number = 0

    def pid(self) -> int:
        return os.getpid()

    def add(self, large: bool, given: tuple[int, bytes]) -> tuple[int, bytes]:
        self.number += given[0]
        return value(self.number, large)


Summing = remote(_Summing)
