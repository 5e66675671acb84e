"""Records: what is known of the tasks of a site, read from the store, whoever runs them."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, assert_never

from ..errors import (
    TaskNotFoundError,
    WorkflowCancellationError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
)
from ..workflow import Described, Handle, Search, WorkflowStatus
from ._attempts import Attempt, Attempts
from ._families import Families, Family
from ._groups import GroupResult
from ._logging import LogDataset, LogStore, Record
from ._progress import Progress, Progresses
from ._results import AsyncResult, Status, Timings
from ._search_words import PART, SEARCH
from ._site import Site

__all__ = ["MARK", "Records"]

MARK: Final = "runtime"
"""Stands in a workflow's metadata: it is a task of the runtime, and does this."""

_UNOWNED: Final = (WorkflowStatus.PENDING, WorkflowStatus.RESUMABLE)
_ENDS: Final[dict[WorkflowStatus, Status]] = {
    WorkflowStatus.SUCCESSFUL: "SUCCESS",
    WorkflowStatus.FAILED: "FAILURE",
    WorkflowStatus.CANCELED: "REVOKED",
}
_ACTIVE: Final = frozenset((WorkflowStatus.RUNNING, *_UNOWNED))
_OVER: Final = (WorkflowStatus.SUCCESSFUL, WorkflowStatus.FAILED, WorkflowStatus.CANCELED)


