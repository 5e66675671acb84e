"""Results: references to tasks and, once those have ended, to what they gave. The words are Celery's."""

import time
from collections.abc import Callable, Generator
from copy import deepcopy
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar, overload

from ..errors import (
    GetTimeoutError,
    TaskCancelledError,
    TaskError,
    WorkflowCancellationError,
    WorkflowExecutionError,
)
from ..graph import Done, Failed
from ..workflow import Handle
from ._progress import Progress

__all__ = ["AsyncResult", "Desk", "Status"]

T = TypeVar("T")

Status: TypeAlias = Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]

_FINAL: Final = ("SUCCESS", "FAILURE", "REVOKED")
_PAUSE: Final = 0.001  # seconds for which a loop that asks again and again leaves the processor to others


class Desk(Protocol):
    """What a result asks of the tasks of its store."""

    def status(self, task: str) -> Status:
        """Tell where a task stands; `TaskNotFoundError` if there is none."""
        ...

    def progress(self, task: str) -> Progress | None:
        """Give what a task last said of its progress."""
        ...


class AsyncResult(Generic[T]):
    """A task that was submitted, from any process of this store. May be awaited.

    Attributes
    ----------
    id
        A UUID; `alula.runtime.result` finds the task by it, in any process, at any time.
    """

    def __init__(self, handle: Handle[T], desk: Desk, over: Callable[[], None] = lambda: None) -> None:
        """Refer to a task; people get one from a call of the runtime.

        Parameters
        ----------
        desk
            Tells what is recorded of a task.
        over
            Called when the task is first seen to have ended.
        """
        self.id = handle.id
        self._handle, self._desk, self._over = handle, desk, over
        self._status: Status | None = None

    @property
    def task_id(self) -> str:
        """The `id`, by its other name."""
        return self.id

    @property
    def status(self) -> Status:
        """Where the task stands now.

        ``PENDING``: it waits, for an executor or for a worker. ``STARTED``: its body runs. ``RETRY``: an
        attempt has failed, and there will be another. Then one of those that never change: ``SUCCESS``;
        ``FAILURE``, after the last attempt; ``REVOKED``.

        A second look that finds nothing new takes a millisecond, so that a loop of such looks leaves the
        processor to the work that it waits for.

        Raises
        ------
        TaskNotFoundError
            If what was recorded of the task has been deleted.
        """
        seen = self._status
        if seen not in _FINAL:
            now = self._note(self._desk.status(self.id))
            if now == seen:
                time.sleep(_PAUSE)
            return now
        return seen

    state = status

    def ready(self) -> bool:
        """Tell whether the task has ended, in whatever way."""
        return self.status in _FINAL

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
            If the task's own work raised; also an instance of the class that it raised.
        WorkerCrashedError
            If the last process that ran the task died.
        TaskCancelledError
            If the task was revoked.
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
        """The traceback of the task's error in its worker; None unless it failed."""
        if not self.failed():
            return None
        error = self.get(propagate=False)
        return error.remote_traceback if isinstance(error, TaskError) else f"{type(error).__name__}: {error}"

    @property
    def progress(self) -> Progress | None:
        """How far the task last said that it is; None if it has said nothing."""
        return self._desk.progress(self.id)

    def revoke(self, terminate: bool = False) -> None:
        """Cancel the task, unless it has ended.

        Parameters
        ----------
        terminate
            For programs written for Celery: a running body is interrupted with or without it.
        """
        self._handle.cancel()

    def __await__(self) -> Generator[Any, None, T]:
        try:
            value = yield from self._handle.__await__()
        except (WorkflowExecutionError, WorkflowCancellationError):
            return self.get()
        self._note("SUCCESS")
        return deepcopy(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"

    def _outcome(self, timeout: float | None) -> Done[T] | Failed:
        # A process may read that a task has ended a moment before it is told.
        limit = None if self._status in _FINAL else timeout
        try:
            value = self._handle.result(limit)
        except WorkflowExecutionError as error:
            self._note("FAILURE")
            return Failed(error.__cause__ or error)
        except WorkflowCancellationError:
            self._note("REVOKED")
            return Failed(TaskCancelledError(self.id))
        self._note("SUCCESS")
        # Arrays in a stored value are read where they lie; those that an estimator gave can be written to.
        return Done(deepcopy(value))

    def _note(self, status: Status) -> Status:
        first = status in _FINAL and self._status not in _FINAL
        self._status = status
        if first:
            self._over()
        return status
