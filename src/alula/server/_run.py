"""One run of a plan: from the captured inputs to the reply."""

from collections.abc import Callable
from typing import Any, assert_never

from .._core._ids import Key
from ..errors import TaskCancelledError
from ..graph import Done, Drive, Failed, InputItem, Name, Outcome, Scope
from ._devices import Devices
from ._direct import direct
from ._failures import as_error
from ._later import Later
from ._plan import Answer, Ran, Read, WasSet
from ._plans import Bound
from ._resident import Value
from ._resp import Reply
from ._turns import Seen, Skipped, TimedOut

__all__ = ["Running", "run"]


def run(bound: Bound, devices: Devices) -> Reply | Later:
    """Run a plan; give the reply, or what it will come by if a model runs on another thread."""
    if (found := direct(bound, devices)) is not None:
        return found
    later = Later()
    running = Running(bound, devices, later.settle)
    running.start()
    if later.settled:
        return later.reply
    later.cancel = running.cancel
    return later


class Running:
    """A plan at work.

    Parameters
    ----------
    bound
        The plan, and what it runs on.
    devices
        Where.
    then
        Called once with the reply, when all has ended and what is to be stored is stored.

    Attributes
    ----------
    error
        Why it has ended without all its replies or without storing anything; None if it has not.
    """

    __slots__ = ("_drive", "_home", "_left", "_plan", "_tensors", "_then", "_turn", "error")

    def __init__(self, bound: Bound, devices: Devices, then: Callable[[Reply], None]) -> None:
        plan = self._plan = bound.plan
        self._home = bound.home
        self._tensors: list[Any] = bound.tensors
        self._then = then
        self.error: BaseException | None = None
        turn = self._turn = devices.turn(plan.timeout)
        self._left = dict(plan.readers)
        if self._left:
            turn.tell(self._take)
        if plan.calls or not devices.parallel:
            turn.order(plan.chains(bound.home.values, parallel=devices.parallel))
        self._drive: Drive | None = Drive(
            plan.graph, turn, Scope(), bound.home, then=self._finish, args=(self._tensors,)
        )

    def start(self, watch: Callable[[int, Seen], None] | None = None) -> None:
        """Begin; `watch` is told of every operation that begins and ends, by its position."""
        assert self._drive is not None
        self._turn.watch = watch
        self._turn.go(self._drive.start)

    @property
    def storing(self) -> bool:
        """Whether all has run, and only the storing is left, or not even that."""
        return self._drive is None or self._drive.ended

    def cancel(self) -> None:
        """Begin nothing more, store nothing, and end at once; what runs is thrown away when it ends."""
        if self._drive is not None:
            self._turn.go(self._drive.cancel)

    def _take(self, reads: tuple[int | bytes, ...]) -> None:
        """Let go of what the command was given, where this was its last reader."""
        for given in reads:
            self._left[given] -= 1
            if self._left[given]:
                continue
            if isinstance(given, int):
                self._tensors[given] = None
            else:
                self._home.values.pop(given, None)

    # -------------------------------------------------------------------------------------- the end

    def _finish(self, outcome: Outcome) -> None:
        drive, self._drive = self._drive, None  # no circle is left: tensors go when the reply has gone
        assert drive is not None
        self._turn.tell(None)
        self.error = outcome.error if isinstance(outcome, Failed) else None
        try:
            reply = self._reply(drive)
        except Exception as error:  # whatever happens, the client is not left waiting
            reply = as_error(error)
        then, self._then = self._then, _nothing
        then(reply)

    def _reply(self, drive: Drive) -> Reply:
        plan, failed = self._plan, self.error
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
                error = drive.failures.get(key)
                if error is not None and not isinstance(error, _NOT_RUN):
                    return as_error(error)
                return "NA" if error is not None or key in drive.skipped else "OK"
            case Read(source, whole, form):
                tensor = self._tensor(drive, source, whole)
                return form.reply(tensor) if tensor is not None else "NA"
            case _:
                assert_never(answer)

    def _tensor(
        self, drive: Drive, source: InputItem | Name | Key, whole: tuple[int, int] | None
    ) -> Value | None:
        """Give what a TENSORGET reads, if it was ever made."""
        if isinstance(source, InputItem):
            tensor: Value = source.pick((self._tensors,), {})
            return tensor
        found = self._home.recall(source) if isinstance(source, Name) else drive.outcome(source)
        late = self._turn.late
        if not isinstance(found, Done) and whole is not None and late is not None and whole[0] in late:
            return late[whole[0]][whole[1]]
        return found.value if isinstance(found, Done) else None


def _nothing(reply: Reply) -> None:
    pass


_NOT_RUN = (Skipped, TaskCancelledError, TimedOut)
