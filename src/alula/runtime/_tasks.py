"""Tasks: a call of the runtime is a workflow of one task, and this is where the one becomes the other.

Calls that are combined become a parent workflow, whose tasks they are.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, Final

from .._core._ids import new_id
from .._core._settings import Settings, Where
from ..errors import TaskNotFoundError, UnsupportedError
from ..futures import Function
from ..graph import Graph, Node
from ..objects import Catalog, Metadata
from ..workflow import end_node
from ._again import call_again, unfinished
from ._blocks import Call, OnError, Recording, current_recording, joined
from ._data import Kept, drop_kept, sweep_kept
from ._experiments import reference
from ._families import Combination, Family
from ._groups import GroupResult
from ._orders import Order
from ._records import MARK, Records
from ._results import FINAL, AsyncResult
from ._script_orders import SCRIPT, callback_order
from ._site import Site
from ._wish import Wish

__all__ = ["Recorder", "Tasks"]

_TITLE: Final = 255  # characters, as many as a task id may have
_UNCLAIMED: Final = 3600.0  # seconds after which values whose task nobody knows are a dead process's
_FAILED: Final = 7 * 24 * 3600.0  # seconds for which the data of a failed task stay, so that it can be rerun


class Tasks:
    """The tasks of one site; safe to use from any thread.

    Attributes
    ----------
    records
        What is known of those that were submitted.
    wish
        Where and how they run unless something else is required.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.records = Records(site)
        self.wish = Wish()
        self._swept: set[str] = set()
        self._sweeping = Lock()

    def settings(self, bucket: str) -> Settings:
        """Give what a worker needs to open the objects of a bucket."""
        settings = self._site.settings
        return settings if settings.bucket == bucket else replace(settings, bucket=bucket)

    @property
    def is_recording(self) -> bool:
        """Whether what is submitted here and now is only noted, for a block."""
        return current_recording(self) is not None

    def recorder(self, recording: Recording) -> "Recorder":
        """Give what notes all that is submitted through it."""
        return Recorder(self._site, self, recording)

    def bind(self, body: Function, order: Order, *args: Any, wish: Wish) -> Node[Any]:
        """Make a node of a task, to be run inside a workflow; it belongs to the run that is active here."""
        told = _of_run(order)
        if told.logging != wish.logging:
            told = replace(told, logging=wish.logging)
        named = {**wish.options.get("metadata", {}), "task_id": order.title[:_TITLE]}
        function = body.with_options(wish.options) if wish.options else body
        return Node(function, (told, *args), options=named)

    def submit(self, body: Function, order: Order, *args: Any, wish: Wish) -> AsyncResult[Any]:
        """Start a task whose id is the order's; inside of a block, note it.

        Raises
        ------
        TypeError
            If something in it cannot be pickled, or has no data.
        StoreUnavailableError
            If it cannot be written.
        """
        if wish.options or wish.cached:
            order = replace(order, options=wish.options, cached=wish.cached)
        call = Call(body, order, args, wish)
        if (recording := current_recording(self)) is not None:
            return self.note(recording, call)
        if wish.callbacks:
            return self.combine("callback", [call, *_callbacks(call)]).results[0]
        if call.takes_results:
            raise TypeError(
                f"{order.action}() needs data: X may be left out only where a task comes before it"
            )
        return self._start(call)

    def note(self, recording: Recording, call: Call) -> AsyncResult[Any]:
        """Note a call for a block; what its result is asked for before the block runs is not found."""
        if call.wish.callbacks:
            raise UnsupportedError(
                "a callback", "block of the runtime", "add the script as a task of the block"
            )
        recording.add(replace(call, order=_of_run(call.order)))
        return AsyncResult(call.order.task, self.records, over=self._over(call))

    def combine(
        self, combination: Combination, calls: Sequence[Call], *, on_error: OnError = "stop"
    ) -> GroupResult:
        """Submit several tasks under one parent, in one step.

        Raises
        ------
        ValueError
            If they cannot be combined so; see `joined`.
        TypeError, StoreUnavailableError
            As `submit`.
        """
        told = joined(combination, calls, on_error)
        family = Family(new_id(), combination, tuple([call.order.task for call in told]))
        executor = self._site.executor
        nodes: list[Node[str]] = []
        for call in told:
            after = _before(combination, nodes, len(told))
            regardless = combination == "callback" or on_error == "partial"
            nodes.append(self._child(call, after, regardless=regardless))
        deciding = family.tasks[:1] if combination == "callback" else family.tasks
        self.records.families.add(family)
        labels, where = self._place_of_parent(told)
        executor.submit(
            Graph.of(end_node(nodes, deciding)),
            id=family.parent,
            labels=labels,
            where=where,
            metadata={MARK: combination, "bucket": told[0].order.settings.bucket, "tasks": len(told)},
            requeue=True,
            prunable=False,
        )
        self._warn_of_labels(told)
        overs = {call.order.task: self._over(call) for call in told}
        return self.records.group(family, overs)

    def again(self, task: str) -> AsyncResult[Any] | GroupResult:
        """Do a task again, as a new one; of a family, only what has not succeeded.

        Raises
        ------
        TaskNotFoundError
            If there is none of that id.
        ValueError
            If it has not ended; or is a family of which all have succeeded.
        """
        settings, store = self._site.settings, self._site.store
        if (family := self.records.families.under(task)) is None:
            status = self.records.status(task)
            if status not in FINAL:
                raise ValueError(f"task {task} is {status}: it can be run again when it has ended")
            return self._start(call_again(store, settings, task, self.records.describe(task).labels))
        found = {each: self.records.status(each) for each in family.tasks}
        if going := [each for each, status in found.items() if status not in FINAL]:
            raise ValueError(f"task {going[0]} of {task} is {found[going[0]]}: wait until all have ended")
        kept = {each: status == "SUCCESS" for each, status in found.items()}
        if all(kept.values()):
            raise ValueError(f"all tasks of {task} have succeeded: there is nothing to run again")
        labels = self.records.describe(task).labels
        combination, calls = unfinished(store, settings, family, kept, labels)
        return self.combine(combination, calls)

    def find(self, task: str) -> AsyncResult[Any] | GroupResult:
        """Give a task that was submitted at any time, by any process; or several, by the id of their parent.

        Raises
        ------
        TaskNotFoundError
            If there is none of that id.

        Warns
        -----
        UserWarning
            If it waits in the queue, and nobody takes work from there.
        """
        if (family := self.records.families.under(task)) is not None:
            return self.records.group(family)
        if self.records.waits_unclaimed(task):
            warnings.warn(
                f"task {task} waits in the queue, and no living executor takes work from there", stacklevel=3
            )
        return AsyncResult(task, self.records)

    def sweep(self, datasets: Catalog) -> None:
        """Remove, once in the life of this process, what others kept for tasks that have ended since."""
        with self._sweeping:
            if datasets.bucket not in self._swept:
                self._swept.add(datasets.bucket)
                sweep_kept(datasets, self._is_over)

    # ------------------------------------------------------------------------------------- inside

    def _start(self, call: Call) -> AsyncResult[Any]:
        labels, where = self._place(call.wish)
        order = call.order
        handle = self._site.executor.submit(
            Graph.of(self.bind(call.body, order, *call.args, wish=call.wish)),
            id=order.task,
            labels=labels,
            where=where,
            metadata=_facts(order),
            requeue=True,
            prunable=False,
        )
        return AsyncResult(order.task, self.records, handle, self._over(call))

    def _child(self, call: Call, after: Sequence[Node[str]], *, regardless: bool) -> Node[str]:
        labels, where = self._place(call.wish)
        return self._site.executor.child(
            self.bind(call.body, call.order, *call.args, wish=call.wish),
            id=call.order.task,
            labels=() if where == "here" else labels,
            where=where,
            metadata=_facts(call.order),
            after=after,
            regardless=regardless,
        )

    def _place(self, wish: Wish) -> tuple[tuple[str, ...], Where]:
        if wish.label is None:
            return self._site.executor.lease.labels, "here"
        return (wish.label,), self._site.settings.where

    def _place_of_parent(self, calls: Sequence[Call]) -> tuple[tuple[str, ...], Where]:
        """Choose who runs a parent: where all tasks can go to the queue, who takes the first from there."""
        own, where = self._site.executor.lease.labels, self._site.settings.where
        labels = [call.wish.label for call in calls]
        if where == "here" or None in labels:
            return own, "here"
        served = {label for info in self._site.executors() if info.claims for label in info.labels}
        if labels[0] is not None and served.issuperset(labels):
            return (labels[0],), "queue"
        return (own, "here") if where == "auto" else (own, where)

    def _over(self, call: Call) -> Callable[[], None]:
        """Give what is to be done when a task has ended well: to remove what was kept for it."""
        if not any(isinstance(arg, Kept) for arg in call.args):
            return _nothing
        datasets = self._site.catalogs(call.order.settings.bucket).datasets
        return partial(drop_kept, datasets, call.order.task)

    def _warn_of_labels(self, calls: Sequence[Call]) -> None:
        """Say which labels nobody has, for the tasks of a parent are submitted where nobody hears it."""
        alive = self._site.executors()
        known = {label for info in alive if info.claims for label in info.labels}
        known |= set(self._site.executor.lease.labels)
        wanted = {call.wish.label for call in calls if call.wish.label is not None}
        if lacking := sorted(wanted - known):
            everywhere = sorted({label for info in alive for label in info.labels})
            warnings.warn(
                f"no living executor takes work for the labels {lacking} from the queue: "
                f"it waits there until one does; known labels are {everywhere}",
                stacklevel=4,
            )

    def _is_over(self, task: str, kept: Metadata) -> bool:
        age = self._site.store.clock.time() - kept.created.timestamp()
        try:
            status = self.records.status(task)
        except TaskNotFoundError:  # not yet submitted, perhaps
            return age > _UNCLAIMED
        return status in ("SUCCESS", "REVOKED") or (status == "FAILURE" and age > _FAILED)


