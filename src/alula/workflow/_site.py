"""Where logical tasks are settled: in the executor's process, beside the drive and never in its way.

The drive's thread is often the one that writes all records of the process. So arguments are opened, and
values packed, in threads that may take their time.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Final, Protocol, TypeAlias

from ..errors import TaskCancelledError
from ..futures import Engine
from ..graph import Call, Cancel, Done, Failed, Outcome, Place, Then
from ..store import Store
from ._async import EventLoop
from ._journal import Journal
from ._load import Load
from ._messages import Mailroom
from ._orders import open_call
from ._patience import patiently
from ._tasks import Ended, Span, Task
from ._timers import Timers
from ._vault import Output, Packer, Vault, Volatile

__all__ = ["Aside", "Attend", "Attended", "Factory", "Site"]

_THREADS: Final = 4  # each is started when it is first needed
_AT_ONCE: Final = (type(None), bool, int, float)  # what costs no more to pack than to hand over


class Aside:
    """What an executor has for all its runs together: above all for their logical tasks.

    Attributes
    ----------
    timers
        By the store's clock.
    loop
        For listeners.
    mailroom
        For signals.
    load
        Which tasks of all runs are on the engine.
    parent
        The executor itself, which begins children; None where there is none.
    """

    parent: Any = None

    def __init__(self, store: Store, executor: str) -> None:
        self.timers, self.loop = Timers(store.clock), EventLoop()
        self.mailroom, self.load = Mailroom(store, executor), Load()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="alula-workflow-aside")

    def soon(self, work: Callable[[], object]) -> None:
        """Do some work in another thread; it says itself how it ended.

        Raises
        ------
        RuntimeError
            If the executor is closed.
        """
        self._pool.submit(work)

    def close(self) -> None:
        """Begin nothing more."""
        self.timers.close()
        self.loop.close()
        self.mailroom.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Site:
    """One run of one workflow, as those see it who settle its logical tasks.

    Attributes
    ----------
    store, vault, engine
        Where it is recorded, what opens its values, and where its calls run.
    journal
        Its fence, its past, and where it is recorded.
    aside
        Threads and timers.
    """

    store: Store
    vault: Vault
    engine: Engine
    journal: Journal
    aside: Aside

    def packed(self, task: Task, value: Any) -> Output:
        """Give the value of a task as its options say: stored, or in the engine."""
        if not task.checkpoint:
            return Volatile(self.engine.put(value))
        return patiently(lambda: Packer(self.vault).pack(value))

    def alarm(self, seconds: float, then: Callable[[], None]) -> Cancel:
        """Call, after so long by the store's clock, in a thread that may take its time."""
        when = self.store.clock.time() + seconds
        return self.aside.timers.at(when, partial(self.aside.soon, then))


Factory: TypeAlias = Callable[[Site], Place]
"""Makes the place of one kind of tasks, for one run; asked when the run has the first of them."""


class Attend(Protocol):
    """Begins to attend to one logical task, whose arguments are values."""

    def __call__(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
        """Begin, in a thread that may be held up; `then` takes ``Done`` of the plain value, ``Ended`` of a
        packed one, or ``Failed``.

        Returns
        -------
        Cancel
            Lets go of the task, which needs no answer any more; what `then` is told after it is ignored.
        """
        ...


class Attended:
    """The place of a kind of which each task is attended to by a function, with its arguments opened."""

    def __init__(self, site: Site, attend: Attend) -> None:
        self._site, self._attend = site, attend

    def start(self, call: Call, then: Then) -> Cancel:
        """Open the arguments of a task in another thread, and have it attended to."""
        attendance = _Attendance(self._site, call.fn, call.args, then)
        self._site.aside.soon(partial(attendance.begin, self._attend))
        return attendance.cancel


class _Attendance:
    """One logical task from its start to its answer, which it gives once."""

    def __init__(self, site: Site, task: Task, values: tuple[Any, ...], then: Then) -> None:
        self._site, self._task, self._values, self._then = site, task, values, then
        self._lock = Lock()
        self._answered = self._cancelled = False
        self._let_go: Cancel | None = None
        self._started = site.store.clock.time()

    def begin(self, attend: Attend) -> None:
        try:
            values = self._site.journal.past.values(self._values)
            args, kwargs = open_call(
                self._site.vault, self._task, values, self._site.journal.owner.workflow_id
            )
            let_go = attend(self._task, args, kwargs, self._answer)
        except Exception as error:  # what stands in the arguments is the user's
            self._answer(Failed(error))
            return
        with self._lock:
            self._let_go = let_go
            cancelled = self._cancelled
        if cancelled:
            let_go()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = not self._answered
            let_go = self._let_go if self._cancelled else None
        if let_go is not None:
            let_go()
        self._answer(Failed(TaskCancelledError(self._task.name)))

    def _answer(self, outcome: Outcome) -> None:
        with self._lock:
            if self._answered:
                return
            self._answered = True
        if isinstance(outcome, Done) and not isinstance(outcome, Ended):
            if type(outcome.value) in _AT_ONCE:
                self._pack(outcome.value)
                return
            try:
                self._site.aside.soon(partial(self._pack, outcome.value))
                return
            except RuntimeError as error:  # the executor is closed
                outcome = Failed(error)
        self._then(outcome)

    def _pack(self, value: Any) -> None:
        try:
            span = Span(self._started, self._site.store.clock.time(), 1)
            outcome: Ended | Failed = Ended(self._packed(value), span)
        except Exception as error:  # the value cannot be pickled, or not be written
            outcome = Failed(error)
        self._then(outcome)

    def _packed(self, value: Any) -> Output:
        return self._site.packed(self._task, (value, None) if self._task.catch else value)
