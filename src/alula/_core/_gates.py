"""Named places where a test may make the world fail.

`gate("journal.recorded")` does nothing unless somebody armed that name: in this process through
`alula.testing.faults`, or in a process started with ``ALULA_FAULTS="name=kill@3"`` (at the third
passage, die by SIGKILL). The names that exist are listed in `GATES`, so a misspelt gate is an error
in the test that arms it, not a test that passes for nothing.
"""

import os
import signal
from collections.abc import Callable
from typing import Final

__all__ = ["GATES", "arm", "disarm", "gate"]

GATES: Final = frozenset(
    {
        "artifacts.written",  # the bytes are in a temporary file, not yet under their digest
        "executor.claimed",  # an executor owns a workflow and has started nothing
        "journal.commit",  # a batch of records is about to be committed
        "journal.created",  # the entry pointer is durable: the workflow exists
        "journal.recorded",  # a task's result is durable, nobody has been told
        "store.before_commit",  # a transaction has done its work and not yet committed
        "store.committed",  # a transaction is durable, nobody has been told
        "task.finished",  # a worker has the result of a task and has not replied
        "task.started",  # a worker is about to run the body of a task
    }
)

_armed: dict[str, Callable[[], None]] = {}


def gate(name: str) -> None:
    """Pass through the gate `name`: free of cost, unless a test armed it."""
    if _armed and (action := _armed.get(name)) is not None:
        action()


def arm(name: str, action: Callable[[], None]) -> None:
    """Call `action` whenever this process passes the gate `name`.

    Raises
    ------
    LookupError
        If there is no such gate.
    """
    if name not in GATES:
        raise LookupError(f"no gate {name!r}; there are {', '.join(sorted(GATES))}")
    _armed[name] = action


def disarm(name: str | None = None) -> None:
    """Make one gate harmless again, or all of them."""
    if name is None:
        _armed.clear()
    else:
        _armed.pop(name, None)


def _kill_at(count: int) -> Callable[[], None]:
    passed = 0

    def action() -> None:
        nonlocal passed
        passed += 1
        if passed == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return action


def _arm_from_environment(text: str) -> None:
    for part in filter(None, text.split(",")):
        name, _, action = part.partition("=")
        verb, _, count = action.partition("@")
        if verb != "kill" or not (count or "1").isdigit():
            raise ValueError(f"ALULA_FAULTS: {part!r} is not of the form gate=kill@N")
        arm(name, _kill_at(int(count or "1")))


_arm_from_environment(os.environ.get("ALULA_FAULTS", ""))
