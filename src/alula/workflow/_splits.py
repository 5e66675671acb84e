"""Splits: what the task of a `wait` gives, and how a handle becomes the value of a task again.

The graph knows when enough tasks have ended (a quorum). What is left to do is the split: the values of
those that were taken, and handles to the others, recorded as the value of the waiting task. All readers
see the same split, before a crash and after it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from ..graph import Call, Cancel, Failed, Node, Outcome, Pending, Then
from ._logical import Logical
from ._site import Site
from ._tasks import Ended, Span, Task
from ._vault import Output, Packer, Split, Stored, Unpacker, Volatile

__all__ = ["SAME", "WAIT", "SamePlace", "WaitPlace", "same"]

WAIT: Final = "wait"
"""The kind of tasks that wait for some of several others."""

SAME: Final = "same"
"""The kind of tasks whose value is that of another, to which a task has returned a handle."""


def same(handle: Pending) -> Node[Any]:
    """Give a node whose value is that of a task of the same workflow."""
    return Node(Logical(SAME, "workflow.same"), (handle,))


class _Aside(ABC):
    """A place that needs the values of its inputs only to keep them; nobody can hurry it, or cancel it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def start(self, call: Call, then: Then) -> Cancel:
        """Settle a task in another thread; one whose inputs have failed fails as the first of them."""
        failed = next((value for value in call.args if isinstance(value, Failed)), None)
        if failed is not None:
            then(failed)
        else:
            self._site.aside.soon(partial(self._settle, call.fn, call.args, then))
        return _nothing

    def _settle(self, task: Task, found: tuple[Any, ...], then: Then) -> None:
        started = self._site.store.clock.time()
        try:
            taken = [value for value in found if not isinstance(value, Pending)]
            values = self._site.journal.past.values(taken)
            left = [value for value in found if isinstance(value, Pending)]
            value = self._made(task, values, left)
            span = Span(started, self._site.store.clock.time(), 1)
            # The value may be one that is stored as another's, which does not make it one to record.
            outcome: Outcome = Ended(value, span, written=not task.checkpoint)
        except Exception as error:  # a value cannot be read, or the new one not be written
            outcome = Failed(error)
        then(outcome)

    @abstractmethod
    def _made(self, task: Task, values: Sequence[Output], left: list[Pending]) -> Output:
        """Give the value of a task, from those of its inputs that have some and the marks of the others."""

    def _opened(self, value: Output) -> Any:
        if isinstance(value, Volatile):
            [opened] = value.ref.engine.get([value.ref], None)
            return opened
        return Unpacker(self._site.vault, self._site.journal.owner.workflow_id).unpack(value)

    def _stored(self, value: Output) -> Stored:
        """Give a value that can be read as long as the records: what readers are to see has to last."""
        return value if isinstance(value, Stored) else Packer(self._site.vault).pack(self._opened(value))


class WaitPlace(_Aside):
    """Makes the splits of one run."""

    def _made(self, task: Task, values: Sequence[Output], left: list[Pending]) -> Output:
        split = Split(tuple([self._stored(value) for value in values]), tuple([mark.key for mark in left]))
        made = self._site.vault.seal(split.paired() if task.catch else split)
        return made if task.checkpoint else Volatile(self._site.engine.put(self._opened(made)))


class SamePlace(_Aside):
    """Gives the values of other tasks."""

    def _made(self, task: Task, values: Sequence[Output], left: list[Pending]) -> Output:
        [value] = values
        if task.catch:
            pair = self._opened(value), None
            return (
                Packer(self._site.vault).pack(pair)
                if task.checkpoint
                else Volatile(self._site.engine.put(pair))
            )
        return self._stored(value) if task.checkpoint else value


def _nothing() -> None:
    pass
