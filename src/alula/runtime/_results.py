"""Results: references to tasks and, once those have ended, to what they gave. The words are Celery's."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar, overload

from .._core._html import bar, card, seconds, status
from ..errors import (
    GetTimeoutError,
    ResultExpiredError,
    TaskCancelledError,
    TaskError,
    TaskNotFoundError,
    WorkflowCancellationError,
    WorkflowExecutionError,
    WorkflowOutputNotReady,
)
from ..graph import Done, Failed
from ..workflow import Handle
from ._families import Family
from ._logging import Record
from ._progress import Progress
from ._watching import watch

if TYPE_CHECKING:
    from ._groups import GroupResult

__all__ = ["FINAL", "AsyncResult", "Desk", "Status", "Timings", "as_completed"]

T = TypeVar("T")

Status: TypeAlias = Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]
"""Where a task stands; the last three never change."""

FINAL: Final = ("SUCCESS", "FAILURE", "REVOKED")
"""The statuses that never change."""

_log = logging.getLogger("alula.runtime")

_PAUSE: Final = 0.001  # seconds for which a loop that asks again and again leaves the processor to others


@dataclass(frozen=True, slots=True)
class Timings:
    """When a task came how far: UNIX times in seconds, None for what has not happened.

    Attributes
    ----------
    submitted
        When it was recorded.
    started
        When its last attempt began to run.
    ended
        When it had its value or its error.
    attempts
        How many there were.
    """

    submitted: float
    started: float | None = None
    ended: float | None = None
    attempts: int = 0

    @property
    def waited(self) -> float | None:
        """Seconds from the submission to the start of the last attempt."""
        return None if self.started is None else self.started - self.submitted

    @property
    def ran(self) -> float | None:
        """Seconds from the start of the last attempt to the end."""
        return None if self.started is None or self.ended is None else self.ended - self.started


class Desk(Protocol):
    """What a result asks of the tasks of its store."""

    def status(self, task: str) -> Status:
        """Tell where a task stands; `TaskNotFoundError` if there is none."""
        ...

    def progress(self, task: str) -> Progress | None:
        """Give what a task last said of its progress."""
        ...

    def timings(self, task: str) -> Timings:
        """Tell when a task came how far."""
        ...

    def logs(self, task: str, level: str | None, tail: int | None) -> list[Record]:
        """Give what a task wrote to the log of its bucket."""
        ...

    def worker(self, task: str) -> str | None:
        """Give the name of the executor that has a task, or had it last."""
        ...

    def queue_position(self, task: str) -> int | None:
        """Tell how many tasks are before one that waits in the queue; None if it does not."""
        ...

    def handle(self, task: str) -> Handle[Any]:
        """Give what waits for a task."""
        ...

    def title(self, task: str) -> str:
        """Give what people call a task: ``fit iris``; empty if it has not begun to exist."""
        ...

    def family(self, task: str) -> Family | None:
        """Give those that a task was submitted with."""
        ...

    def group(self, family: Family) -> "GroupResult":
        """Give the results of a family as one."""
        ...

    def revoke(self, task: str) -> None:
        """Cancel a task, also one that has not begun."""
        ...

    def forget(self, task: str) -> None:
        """Remove the value of a task that has ended."""
        ...


class AsyncResult(Generic[T]):
    """A task that was submitted, from any process of this store. May be awaited.

    Attributes
    ----------
    id
        A UUID; `alula.runtime.result` finds the task by it, in any process, at any time.
    """

    def __init__(
        self,
        task: str,
        desk: Desk,
        handle: Handle[T] | None = None,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """Refer to a task; people get one from a call of the runtime.

        Parameters
        ----------
        desk
            Tells what is recorded of a task.
        handle
            Waits for it; by default asked for when it is needed.
        over
            Called when the task is first seen to have succeeded.
        """
        self.id = task
        self._desk, self._known, self._over = desk, handle, over
        self._status: Status | None = None
        self._title = ""

    @property
    def task_id(self) -> str:
        """The `id`, by its other name."""
        return self.id

    @property
    def status(self) -> Status:
        """Where the task stands now.

        ``PENDING``: it waits, for an executor, for a worker, or for the tasks before it. ``STARTED``: its
        body runs. ``RETRY``: an attempt has failed, and there will be another. Then one of those that never
        change: ``SUCCESS``; ``FAILURE``, after the last attempt; ``REVOKED``, because somebody cancelled it,
        or a task that it was to follow has failed.

        A second look that finds nothing new takes a millisecond, so that a loop of such looks leaves the
        processor to the work that it waits for.

        Raises
        ------
        TaskNotFoundError
            If what was recorded of the task has been deleted.
        """
        seen = self._status
        if seen not in FINAL:
            now = self._note(self._desk.status(self.id))
            if now == seen:
                time.sleep(_PAUSE)
            return now
        return seen

    state = status

    def ready(self) -> bool:
        """Tell whether the task has ended, in whatever way."""
        return self.status in FINAL

    def successful(self) -> bool:
        """Tell whether the task has ended with a value."""
        return self.status == "SUCCESS"

    def failed(self) -> bool:
        """Tell whether the task has ended with an error."""
        return self.status == "FAILURE"

    @overload
    def get(self, timeout: float | None = None, propagate: Literal[True] = True) -> T: ...
    @overload
    def get(self, timeout: float | None, propagate: bool) -> T | BaseException: ...
    @overload
    def get(self, timeout: float | None = None, *, propagate: bool) -> T | BaseException: ...
    def get(self, timeout: float | None = None, propagate: bool = True) -> T | BaseException:
        """Wait for the task to end, and give its value.

        Parameters
        ----------
        timeout
            Seconds; None waits for ever.
        propagate
            Whether to raise the task's error rather than give it.

        Raises
        ------
        TaskError
            If the task's own work raised; also an instance of the class that it raised. For one that never
            ran because a task before it had failed, the error of that one.
        WorkerCrashedError
            If the last process that ran the task died.
        TaskCancelledError
            If the task was revoked.
        ResultExpiredError
            If its value was forgotten.
        GetTimeoutError
            If it has not ended in time; it goes on. A `TimeoutError`.
        """
        try:
            outcome = self._outcome(timeout)
        except GetTimeoutError as error:
            raise GetTimeoutError(f"task {self.id}", error.timeout) from error
        if isinstance(outcome, Done):
            return outcome.value
        if propagate:
            raise outcome.error.with_traceback(None)  # or it would grow with each call
        return outcome.error

    wait = get

    @property
    def result(self) -> T | BaseException | None:
        """The value or the error, or None while there is neither."""
        return self.get(propagate=False) if self.ready() else None

    info = result

    @property
    def traceback(self) -> str | None:
        """The traceback of the task's error in its worker; None unless it has one."""
        if not self.ready() or self.successful():
            return None
        error = self.get(propagate=False)
        return error.remote_traceback if isinstance(error, TaskError) else f"{type(error).__name__}: {error}"

    @property
    def title(self) -> str:
        """What is done to which object: ``fit iris``; empty while the task has not begun to exist."""
        self._title = self._title or self._desk.title(self.id)
        return self._title

    @property
    def progress(self) -> Progress | None:
        """How far the task last said that it is; None if it has said nothing."""
        return self._desk.progress(self.id)

    @property
    def timings(self) -> Timings:
        """When the task was submitted, started and ended."""
        return self._desk.timings(self.id)

    @property
    def worker(self) -> str | None:
        """The name of the executor that has the task, or had it last; None if none ever had."""
        return self._desk.worker(self.id)

    @property
    def queue_position(self) -> int | None:
        """How many tasks with the same labels are before it in the queue; None if it does not wait there."""
        return self._desk.queue_position(self.id)

    @property
    def parent(self) -> "AsyncResult[Any] | GroupResult | None":
        """In a sequence, the result before this one; for the last task of a mapreduce, what it combines."""
        family = self._desk.family(self.id)
        if family is None:
            return None
        if family.combination == "mapreduce" and self.id == family.tasks[-1]:
            return self._desk.group(family)
        before = family.before(self.id)
        return None if before is None else AsyncResult(before, self._desk)

    @property
    def children(self) -> "list[AsyncResult[Any]]":
        """In a sequence, the result that follows this one, or nothing."""
        family = self._desk.family(self.id)
        after = () if family is None else (task for task in family.tasks if family.before(task) == self.id)
        return [AsyncResult(task, self._desk) for task in after]

    def getall(self, timeout: float | None = None, propagate: bool = True) -> list[Any]:
        """Wait for the task and those before it, and give what each of them gave, in order of submission.

        Parameters
        ----------
        timeout
            Seconds for each; None waits for ever.
        propagate
            Whether to raise the first error; else errors stand in the list among the values.
        """
        return [result.get(timeout, propagate) for result in self._line()]

    def collect(self) -> "set[AsyncResult[Any] | GroupResult]":
        """Give the result and those before it, those of a group as one."""
        parent = self.parent
        before = () if parent is None else parent.collect()
        return {self, *before}

    def then(self, callback: "Callable[[AsyncResult[T]], object]") -> "AsyncResult[T]":
        """Call a function of this process with this result once the task has ended, in another thread.

        What it raises goes to the log. Nobody calls it if this process ends before.
        """
        call = Thread(target=_called, args=(callback, self), name="alula-then", daemon=True)
        self.when_done(lambda _: call.start())
        return self

    def when_done(self, tell: "Callable[[AsyncResult[T]], object]") -> None:
        """Call a function with this result as `then` does, but in whatever thread finds out.

        Parameters
        ----------
        tell
            It must not wait for anything.
        """
        self._handle.when_done(partial(_told, tell, self))

    def logs(self, level: str | None = None, tail: int | None = None) -> list[Record]:
        """Give what the task wrote to the log, also while it runs.

        Parameters
        ----------
        level
            This, and what is more severe; all by default.
        tail
            The last so many.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        return self._desk.logs(self.id, level, tail)

    def watch(self, timeout: float | None = None) -> None:
        """Show how far the task is until it has ended.

        In a notebook, and in a terminal, that is a line which changes; elsewhere a line for each change, on
        standard error. `get` gives the value then, or raises.

        Parameters
        ----------
        timeout
            Seconds; None waits for ever.

        Raises
        ------
        GetTimeoutError
            If it has not ended in time; it goes on.
        """
        watch([self], timeout)

    def revoke(self, terminate: bool = False) -> None:
        """Cancel the task, unless it has ended.

        Parameters
        ----------
        terminate
            For programs written for Celery: a running body is interrupted with or without it.
        """
        self._desk.revoke(self.id)

    def forget(self) -> None:
        """Remove the value, in every process; the status stays, and `get` raises `ResultExpiredError`.

        Raises
        ------
        WorkflowStillActiveError
            If the task has not ended.
        """
        self._desk.forget(self.id)
        self._known = None

    def __await__(self) -> Generator[Any, None, T]:
        try:
            value = yield from self._handle.__await__()
        except (WorkflowExecutionError, WorkflowCancellationError, WorkflowOutputNotReady):
            return self.get()
        self._note("SUCCESS")
        return deepcopy(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"

    def _repr_html_(self) -> str:
        try:
            state, times = self.status, self.timings
        except TaskNotFoundError:
            return card("task", self.title, {"id": self.id, "status": status("PENDING")})
        told = self.progress
        facts = {
            "id": self.id,
            "status": status(state),
            "progress": told and (str(told) if told.fraction is None else bar(told.fraction, str(told))),
            "waited": seconds(times.waited),
            "ran": seconds(times.ran),
            "attempts": times.attempts if times.attempts > 1 else None,
            "executor": self.worker,
            "error": self._error_line() if state == "FAILURE" else None,
        }
        return card("task", self.title, facts)

    def _error_line(self) -> str:
        error = self.get(propagate=False)
        cause = error.cause if isinstance(error, TaskError) else error
        return f"{type(cause).__name__}: {cause}"

    # ------------------------------------------------------------------------------------- inside

    @property
    def _handle(self) -> Handle[T]:
        if self._known is None:
            self._known = self._desk.handle(self.id)
        return self._known

    def _line(self) -> "list[AsyncResult[Any]]":
        """Give the results that `getall` asks for."""
        family = self._desk.family(self.id)
        if family is None or family.combination in ("parallel", "callback"):
            return [self]
        last = family.tasks.index(self.id) + 1
        alone = family.combination == "mapreduce" and last < len(family.tasks)
        return [self] if alone else [AsyncResult(task, self._desk) for task in family.tasks[:last]]

    def _outcome(self, timeout: float | None) -> Done[T] | Failed:
        # A process may read that a task has ended a moment before it is told.
        limit = None if self._status in FINAL else timeout
        try:
            value = self._handle.result(limit)
        except WorkflowExecutionError as error:
            self._note("FAILURE")
            return Failed(error.__cause__ or error)
        except WorkflowCancellationError as error:
            self._note("REVOKED")
            return Failed(error.__cause__ or TaskCancelledError(self.id))
        except WorkflowOutputNotReady:
            if self.status != "SUCCESS":
                raise
            return Failed(ResultExpiredError(self.id))
        self._note("SUCCESS")
        # Arrays in a stored value are read where they lie; those that an estimator gave can be written to.
        return Done(deepcopy(value))

    def _note(self, status: Status) -> Status:
        first = status in FINAL and self._status not in FINAL
        self._status = status
        if first and status != "FAILURE":  # one that has failed may be run again, on the same data
            self._over()
        return status


class as_completed(Generic[T]):
    """Give results as their tasks end: ``for result in as_completed(results)``, or ``async for``.

    Parameters
    ----------
    results
        Of tasks; none twice.
    timeout
        Seconds for all of them together, then `GetTimeoutError`; None waits for ever.
    """

    def __init__(self, results: Iterable[AsyncResult[T]], timeout: float | None = None) -> None:
        self._results = list(dict.fromkeys(results))
        self._timeout = timeout

    def __iter__(self) -> Iterator[AsyncResult[T]]:
        ended: SimpleQueue[AsyncResult[T]] = SimpleQueue()
        for result in self._results:
            result.when_done(ended.put)
        until = None if self._timeout is None else time.monotonic() + self._timeout
        for _ in self._results:
            try:
                yield ended.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except Empty as error:
                raise GetTimeoutError("the next result", self._timeout or 0) from error

    async def __aiter__(self) -> AsyncIterator[AsyncResult[T]]:
        loop, ended = asyncio.get_running_loop(), asyncio.Queue[AsyncResult[T]]()
        for result in self._results:
            result.when_done(partial(_tell, loop, ended))
        async with asyncio.timeout(self._timeout):
            for _ in self._results:
                yield await ended.get()


def _called(callback: Callable[[AsyncResult[T]], object], result: AsyncResult[T]) -> None:
    try:
        callback(result)
    except Exception:  # it is the user's, and nobody waits for it
        _log.exception("what was to follow task %s has failed", result.id)


def _told(tell: Callable[[AsyncResult[T]], object], result: AsyncResult[T], _: object) -> None:
    tell(result)


def _tell(
    loop: asyncio.AbstractEventLoop, ended: "asyncio.Queue[AsyncResult[T]]", result: AsyncResult[T]
) -> None:
    loop.call_soon_threadsafe(ended.put_nowait, result)
