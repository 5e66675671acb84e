"""Making the world fail where a test says, by the names of the gates in the code.

In this process `faults` gives a gate something to do while a ``with`` block lasts. A process that is to be
killed on its way is started with the environment that `fault_environment` gives. Both refuse a gate that
does not exist, so a test that misspells one fails instead of passing for nothing.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .._core._gates import GATES, arm, disarm

__all__ = ["fail", "fault_environment", "faults"]


@contextmanager
def faults(gates: Mapping[str, Callable[[], None]]) -> Iterator[None]:
    """Give gates something to do for as long as the block lasts.

    Parameters
    ----------
    gates
        What to call, by the name of the gate: `fail` makes something that raises, and any function that
        takes nothing will do. It is called in the thread that passes the gate.

    Raises
    ------
    LookupError
        If there is no gate of such a name; none is armed then.

    Examples
    --------
    >>> from alula.testing import fail, faults
    >>> with faults({"artifacts.written": fail(OSError("disk full"))}):
    ...     pass  # whoever writes an artifact here gets the error
    """
    _check(gates)
    try:
        for name, action in gates.items():
            arm(name, action)
        yield
    finally:
        for name in gates:
            disarm(name)


def fail(error: BaseException, *, at: int = 1) -> Callable[[], None]:
    """Give an action that raises at its n-th call, once.

    Parameters
    ----------
    error
        What is raised.
    at
        At which passage, from 1.
    """
    passed = 0

    def action() -> None:
        nonlocal passed
        passed += 1
        if passed == at:
            raise error

    return action


def fault_environment(
    kills: Mapping[str, int],
    environment: Mapping[str, str] | None = None,
    *,
    once: Path | None = None,
) -> dict[str, str]:
    """Give the environment of a process that is to die, by SIGKILL, at a gate.

    Its own children inherit it: workers that it starts die at their gates.

    Parameters
    ----------
    kills
        At which passage to die, from 1, by the name of the gate.
    environment
        What else it is to have; all of this process's by default.
    once
        A file, without a comma in its path, that the first process to die takes away; no other dies then.
        Each process that gets to the gate dies by default, also one that was started in place of another.

    Raises
    ------
    LookupError
        If there is no gate of such a name.
    ValueError
        If a passage is below 1: it would never come; or if the file's path has a comma.
    """
    _check(kills)
    if "," in str(once):
        raise ValueError(f"the file {str(once)!r} has a comma in its path")
    for name, passage in kills.items():
        if passage < 1:
            raise ValueError(f"passages of {name!r} are counted from 1, not {passage}")
    token = f":{once}" if once is not None else ""
    text = ",".join(f"{name}=kill@{passage}{token}" for name, passage in kills.items())
    return {**(os.environ if environment is None else environment), "ALULA_FAULTS": text}


def _check(names: Mapping[str, object]) -> None:
    for name in names:
        if name not in GATES:
            raise LookupError(f"no gate {name!r}; there are {', '.join(sorted(GATES))}")
