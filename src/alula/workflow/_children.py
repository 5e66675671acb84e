"""Children: nodes of a workflow that are workflows of their own.

A child has an id, labels, records and an end of its own, and may run anywhere; its parent only waits for it.
Because the id is chosen before, a parent that goes on after a crash finds the child that it has begun. How a
child ends is the value of its node, never an error: what follows from it is for those that come after to say.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

from .._core._settings import Where
from ..errors import (
    StoreUnavailableError,
    TaskCancelledError,
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowTimeoutError,
)
from ..graph import Cancel, Done, Failed, Graph, Node, Outcome, Then
from ..store import Lease
from ._logical import Logical
from ._records import Records
from ._site import Attended, Factory, Site
from ._status import WorkflowStatus
from ._tasks import Task
from ._vault import Output, Stored, Vault

__all__ = ["Parent", "child_kinds", "child_node", "end_node"]

_CHILD: Final = "child"
_END: Final = "end"
_SUCCESSFUL: Final = WorkflowStatus.SUCCESSFUL.value


class Child(Protocol):
    """What is needed of the handle to a child."""

    def when_done(self, then: Callable[[Future[Output]], None]) -> None:
        """Call once it has ended."""
        ...


class Parent(Protocol):
    """What children need of the executor that runs their parent."""

    records: Records
    lease: Lease

    @property
    def is_closed(self) -> bool:
        """Whether it begins nothing more."""
        ...

    def submit(self, graph: Graph, **how: Any) -> Child:
        """Make a workflow durable and start it."""
        ...

    def find(self, workflow_id: str) -> Child:
        """Give a handle to a workflow; `WorkflowNotFoundError` if there is none."""
        ...


def child_node(
    vault: Vault,
    node: Node[Any],
    *,
    id: str,  # noqa: A002  # the word for it everywhere else, too
    labels: Sequence[str],
    where: Where,
    metadata: dict[str, Any],
    after: Sequence[Node[Any]],
    regardless: bool,
) -> Node[str]:
    """Make a node of a child; see `Executor.child`."""
    facts = {"id": id, "labels": [*labels], "where": where, "metadata": metadata, "regardless": regardless}
    return Node(
        Logical(_CHILD, "workflow.child", facts), (vault.seal_small(node), *after), options={"task_id": id}
    )


def end_node(children: Sequence[Node[str]], deciding: Sequence[str]) -> Node[None]:
    """Make the node that ends a parent.

    Parameters
    ----------
    children
        That have to end first.
    deciding
        Ids of those of them whose failure is that of the parent: the first in this order.
    """
    return Node(Logical(_END, "workflow.end", {"deciding": [*deciding]}), tuple(children))


def child_kinds() -> dict[str, Factory]:
    """Give, by kind, what makes the place for these tasks."""
    return {
        _CHILD: lambda site: Attended(site, partial(_attend, site)),
        _END: lambda site: Attended(site, partial(_conclude, site)),
    }


def _attend(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    sealed, *before = args
    if not task.facts["regardless"] and any(outcome != _SUCCESSFUL for outcome in before):
        then(Done(WorkflowStatus.CANCELED.value))
        return lambda: None
    parent = _parent(site)

    def begin() -> Child:
        return parent.submit(
            Graph.of(site.vault.unseal(Stored("", sealed), "a child workflow")),
            id=task.facts["id"],
            labels=task.facts["labels"] or parent.lease.labels,
            where=task.facts["where"],
            metadata=task.facts["metadata"],
            requeue=True,
            prunable=False,
            quiet=True,  # who submitted the parent has been told
            guard=site.journal.owner,
        )

    _Followed(parent, task.facts["id"], then).begin(begin)
    return lambda: None  # a child goes on without its parent, unless somebody cancels it, too


class _Followed:
    """One child on its way."""

    def __init__(self, parent: Parent, child: str, then: Then) -> None:
        self._parent, self._child, self._then = parent, child, then

    def begin(self, begin: Callable[[], Child]) -> None:
        try:
            handle = self._parent.find(self._child)
        except WorkflowNotFoundError:
            try:
                handle = begin()
            except WorkflowError:
                if self._parent.is_closed:  # then somebody else goes on with the parent
                    return
                raise
        self._watch(handle)

    def _watch(self, handle: Child) -> None:
        handle.when_done(self._ended)

    def _ended(self, future: Future[Output]) -> None:
        match future.exception():
            case None:
                self._then(Done(_SUCCESSFUL))
            case WorkflowExecutionError() | WorkflowTimeoutError():
                self._then(Done(WorkflowStatus.FAILED.value))
            case WorkflowCancellationError():
                self._then(Done(WorkflowStatus.CANCELED.value))
            case StoreUnavailableError() as error:
                self._then(Failed(error))
            case _:  # it is another's now; or this executor is closed, and nobody waits for an answer
                with suppress(WorkflowError):
                    self._watch(self._parent.find(self._child))


def _conclude(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    then(_outcome(_parent(site).records, task.facts["deciding"]))
    return lambda: None


def _outcome(records: Records, deciding: Sequence[str]) -> Outcome:
    """Give the end of a parent: the error of the first of these children that has one."""
    for child in deciding:
        with suppress(WorkflowNotFoundError):  # it never began, because one before it had failed
            match records.ended_badly(child):
                case WorkflowExecutionError() as error:
                    return Failed(error.__cause__ or error)
                case WorkflowCancellationError():
                    return Failed(TaskCancelledError(child))
                case WorkflowError() as error:
                    return Failed(error)
    return Done(None)


def _parent(site: Site) -> Parent:
    if site.aside.parent is None:
        raise WorkflowError("a child needs an executor, and this runs in place")
    parent: Parent = site.aside.parent
    return parent
