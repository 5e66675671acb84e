"""Named places where a test may make the world fail.

`gate("journal.recorded")` does nothing unless somebody armed that name: in this process through
`alula.testing.faults`, or in a process started with ``ALULA_FAULTS="name=kill@3"`` (at the third
passage, die by SIGKILL), ``"name=kill@3:/some/file"`` (the same, if it is the first to take that file
away) or ``"name=refuse@3"`` (from the third passage on, get no resource of the system). The names that
exist are listed in `GATES`, so a misspelt gate is an error
in the test that arms it, not a test that passes for nothing.
"""

import errno
import os
import signal
from collections.abc import Callable
from typing import Final

__all__ = ["GATES", "arm", "disarm", "gate"]

GATES: Final = frozenset(
    {
        "actor.making",  # a worker has what an actor is made of, and is about to call its constructor
        "ahead.recorded",  # a worker has recorded a task and is about to start its reader
        "artifacts.written",  # the bytes are in a temporary file, not yet under their digest
        "environment.made",  # the package of a script is installed, and has not got its name
        "executor.claimed",  # an executor owns a workflow and has started nothing
        "function.shipping",  # an owner is about to send a worker a function that it does not have
        "journal.commit",  # a batch of records is about to be committed
        "journal.created",  # the entry pointer is durable: the workflow exists
        "journal.recorded",  # a task's result is durable, nobody has been told
        "lease.granted",  # an owner was lent a worker and has given it nothing
        "loan.settling",  # a value is there, and whoever was lent its reference has not been told
        "node.burying",  # the node process knows that a worker has died, and nobody else does
        "node.forked",  # the node process has started a worker that it does not know yet
        "node.forking",  # the node process is about to start a worker
        "node.lending",  # the node process has taken a worker for somebody who has not been told
        "output.awaited",  # who reads what another workflow gave finds that this one has not ended
        "push.sending",  # an owner has tasks ready for a worker, and has sent nothing
        "push.sent",  # a worker has been sent tasks
        "results.received",  # an owner has read results and told nobody
        "results.sending",  # a worker has results ready, and has sent nothing
        "results.sent",  # a worker has sent results
        "segment.writing",  # there is shared memory for a large value, with nothing in it
        "segment.written",  # a large value is in shared memory, and nobody knows of it
        "store.before_commit",  # a transaction has done its work and not yet committed
        "store.lent",  # a user's transaction has done its work, which is recorded and not yet committed
        "store.committed",  # a transaction is durable, nobody has been told
        "stream.sending",  # a producer has yielded values ready, and has sent none of them
        "stream.sent",  # a producer has sent what a generator yielded
        "stream.yielded",  # a generator has yielded a value, which is sent or will be soon
        "task.finished",  # a worker has the result of a task and has not replied
        "task.started",  # a worker is about to run the body of a task
        "task.unpickled",  # it has the arguments, and is about to call the function
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


def _kill_at(count: int, token: str) -> Callable[[], None]:
    passed = 0

    def action() -> None:
        nonlocal passed
        passed += 1
        if passed == count and (not token or _taken(token)):
            os.kill(os.getpid(), signal.SIGKILL)

    return action


def _taken(token: str) -> bool:
    """Take a file away; False if another process was faster."""
    try:
        os.unlink(token)
    except FileNotFoundError:
        return False
    return True


def _refuse_from(count: int, token: str) -> Callable[[], None]:
    passed = 0

    def action() -> None:
        nonlocal passed
        passed += 1
        if passed >= count:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    return action


_VERBS: Final = {"kill": _kill_at, "refuse": _refuse_from}


def _arm_from_environment(text: str) -> None:
    for part in filter(None, text.split(",")):
        name, _, action = part.partition("=")
        verb, _, passage = action.partition("@")
        count, _, token = passage.partition(":")
        if verb not in _VERBS or not (count or "1").isdigit():
            forms = "gate=kill@N, gate=kill@N:FILE or gate=refuse@N"
            raise ValueError(f"ALULA_FAULTS: {part!r} is not of the form {forms}")
        arm(name, _VERBS[verb](int(count or "1"), token))


_arm_from_environment(os.environ.get("ALULA_FAULTS", ""))
