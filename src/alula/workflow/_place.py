"""Where the tasks of a workflow run: workers of an engine, tried again as often as each task says.

The engine is told not to retry. Attempts are counted here, once, whatever ended them. Logical tasks go
to the place that is registered for their kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from threading import Lock
from typing import Any, Final, TypeAlias

from .._core._ids import Key
from ..errors import (
    FencedError,
    FutureError,
    NodeDiedError,
    TaskCancelledError,
    TaskError,
    WorkerCrashedError,
    WorkflowNotResumableError,
)
from ..futures import Function, ObjectRef, pack_task_error, unpack_error
from ..graph import Call, Cancel, Done, Failed, Grown, Outcome, Place, Then
from ._errors import Carried, may_be_caught
from ._here import Here
from ._journal import Failure
from ._limits import Limit
from ._logical import CALL
from ._orders import Order, Packed
from ._outlines import Followers, first_of, outline
from ._patience import is_trouble
from ._replies import Fault, Raised, Reply
from ._site import Factory, Site
from ._tasks import Continued, Ended, Span, Task
from ._vault import Stored, Volatile

__all__ = ["Perform", "TaskPlace"]

Perform: TypeAlias = Callable[[bytes, bytes, Sequence[ObjectRef[Any]]], tuple[Reply, Any]]
"""Runs an attempt of a task in the calling thread."""

_FINAL: Final = (FencedError, NodeDiedError, TaskCancelledError)  # another attempt would end in the same way


class TaskPlace:
    """Runs tasks on an engine, some in a thread of this process; a `Place` for a drive whose nodes are tasks.

    Attributes
    ----------
    blamed
        For a task that failed because a later link of its chain did, the key of that link.
    spans
        Of tasks that failed: when the last attempt was made, and how many there were.
    early
        How the first attempts ended at tasks that have not been started: a worker has gone ahead to them.
    """

    blamed: dict[Key, Key]
    spans: dict[Key, Span]
    early: dict[Key, Reply | Raised | BaseException]

    def __init__(
        self,
        site: Site,
        kinds: Mapping[str, Factory],
        runner: Function,
        perform: Perform,
        here: Here,
    ) -> None:
        """Prepare to run tasks.

        Parameters
        ----------
        site, kinds
            The run that they belong to, and who settles logical ones.
        runner
            The remote function that runs a task in a worker.
        perform, here
            What runs a task in place, and in which thread.
        """
        self.site, self.runner, self.perform, self.here = site, runner, perform, here
        self.blamed, self.spans, self.early = {}, {}, {}
        self._kinds = kinds
        self._places: dict[str, Place] = {}

    def start(self, call: Call, then: Then) -> Cancel:
        """Begin a task with the values that its inputs have."""
        task: Task = call.fn
        if task.catch:
            return _Catching(self, task, then).start(self._start, call)
        return self._start(call, then)

    def _start(self, call: Call, then: Then) -> Cancel:
        task: Task = call.fn
        if task.kind != CALL:
            return self._place(task.kind).start(call, self._noting(task, then))
        attempts = _Here if self._runs_here(task) else _There
        running = attempts(self, call, then)
        running.submit()
        return running.cancel

    def note(self, task: Task, error: BaseException, *, again: bool = False) -> None:
        """Note that an attempt of a task has failed, unless that is no failure of its own."""
        if task.recorded and may_be_caught(error):
            key = self.blamed.get(task.key, task.key)
            self.site.journal.note(Failure(key, error, self.spans.get(key)), again=again)

    def close(self) -> None:
        """Let go of the thread for what runs in place."""
        self.here.leave()

    def _noting(self, task: Task, then: Then) -> Then:
        def told(outcome: Outcome) -> None:
            if isinstance(outcome, Failed):
                self.note(task, outcome.error)
            then(outcome)

        return told

    def _runs_here(self, task: Task) -> bool:
        """Tell whether a task runs in place, and this is its place.

        In the executor's process that is what was submitted so; what a worker made there runs in another
        one, if it has to run again.
        """
        return task.inplace and (self.here.is_callers or not task.creator)

    def _place(self, kind: str) -> Place:
        """Give the place of a kind, made at its first task; drives start one task at a time."""
        if kind not in self._places:
            if kind not in self._kinds:
                why = f"it has a task of the kind {kind!r}, which this Alula does not know"
                raise WorkflowNotResumableError(self.site.journal.owner.workflow_id, why)
            self._places[kind] = self._kinds[kind](self.site)
        return self._places[kind]


class _Catching:
    """Makes a value of the error with which a task ends; or another, whose errors it catches, has ended."""

    def __init__(self, place: TaskPlace, task: Task, then: Then) -> None:
        self._site, self._spans, self._task, self._then = place.site, place.spans, task, then
        self._started = place.site.store.clock.time()

    def start(self, start: Callable[[Call, Then], Cancel], call: Call) -> Cancel:
        failed = next((value for value in call.args if isinstance(value, Failed)), None)
        if failed is not None:
            self._told(failed)
            return _nothing
        try:
            return start(call, self._told)
        except Exception as error:  # the engine refuses
            self._told(Failed(error))
            return _nothing

    def _told(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed) and may_be_caught(outcome.error):
            self._site.aside.soon(partial(self._catch, outcome.error))
        else:
            self._then(outcome)

    def _catch(self, error: BaseException) -> None:
        try:
            # A reference to a carried error would be to what carries it.
            value = (None, Carried.of(error) if self._task.checkpoint else error)
            packed = self._site.packed(self._task, value)
            span = self._spans.get(self._task.key) or Span(self._started, self._site.store.clock.time(), 1)
            outcome: Outcome = Ended(packed, span)
        except Exception as failure:  # the pair cannot be written
            outcome = Failed(failure)
        self._then(outcome)


def _nothing() -> None:
    pass


class _Attempts(ABC):
    """One task on its way: submitted, and after a failure submitted again."""

    _followers: Followers = None  # what a worker may go on with

    def __init__(self, place: TaskPlace, call: Call, then: Then) -> None:
        self._place, self._call, self._then = place, call, then
        self._task: Task = call.fn
        self._count = 0
        self._began = 0.0
        self._clock = place.site.store.clock
        self._cancelled = False
        self._changing = Lock()
        self._waits: Cancel | None = None  # for the time of the next attempt; gives that up

    @abstractmethod
    def submit(self) -> None:
        """Begin the next attempt."""

    @abstractmethod
    def _interrupt(self) -> None:
        """Ask the attempt to end."""

    @cached_property
    def _order(self) -> Packed:
        """What a worker is sent."""
        journal = self._place.site.journal
        values = journal.past.values(self._call.args)
        return Order.packed(journal.site, self._task, values, first_of(self._followers))

    def cancel(self) -> None:
        """Ask the attempt to end, and make no other."""
        with self._changing:
            self._cancelled = True
        if self._wakes():
            self._then(Failed(TaskCancelledError(self._task.name)))
        else:
            self._interrupt()

    def _failed(self, error: BaseException) -> None:
        if not self._task.retry.asks:
            self._decide(error)
            return
        try:  # the user's code, which may take its time
            self._place.site.aside.soon(partial(self._decide, error))
        except RuntimeError:  # the executor is closed
            self._then(Failed(error))

    def _decide(self, error: BaseException) -> None:
        self._place.spans[self._task.key] = Span(self._began, self._clock.time(), self._count)
        try:
            again = self._may_again(error)
            self._place.note(self._task, error, again=again)
            if again:
                self._again(error)
                return
            outcome: Outcome = Failed(error)
        except Exception as failure:  # the engine refuses, or the user's function: that is the end
            outcome = Failed(failure)
        self._then(outcome)

    def _may_again(self, error: BaseException) -> bool:
        if self._cancelled or isinstance(error, _FINAL) or is_trouble(error):
            return False
        return self._task.retry.allows(error, self._count)

    def _again(self, error: BaseException) -> None:
        """Begin the next attempt when its time has come; nothing is held meanwhile."""
        pause = self._task.retry.pause(self._count)
        if not pause:
            self.submit()
            return
        site = self._place.site
        with self._changing:
            if not self._cancelled:
                self._waits = site.aside.timers.at(site.store.clock.time() + pause, self._woken)
        if self._cancelled and self._waits is None:
            self._then(Failed(error))

    def _woken(self) -> None:
        if self._wakes():
            try:
                self.submit()
            except Exception as failure:  # the engine refuses: that is the end
                self._then(Failed(failure))

    def _wakes(self) -> bool:
        """End the waiting for the next attempt; tell whether it was this that ended it."""
        with self._changing:
            waits, self._waits = self._waits, None
        if waits is not None:
            waits()
        return waits is not None

    def _outcome(self, reply: Reply, value: Callable[[], ObjectRef[Any]]) -> Outcome:
        span = Span(reply.started, reply.ended, self._count)
        match reply.result:
            case None:
                return Ended(Volatile(value()), span)
            case Stored() as stored:
                return Ended(stored, span, reply.written)
            case Fault(key, packed):
                self._place.blamed[self._task.key] = key
                self._place.spans[key] = span
                error = unpack_error(packed)
                self._place.note(self._task, error)
                return Failed(error)
            case tasks:
                return Continued(outline(tasks), span, reply.link, reply.written)


class _There(_Attempts):
    """Attempts in workers."""

    _refs: Sequence[ObjectRef[Any]] = ()
    _limit: Limit | None = None

    def __init__(self, place: TaskPlace, call: Call, then: Then) -> None:
        super().__init__(place, call, then)
        self._followers = call.options.get("followers")

    def submit(self) -> None:
        self._count += 1
        if self._place.early and (early := self._place.early.pop(self._task.key, None)) is not None:
            self._met(early)
            return
        self._began = self._clock.time()
        engine, options, seconds = self._place.site.engine, self._task.engine, self._task.retry.timeout
        limited = seconds is not None and self._task.recorded
        unusual = [limited, self._count] if limited or self._count > 1 else []
        args = (*self._order, options.num_returns, *unusual)
        limit = None if seconds is None else Limit(self._place.site, self._task, seconds, self._end)
        self._refs = engine.submit(self._place.runner, args, {}, options)
        self._place.site.aside.load.begin(self)
        self._limit = limit
        if limit is not None:
            limit.start()
        engine.watch(self._refs[0], self._ended)
        if self._cancelled:  # just now
            self._interrupt()

    def _interrupt(self) -> None:
        self._end(False)

    def _end(self, force: bool) -> None:
        with suppress(FutureError):  # an engine that is gone has nothing left to end
            for ref in self._refs[:1]:  # none, if a worker had gone ahead to the only attempt
                self._place.site.engine.cancel(ref, force=force, recursive=True)

    def _ended(self, error: BaseException | None) -> None:
        self._place.site.aside.load.end(self)
        if self._limit is not None:
            self._limit.stop()
        if error is not None:
            self._failed(self._why(error))
            return
        try:
            reply = Reply.of(*self._place.site.engine.get(self._refs[:1], 0))
            outcome = self._outcome(reply, lambda: self._refs[1])
        except Exception as failure:  # its answer cannot be read: that is the end
            outcome = Failed(failure)
        else:
            self._place.early.update(reply.later)
            if reply.written:
                self._place.site.journal.news()
        self._then(outcome)

    def _met(self, early: Reply | Raised | BaseException) -> None:
        """Hear how an attempt ended to which a worker had gone ahead."""
        match early:
            case Reply():
                self._then(self._outcome(early, _no_reference))
            case Raised(error, started):
                self._began = started
                self._failed(unpack_error(error))
            case error:
                self._began = self._clock.time()
                self._failed(error)

    def _why(self, error: BaseException) -> BaseException:
        """Say so if the attempt has ended with this error because it took too long."""
        ended = isinstance(error, (TaskCancelledError, WorkerCrashedError))
        if not ended or self._cancelled or self._limit is None or not self._limit.exceeded:
            return error
        late = self._task.retry.late(self._task.name)
        late.__cause__ = error
        return late

    def _failed(self, error: BaseException) -> None:
        if self._task.recorded and not self._cancelled and not isinstance(error, (TaskError, *_FINAL)):
            # The process died: what ran there may have been recorded, or a chain beyond this task.
            try:
                moved = self._place.site.journal.past.moved(self._task.key, self._task.root)
            except Exception as failure:  # the records cannot be read
                self._then(Failed(failure))
                return
            span = Span(0, 0, self._count)
            match moved:
                case Done(value):
                    if self._followers is not None:  # and the process may have gone ahead
                        self._place.early[self._followers[0].key] = error
                    self._then(Ended(value, span, written=True))
                    return
                case Grown(graph):
                    self._then(Continued(graph, span, written=True))
                    return
        super()._failed(error)


def _no_reference() -> ObjectRef[Any]:
    raise AssertionError("a worker goes ahead only to tasks whose values are stored")


class _Here(_Attempts):
    """Attempts in a thread of this process, one after the other with those of other tasks."""

    def submit(self) -> None:
        self._count += 1
        self._began = self._clock.time()
        self._place.here.post(self._run)

    def _interrupt(self) -> None:
        """Nothing to do: it runs to its end, or has not begun."""

    def _run(self) -> None:
        if self._cancelled:
            self._then(Failed(TaskCancelledError(self._task.name)))
            return
        try:
            reply, value = self._place.perform(*self._order)
        except (Exception, SystemExit) as error:  # the user's code
            self._failed(unpack_error(pack_task_error(error, self._task.name)))
            return
        self._then(self._outcome(reply, lambda: self._place.site.engine.put(value)))