class Records:
    """Reads what is recorded of tasks; safe to use from any thread."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._attempts = lru_cache(maxsize=1)(lambda: Attempts(site.store))
        self._progresses = lru_cache(maxsize=1)(lambda: Progresses(site.store))
        self._families = lru_cache(maxsize=1)(lambda: Families(site.store))

    @property
    def families(self) -> Families:
        """Which tasks were submitted together."""
        return self._families()

    # -------------------------------------------------------------------------------------- one task

    def logs(self, task: str, level: str | None, tail: int | None) -> list[Record]:
        """Give what a task wrote to the log of its bucket; `TaskNotFoundError` if there is none."""
        bucket = self.describe(task).metadata["bucket"]
        log = LogDataset(LogStore(self._site.store, bucket))
        return log.get(level=level, task=task, tail=tail, raw=True)

    def status(self, task: str) -> Status:
        """Tell where a task stands; `TaskNotFoundError` if there is none."""
        try:
            found = self.describe(task)
        except TaskNotFoundError:
            if self._given_up(task) is None:
                return "PENDING"
            try:
                found = self.describe(task)  # it may have begun between the two looks
            except TaskNotFoundError:
                return "REVOKED"
        return self.status_of(found)

    def status_of(self, task: Described) -> Status:
        """Tell where a task stands whose row was read."""
        status = task.status
        match status:
            case WorkflowStatus.RUNNING:
                return self._running(task.id, task.started or 0.0)
            case WorkflowStatus.NONE | WorkflowStatus.PENDING | WorkflowStatus.RESUMABLE:
                return "PENDING"
            case WorkflowStatus.SUCCESSFUL:
                return "SUCCESS"
            case WorkflowStatus.FAILED:
                return "FAILURE"
            case WorkflowStatus.CANCELED:
                return "REVOKED"
            case _:
                assert_never(status)

    def progress(self, task: str) -> Progress | None:
        """Give what a task last said of its progress; of a search, how many of its fits are recorded."""
        found = self._progresses().last(task)
        if found is not None or self.describe(task).metadata[MARK] != SEARCH:
            return found
        done, total = self._site.executor.records.count_ended(task, PART)
        return Progress(done, total, "fits", self._site.store.clock.time())

    def timings(self, task: str) -> Timings:
        """Tell when a task came how far; `TaskNotFoundError` if it has not begun to exist."""
        found, attempt = self.describe(task), self._attempt(task)
        if attempt is None:  # it was over in a moment, or has not begun
            started, number = self._site.executor.records.ran(task)
            return Timings(submitted=found.created, started=started, ended=found.ended, attempts=number)
        return Timings(
            submitted=found.created, started=attempt.started, ended=found.ended, attempts=attempt.number
        )

    def worker(self, task: str) -> str | None:
        """Give the name of the executor that has a task, or had it last."""
        attempt = self._attempt(task)
        return self.describe(task).executor if attempt is None else attempt.executor

    def queue_position(self, task: str) -> int | None:
        """Tell how many tasks are before one that waits in the queue; None if it does not."""
        return self._site.executor.records.before(task)

    def handle(self, task: str) -> Handle[Any]:
        """Give what waits for a task; `TaskNotFoundError` if there is none."""
        self.status(task)
        return self._site.executor.expect(task, partial(self._given_up, task))

    def title(self, task: str) -> str:
        """Give what people call a task: ``fit iris``; empty if it has not begun to exist."""
        try:
            facts = self.describe(task).metadata
        except TaskNotFoundError:
            return ""
        return f"{facts[MARK]} {facts.get('name', '')}".strip()

    def family(self, task: str) -> Family | None:
        """Give those that a task was submitted with."""
        return self.families.of(task)

    def group(self, family: Family, overs: Mapping[str, Callable[[], None]] | None = None) -> GroupResult:
        """Give the results of a family as one; `overs` says what is to be done when each has ended well."""
        given = {} if overs is None else overs
        results = [AsyncResult[Any](task, self, over=given.get(task, _nothing)) for task in family.group]
        return GroupResult(family.parent, results, partial(self._site.executor.cancel, family.parent))

    def last(self, parent: str) -> AsyncResult[Any]:
        """Give the result of the last task of a family."""
        family = self.families.under(parent)
        assert family is not None
        return AsyncResult(family.tasks[-1], self)

    def revoke(self, task: str) -> None:
        """Cancel a task, also one that has not begun; `TaskNotFoundError` if there is none."""
        self.status(task)
        executor = self._site.executor
        try:
            executor.cancel(task)
        except WorkflowNotFoundError:
            executor.forestall(task, metadata={MARK: "revoked"})

    def forget(self, task: str) -> None:
        """Remove the value of a task that has ended."""
        self.describe(task)
        self._site.executor.forget(task)

    def forget_ended(self, before: float, bucket: str, *, whole: bool) -> int:
        """Remove the values of a bucket's tasks that ended before a time, or all that is known of them.

        Tasks of a parent that has not ended stay: those behind them may read what they gave.
        """
        active = self._site.executor.records.list(Search(statuses=_ACTIVE))
        families = [self.families.under(parent) for parent, _ in active]
        needed = {task for family in families if family is not None for task in family.tasks}

        def fits(task: str, facts: Mapping[str, Any]) -> bool:
            return MARK in facts and facts.get("bucket") == bucket and task not in needed

        gone = self._site.executor.forget_ended(before, fits, whole=whole)
        if whole:
            self.families.forget(gone)
            for kept in (self._attempts(), self._progresses()):
                kept.forget(gone)
        return len(gone)

    def describe(self, task: str) -> Described:
        """Give what stands in the row of a task; `TaskNotFoundError` if it has none, or none yet."""
        try:
            found = self._site.executor.records.describe(task)
        except WorkflowNotFoundError as error:
            raise TaskNotFoundError(task) from error
        if MARK not in found.metadata:
            raise TaskNotFoundError(task)
        return found

    # ----------------------------------------------------------------------------------------- others

    def running(self) -> dict[str, list[Attempt]]:
        """Give the attempts that are being made now, by executor, the longest running first."""
        owned = self._site.executor.records.list(Search(statuses=frozenset([WorkflowStatus.RUNNING])))
        found: dict[str, list[Attempt]] = {}
        for attempt in self._attempts().last([task for task, _ in owned]):
            if attempt.failed is None:
                found.setdefault(attempt.executor, []).append(attempt)
        return found

    def describe_all(self, search: Search) -> Sequence[Described]:
        """Give what stands in the rows that a search finds, in its order."""
        return self._site.executor.records.describe_all(search)

    def waiting(self) -> dict[tuple[str, ...], tuple[int, float]]:
        """Count what waits in the queue by labels, and tell when the oldest of each was submitted."""
        return self._site.executor.records.waiting()

    def processed(self) -> dict[str, dict[Status, int]]:
        """Count the tasks that have ended, by the executor that had them last and by status."""
        found: dict[str, dict[Status, int]] = {}
        for (executor, status), count in self._site.executor.records.count().items():
            if executor is not None and status in _ENDS:
                found.setdefault(executor, {})[_ENDS[status]] = count
        return found

    def waits_unclaimed(self, task: str) -> bool:
        """Tell whether a task waits in the queue, and nobody takes work from there."""
        try:
            unowned = self.describe(task).status in _UNOWNED
        except TaskNotFoundError:
            self.status(task)  # it may be known all the same
            return False
        return unowned and not any(info.claims for info in self._site.executors())

    # ----------------------------------------------------------------------------------------- inside

    def _attempt(self, task: str) -> Attempt | None:
        return next(iter(self._attempts().last([task])), None)

    def _running(self, task: str, since: float) -> Status:
        """Tell where a task stands that an executor took at `since`."""
        attempt = self._attempt(task)
        if attempt is None or attempt.started < since:  # that one was of an executor that is gone
            return "PENDING"
        return "STARTED" if attempt.failed is None else "RETRY"

    def _given_up(self, task: str) -> BaseException | None:
        """Say why a task that has not begun never will; None if it still may.

        Raises
        ------
        TaskNotFoundError
            If nobody knows of it.
        """
        family = self.families.of(task)
        if family is None:
            raise TaskNotFoundError(task)
        records = self._site.executor.records
        try:
            if records.status_of(family.parent) not in _OVER:
                return None
            why = records.ended_badly(family.parent)
        except WorkflowNotFoundError as error:  # its parent was never submitted, or is not yet
            raise TaskNotFoundError(task) from error
        given_up = WorkflowCancellationError(task)
        if isinstance(why, WorkflowExecutionError):
            given_up.__cause__ = why.__cause__
        return given_up


def _nothing() -> None:
    """Nothing is to be done."""
