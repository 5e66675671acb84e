"""Functions that the tests of workflows run in workers, in this process and in those that get killed."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

import alula
from alula import workflow
from alula.testing import Turnstile


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts what has run, across processes: one line in a file for each."""

    path: Path

    def mark(self, what: object) -> None:
        with self.path.open("a") as file:
            file.write(f"{what}\n")

    def counts(self) -> Counter[str]:
        return Counter(self.path.read_text().split()) if self.path.exists() else Counter()


class OddError(Exception):
    """An error whose constructor does not take its `args`."""

    def __init__(self, *, code: int) -> None:
        super().__init__("odd")
        self.code = code


@alula.remote
def add(*terms: Any) -> Any:
    return sum(terms)


@alula.remote
def noted(tally: Tally, name: str, *terms: int) -> int:
    """Note that it runs, and add."""
    tally.mark(name)
    return sum(terms) + 1


@alula.remote
def exp_remote(k: int, n: int) -> Any:
    if n == 0:
        return k
    return workflow.continuation(exp_remote.bind(2 * k, n - 1))


@alula.remote
def countdown(tally: Tally, n: int) -> Any:
    """Note each link of a chain of continuations; the last gives 'end'."""
    tally.mark(n)
    return "end" if n == 0 else workflow.continuation(countdown.bind(tally, n - 1))


@alula.remote
def fib(n: int) -> Any:
    return n if n < 2 else add.bind(fib.bind(n - 1), fib.bind(n - 2))


@alula.remote
def fail_unless(flag: Path, value: Any) -> Any:
    if not flag.exists():
        raise OddError(code=7)
    return value


@alula.remote
def fail_first(tally: Tally, times: int, error: type[Exception] = ValueError) -> int:
    """Raise so many times, then give the number of attempts."""
    tally.mark("try")
    attempt = tally.counts()["try"]
    if attempt <= times:
        raise error(f"attempt {attempt}")
    return attempt


@alula.remote
def die_first(tally: Tally, times: int) -> int:
    """Kill its own process so many times, then give the number of attempts."""
    tally.mark("try")
    attempt = tally.counts()["try"]
    if attempt <= times:
        os._exit(1)
    return attempt


@alula.remote
def held(turnstile: Turnstile, value: Any = None) -> Any:
    """Stop until the test lets it through."""
    turnstile.wait()
    return value


@workflow.transaction
def entered(connection: Connection, tally: Tally, name: str, *before: object) -> str:
    """Note that it runs, and write a line into a table that allows each only once."""
    tally.mark(name)
    connection.execute(text("CREATE TABLE IF NOT EXISTS entries (name TEXT PRIMARY KEY)"))
    connection.execute(text("INSERT INTO entries (name) VALUES (:name)"), {"name": name})
    return name
