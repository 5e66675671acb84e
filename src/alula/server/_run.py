"""One run of a plan: from the captured inputs to the reply."""

import logging
from typing import assert_never

from .._core._ids import Key
from ..errors import CommandError, TaskCancelledError
from ..graph import Done, Drive, Failed, InputItem, Name, Outcome, Scope
from ._devices import Devices, TimedOut
from ._later import Later
from ._plan import Answer, Ran, Read, WasSet
from ._plans import Bound
from ._resp import Reply
from ._tensors import Tensor

__all__ = ["as_error", "run"]

_log = logging.getLogger("alula.server")


def run(bound: Bound, devices: Devices) -> Reply | Later:
    """Run a plan; give the reply, or what it will come by if a model runs on another thread."""
    running = _Run(bound, devices)
    return running.later.reply if running.later.settled else running.later


class _Run:
    __slots__ = ("_bound", "_drive", "later")

    def __init__(self, bound: Bound, devices: Devices) -> None:
        self._bound = bound
        turn = devices.turn(bound.plan.timeout)
        drive = Drive(bound.plan.graph, turn, Scope(), bound.home, then=self._finish, args=bound.tensors)
        self._drive: Drive | None = drive
        self.later = Later(drive.cancel)
        turn.go(drive.start)

    def _finish(self, outcome: Outcome) -> None:
        drive, self._drive = self._drive, None  # no circle is left: tensors go when the reply has gone
        assert drive is not None
        self.later.cancel = _nothing
        try:
            reply = self._reply(drive, outcome)
        except Exception as error:  # whatever happens, the client is not left waiting
            reply = as_error(error)
        self.later.settle(reply)

    def _reply(self, drive: Drive, outcome: Outcome) -> Reply:
        plan = self._bound.plan
        failed = outcome.error if isinstance(outcome, Failed) else None
        if isinstance(failed, TimedOut):
            return "TIMEDOUT"
        if plan.single:
            return "OK" if failed is None else as_error(failed)
        replies = [self._answer(drive, answer) for answer in plan.answers]
        # No operation failed and yet the whole did: it was the storing.
        return [*replies, as_error(failed)] if failed and not drive.failures else replies

    def _answer(self, drive: Drive, answer: Answer) -> Reply:
        match answer:
            case WasSet():
                return "OK"
            case Ran(key):
                if key in drive.failures:
                    return as_error(drive.failures[key])
                return "NA" if key in drive.skipped else "OK"
            case Read(source, whole, form):
                tensor = self._tensor(drive, source, whole)
                return form.reply(tensor) if tensor is not None else "NA"
            case _:
                assert_never(answer)

    def _tensor(
        self, drive: Drive, source: InputItem | Name | Key, whole: tuple[Key, int] | None
    ) -> Tensor | None:
        """Give what a TENSORGET reads, if it was ever made."""
        if isinstance(source, InputItem):
            tensor: Tensor = source.pick(self._bound.tensors, {})
            return tensor
        found = self._bound.home.recall(source) if isinstance(source, Name) else drive.outcome(source)
        if not isinstance(found, Done) and whole is not None:
            found = drive.outcome(whole[0])
            return found.value[whole[1]] if isinstance(found, Done) else None
        return found.value if isinstance(found, Done) else None


def _nothing() -> None:
    pass


def as_error(error: BaseException) -> CommandError:
    """Give the error line for whatever a run failed with; what is not for clients goes to the log."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, TaskCancelledError):
        return CommandError("ERR the command was cancelled")  # nobody is there to read it
    _log.error("a command failed unexpectedly", exc_info=error)
    return CommandError(f"ERR {type(error).__name__}: {error}")
