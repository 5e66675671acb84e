"""The task that runs here now, as its own code sees it: who it is, what it was given, how far it is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core._late import late
from ..objects import Catalogs
from ._attempts import Ending
from ._orders import Order

if TYPE_CHECKING:
    from ._instance import Instance

__all__ = ["TaskContext", "bound", "current_task"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskContext:
    """A task of the runtime whose body runs in this process.

    Attributes
    ----------
    attempt
        Its number, from 1; grows with each attempt, whoever makes it.
    executor
        The name of the executor that has the task.
    args, kwargs
        What it was called with; names of datasets are text.
    order
        What the body was told.
    objects
        The catalogs in which names are looked up.
    notes
        What the body tells of its work, for those who stand around it: ``"metrics"``, numbers by name;
        ``"deployments"``, versions by key; ``"made"``, the version that an earlier attempt has stored.
    """

    attempt: int
    executor: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    order: Order
    objects: Catalogs
    notes: dict[str, Any] = field(default_factory=dict)
    _last: list[Ending]
    _read: Callable[[str], Any]
    _report: Callable[[float, float | None, str | None], None]

    @property
    def id(self) -> str:
        """Of the task: that of its `AsyncResult`."""
        return self.order.task

    @property
    def action(self) -> str:
        """What is done: ``"fit"``, ``"predict"``, ``"run"``."""
        return self.order.action

    @property
    def kind(self) -> str:
        """Of the object that it is about: ``"model"``, ``"script"``, ``"job"``; empty if there is none."""
        return self.order.kind

    @property
    def name(self) -> str:
        """Of that object, as it was given."""
        return self.order.name

    @property
    def bucket(self) -> str:
        """The name space in which names are looked up."""
        return self.order.settings.bucket

    @property
    def previous(self) -> Any:
        """In a sequence, what the task before gave; else None. Read at each look.

        Raises
        ------
        ResultExpiredError
            If that result was forgotten.
        """
        return None if self.order.previous is None else self._read(self.order.previous)

    @property
    def results(self) -> list[Any] | None:
        """In the last task of a mapreduce, what the others gave, in order; else None. Read at each look.

        Raises
        ------
        ResultExpiredError
            If one of these results was forgotten.
        """
        return None if self.order.results is None else [self._read(task) for task in self.order.results]

    @property
    def instance(self) -> "Instance":
        """Datasets, models and runtime of this task's store and bucket: the ``om`` that scripts are given."""
        made: Instance = late("task.instance")(self.order.settings)
        return made

    def progress(self, done: float, total: float | None = None, text: str | None = None) -> None:
        """Say how far the task is, for all who look at the ``progress`` of its result.

        What is said in quick succession is written a few times a second; the last is always written.

        Parameters
        ----------
        done
            In whatever unit the task counts.
        total
            Of that unit, in the end; None if nobody knows.
        text
            A line for people, such as the name of what is at work.

        Raises
        ------
        TypeError
            If `done` or `total` is no number.
        """
        self._report(done, total, text)

    def at_end(self, work: Ending) -> None:
        """Have something written in the one transaction that ends this attempt, however it ends."""
        self._last.append(work)


_CURRENT: ContextVar[TaskContext | None] = ContextVar("alula_task", default=None)


def current_task() -> TaskContext | None:
    """Give the task of the runtime whose code this is; None outside of any."""
    return _CURRENT.get()


@contextmanager
def bound(context: TaskContext) -> Iterator[TaskContext]:
    """Let code inside find its task."""
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)
