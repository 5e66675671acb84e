"""Which run of which experiment is at work in this context: what is called inside belongs to it.

It travels with a task: `reference` gives what is sent along, and the worker stands `inside` of it.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from ._ledger import Run

__all__ = [
    "Active",
    "RunReference",
    "active_in",
    "enter",
    "environment",
    "inherited",
    "innermost",
    "inside",
    "leave",
    "reference",
]


@dataclass(frozen=True, slots=True)
class RunReference:
    """A run of an experiment, as it travels."""

    bucket: str
    experiment: str
    run: int


@dataclass(frozen=True, slots=True)
class Active:
    """A run that is at work in a context."""

    bucket: str
    experiment: str
    run: Run


_VARIABLE: Final = "ALULA_RUN"

_ACTIVE: ContextVar[tuple[Active, ...]] = ContextVar("alula_experiments", default=())


@contextmanager
def inside(active: Active) -> Iterator[None]:
    """Let what is called inside belong to a run, and afterwards to whatever it belonged to before."""
    token = _ACTIVE.set((*_ACTIVE.get(), active))
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def enter(active: Active) -> None:
    """Let what is called from now on in this context belong to a run; `leave` takes that back."""
    _ACTIVE.set((*_ACTIVE.get(), active))


def leave() -> None:
    """Take back the last `enter`."""
    _ACTIVE.set(_ACTIVE.get()[:-1])


def innermost() -> Active | None:
    """Give the innermost run that is at work in this context."""
    return next(reversed(_ACTIVE.get()), None)


def active_in(bucket: str, experiment: str) -> Run | None:
    """Give the run of an experiment that is at work in this context."""
    mine = (a.run for a in reversed(_ACTIVE.get()) if (a.bucket, a.experiment) == (bucket, experiment))
    return next(mine, None)


def environment() -> dict[str, str]:
    """Give what a process that is begun for this context is told of its run, in its environment."""
    active = innermost()
    if active is None:
        return {}
    return {_VARIABLE: json.dumps([active.bucket, active.experiment, active.run.number])}


def inherited(bucket: str, experiment: str) -> int | None:
    """Give the number of the run of an experiment for which this process was begun."""
    text = os.environ.get(_VARIABLE)
    if text is None:
        return None
    *which, number = json.loads(text)
    return int(number) if which == [bucket, experiment] else None


def reference() -> RunReference | None:
    """Give the innermost run that is at work in this context, to be sent along with a task."""
    active = innermost()
    return None if active is None else RunReference(active.bucket, active.experiment, active.run.number)
