"""Tasks: a call of the runtime is a workflow of one task, and this is where the one becomes the other."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from threading import Lock
from typing import Any, Final, assert_never

from .._core._settings import Settings, Where
from ..errors import TaskNotFoundError, WorkflowNotFoundError
from ..futures import Function
from ..graph import Graph, Node
from ..objects import Catalog, Metadata
from ..workflow import Search, WorkflowStatus
from ._attempts import Attempt, Attempts
from ._data import Kept, drop_kept, sweep_kept
from ._experiments import reference
from ._orders import Order
from ._progress import Progress, Progresses
from ._results import AsyncResult, Status
from ._site import Site

__all__ = ["Tasks", "Wish"]

_MARK: Final = "runtime"  # in a workflow's metadata: it is a task of the runtime, and does this
_UNOWNED: Final = (WorkflowStatus.PENDING, WorkflowStatus.RESUMABLE)
_TITLE: Final = 255  # characters, as many as a task id may have
_UNCLAIMED: Final = 3600.0  # seconds after which values whose task nobody knows are a dead process's


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where and how tasks are to run.

    Attributes
    ----------
    label
        What their executor must be able to do; None for this process's own executor.
    options
        For the engine: cores, resources, retries.
    """

    label: str | None = "default"
    options: Mapping[str, Any] = field(default_factory=dict)


class Tasks:
    """The tasks of one site; safe to use from any thread."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._attempts = lru_cache(maxsize=1)(lambda: Attempts(site.store))
        self._progresses = lru_cache(maxsize=1)(lambda: Progresses(site.store))
        self._swept: set[str] = set()
        self._sweeping = Lock()

    def settings(self, bucket: str) -> Settings:
        """Give what a worker needs to open the objects of a bucket."""
        return replace(self._site.settings, bucket=bucket)

    def bind(self, body: Function, order: Order, *args: Any, wish: Wish) -> Node[Any]:
        """Make a node of a task, to be run inside a workflow; it belongs to the run that is active here."""
        if order.run is None and (run := reference()) is not None:
            order = replace(order, run=run)
        return Node(
            body.with_options(wish.options), (order, *args), options={"task_id": order.title[:_TITLE]}
        )

    def submit(self, body: Function, order: Order, *args: Any, wish: Wish) -> AsyncResult[Any]:
        """Start a task whose id is the order's.

        Raises
        ------
        TypeError
            If something in it cannot be pickled.
        StoreUnavailableError
            If it cannot be written.
        """
        executor = self._site.executor
        here: tuple[tuple[str, ...], Where] = (executor.lease.labels, "here")
        labels, where = here if wish.label is None else ((wish.label,), self._site.settings.where)
        bucket = order.settings.bucket
        handle = executor.submit(
            Graph.of(self.bind(body, order, *args, wish=wish)),
            id=order.task,
            labels=labels,
            where=where,
            metadata={_MARK: order.action, "kind": order.kind, "name": order.name, "bucket": bucket},
            requeue=True,
            prunable=False,
        )
        if not any(isinstance(arg, Kept) for arg in args):
            return AsyncResult(handle, self)
        datasets = self._site.catalogs(bucket).datasets
        return AsyncResult(handle, self, partial(drop_kept, datasets, order.task))

    def find(self, task: str) -> AsyncResult[Any]:
        """Give a task that was submitted at any time, by any process.

        Raises
        ------
        TaskNotFoundError
            If there is none of that id.

        Warns
        -----
        UserWarning
            If it waits in the queue, and nobody takes work from there.
        """
        unowned = self._facts(task)["status"] in _UNOWNED
        if unowned and not any(info.claims for info in self._site.executors()):
            warnings.warn(
                f"task {task} waits in the queue, and no living executor takes work from there", stacklevel=3
            )
        return AsyncResult(self._site.executor.find(task), self)

    def status(self, task: str) -> Status:
        """Tell where a task stands; `TaskNotFoundError` if there is none."""
        facts = self._facts(task)
        status: WorkflowStatus = facts["status"]
        match status:
            case WorkflowStatus.RUNNING:
                return self._running(task, facts["stats"]["start_time"])
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
        """Give what a task last said of its progress."""
        return self._progresses().last(task)

    def running(self) -> dict[str, list[Attempt]]:
        """Give the attempts that are being made now, by executor, the longest running first."""
        owned = self._site.executor.records.list(Search(statuses=frozenset([WorkflowStatus.RUNNING])))
        found: dict[str, list[Attempt]] = {}
        for attempt in self._attempts().last([task for task, _ in owned]):
            if attempt.failed is None:
                found.setdefault(attempt.executor, []).append(attempt)
        return found

    def sweep(self, datasets: Catalog) -> None:
        """Remove, once in the life of this process, what others kept for tasks that have ended since."""
        with self._sweeping:
            if datasets.bucket not in self._swept:
                self._swept.add(datasets.bucket)
                sweep_kept(datasets, self._is_over)

    def _facts(self, task: str) -> dict[str, Any]:
        try:
            facts = self._site.executor.records.workflow_metadata(task)
        except WorkflowNotFoundError as error:
            raise TaskNotFoundError(task) from error
        if _MARK not in facts["user_metadata"]:
            raise TaskNotFoundError(task)
        return facts

    def _running(self, task: str, since: float) -> Status:
        """Tell where a task stands that an executor took at `since`."""
        attempts = self._attempts().last([task])
        if not attempts or attempts[0].started < since:  # that one was of an executor that is gone
            return "PENDING"
        return "STARTED" if attempts[0].failed is None else "RETRY"

    def _is_over(self, task: str, kept: Metadata) -> bool:
        try:
            return self.status(task) in ("SUCCESS", "FAILURE", "REVOKED")
        except TaskNotFoundError:  # not yet submitted, perhaps
            return self._site.store.clock.time() - kept.created.timestamp() > _UNCLAIMED