class Recorder(Tasks):
    """Notes what is submitted through it, wherever that is done, for one block."""

    def __init__(self, site: Site, tasks: Tasks, recording: Recording) -> None:
        super().__init__(site)
        self.records, self.wish = tasks.records, tasks.wish
        self._tasks, self._recording = tasks, recording

    @property
    def is_recording(self) -> bool:
        """Always: that is what it is for."""
        return True

    def submit(self, body: Function, order: Order, *args: Any, wish: Wish) -> AsyncResult[Any]:
        """Note a call; `RuntimeError` once the block has ended."""
        return self._tasks.note(self._recording, Call(body, order, args, wish))


def _before(combination: Combination, nodes: list[Node[str]], total: int) -> list[Node[str]]:
    """Give the nodes that the next one has to wait for."""
    if combination in ("sequence", "callback"):
        return nodes[-1:]
    return list(nodes) if combination == "mapreduce" and len(nodes) == total - 1 else []


def _callbacks(call: Call) -> list[Call]:
    """Give the calls of the scripts that are to follow a task."""
    settings, wish = call.order.settings, replace(call.wish, callbacks=())
    return [
        Call(SCRIPT, callback_order(name, settings, call.order.task, kwargs), (), wish)
        for name, kwargs in call.wish.callbacks
    ]


def _of_run(order: Order) -> Order:
    """Give an order that says to which run of an experiment its task belongs, if one is active here."""
    if order.run is None and (run := reference()) is not None:
        return replace(order, run=run)
    return order


def _facts(order: Order) -> dict[str, Any]:
    facts = {MARK: order.action, "kind": order.kind, "name": order.name, "bucket": order.settings.bucket}
    return facts if order.retry_of is None else {**facts, "retry_of": order.retry_of}


def _nothing() -> None:
    """Nothing is to be done."""
