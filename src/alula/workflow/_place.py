"""Where the tasks of a workflow run: workers of an engine, tried again as often as each task says.

The engine is told not to retry. Attempts are counted here, once, whatever ended them. Logical tasks go
to the place that is registered for their kind.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..errors import FutureError, NodeDiedError, TaskCancelledError, WorkflowNotResumableError
from ..futures import Engine, ObjectRef
from ..graph import Call, Cancel, Failed, Outcome, Place, Then
from ._logical import CALL
from ._site import Factory, Site
from ._tasks import Continued, Ended, Span, Task, outline
from ._vault import Stored, Volatile
from ._worker import RUNNER, Order, Reply

__all__ = ["TaskPlace"]

_FINAL = (NodeDiedError, TaskCancelledError)  # another attempt would end in the same way


class TaskPlace:
    """Runs tasks on an engine; a `Place` for a drive whose nodes are tasks."""

    def __init__(self, site: Site, kinds: Mapping[str, Factory]) -> None:
        self._site, self._kinds = site, kinds
        self._places: dict[str, Place] = {}

    def start(self, call: Call, then: Then) -> Cancel:
        """Begin a task with the values that its inputs have."""
        task: Task = call.fn
        if task.kind != CALL:
            return self._place(task.kind).start(call, then)
        site = self._site
        order = Order.of(site.vault, task, site.journal.past.values(call.args))
        running = _Attempts(site.engine, task, order, then)
        running.submit()
        return running.cancel

    def _place(self, kind: str) -> Place:
        """Give the place of a kind, made at its first task; drives start one task at a time."""
        if kind not in self._places:
            if kind not in self._kinds:
                why = f"it has a task of the kind {kind!r}, which this Alula does not know"
                raise WorkflowNotResumableError(self._site.journal.owner.workflow_id, why)
            self._places[kind] = self._kinds[kind](self._site)
        return self._places[kind]


class _Attempts:
    """One task on its way: submitted, and after a failure submitted again."""

    def __init__(self, engine: Engine, task: Task, order: tuple[Any, ...], then: Then) -> None:
        self._engine, self._task, self._order, self._then = engine, task, order, then
        self._refs: list[ObjectRef[Any]] = []
        self._count = 0
        self._cancelled = False

    def submit(self) -> None:
        self._count += 1
        self._refs = self._engine.submit(RUNNER, self._order, {}, self._task.engine)
        self._engine.watch(self._refs[0], self._ended)

    def cancel(self) -> None:
        self._cancelled = True
        with suppress(FutureError):  # an engine that is gone has nothing left to end
            self._engine.cancel(self._refs[0], force=False, recursive=True)

    def _ended(self, error: BaseException | None) -> None:
        try:
            if error is not None and self._may_again(error):
                self.submit()
                return
            outcome = Failed(error) if error is not None else self._outcome()
        except Exception as failure:  # the engine refuses, or its answer cannot be read: that is the end
            outcome = Failed(failure)
        self._then(outcome)

    def _may_again(self, error: BaseException) -> bool:
        if self._cancelled or isinstance(error, _FINAL):
            return False
        return self._task.retry.allows(error, self._count)

    def _outcome(self) -> Outcome:
        reply = Reply.of(*self._engine.get(self._refs[:1], 0))
        span = Span(reply.started, reply.ended, self._count)
        match reply.result:
            case None:
                return Ended(Volatile(self._refs[1]), span)
            case Stored() as value:
                return Ended(value, span)
            case tasks:
                return Continued(outline(tasks), span)
