"""In place: continuations that run in the process of the task that returned them.

A task may return a node that is to run in place. Then its process goes on with that node instead of
giving it back, again and again, in a loop: the stack does not grow, however long the chain. Arguments
are handed over as they are. Each link is recorded before it starts, behind the fence of the workflow's
owner, so that the chain is resumed from its newest link. A link whose arguments are good for this
process only is not recorded; what becomes of it counts for the link before it.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import sleep, time
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

from .._core._ids import Key, derive
from ..errors import GraphError, StoreUnavailableError, WorkflowError
from ..futures import Function, ObjectRef, get, pack_task_error
from ..graph import Graph, Node, scan
from ._errors import Carried, carried
from ._handles import Remaining
from ._ledger import Ledger
from ._logical import Logical
from ._orders import Order
from ._patience import patiently
from ._replies import Fault, Reply
from ._retry import Retry
from ._rows import heads_of
from ._splits import same
from ._tasks import Creator, Span, Task, function_of, retry_of, tasks_of, tell_what_is_ignored
from ._vault import Output, Packer, Vault, Volatile

T = TypeVar("T")
R = TypeVar("R")

Drives: TypeAlias = Callable[[Order, tuple[Task, ...], Key, Span], Output | Fault]
"""Records what a task has returned, and runs it to the end; gives the output, or what went wrong."""

__all__ = ["Chain", "called", "local"]


def called(function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Call a function of the user's; one that is ``async def`` runs to its end."""
    try:
        value = function(*args, **kwargs)
        return asyncio.run(value) if inspect.iscoroutine(value) else value
    except StoreUnavailableError as error:
        error.of_task = True
        raise


class Local:
    """Around an argument that is good for this process only; see `local`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a workflow.local(...) value stays in its process: give it to a task that runs in place"
        )


def local(value: T) -> T:
    """Mark an argument of an in-place task as good for this process only: a pid, an open file's number.

    The task that is given it is not recorded, so a workflow that is resumed in another process makes the
    value anew. Arguments that cannot be pickled need no mark.
    """
    return cast("T", Local(value))


class Chain:
    """What becomes of a task whose result is a node that runs in place."""

    def __init__(self, order: Order, span: Span, drives: Drives) -> None:
        """Begin where the task has returned a node.

        Parameters
        ----------
        order, span
            The task, and when its body ran.
        drives
            What to do with a graph of several nodes, some of which run in place.
        """
        creator = order.creator
        self._order, self._vault, self._name, self._drives = order, order.vault, order.name, drives
        self._first, self._recorded = creator.key, creator.recorded
        self._root = creator.root or creator.key
        # The link that runs stands `_beyond` unrecorded ones behind the last whose key was asked for.
        self._key, self._beyond = creator.key, 0
        self._anchor, self._checkpoint = creator.key, creator.checkpoint  # the newest recorded link
        self._span, self._catch = span, creator.catch
        self._ledger: Ledger | None = None

    def follow(self, node: Node[Any]) -> tuple[Reply, Any]:
        """Run the chain to its end, or to a node that does not run in place.

        Returns
        -------
        tuple
            The reply, and the value if that is not to be stored.
        """
        value: Any = node
        try:
            while isinstance(value, Node | Remaining):
                if isinstance(value, Remaining):
                    value = same(value)
                if not self._is_link(value):
                    return self._grown(value)
                value = self._run(value)
            return self._finished((value, None) if self._catch else value)
        except _LinkFailed as failed:
            if self._catch:
                caught = carried(failed.error, self._name)
                return self._finished((None, caught), caught)
            packed = pack_task_error(failed.error, self._name)
            return self._reply(Fault(self._here(), packed), written=True), None

    # ------------------------------------------------------------------------------------ the links

    def _is_link(self, node: Node[Any]) -> bool:
        """Tell whether a node runs in place, reads no other, and is recorded no better than the chain."""
        options = node.options
        if not options.get("allow_inplace") or (options.get("checkpoint") and not self._recorded):
            return False
        if isinstance(node.fn, Logical) or options.get("transaction") or options.get("timeout") is not None:
            return False  # only a process of its own can be ended when it takes too long
        return not any(isinstance(mark, Node | Remaining) for mark in scan(*node.args, *node.kwargs.values()))

    def _run(self, node: Node[Any]) -> Any:
        """Run a link; what it raises in the end is a `_LinkFailed`."""
        function = self._told(function_of, node)
        assert isinstance(function, Function)
        tell_what_is_ignored(function)
        self._catch = self._catch or bool(node.options.get("catch_exceptions"))
        if self._recorded:
            self._record(node)
        else:
            self._beyond += 1
        self._name = node.label
        started, attempts = time(), 0
        args = [_argument(arg) for arg in node.args]
        kwargs = {name: _argument(arg) for name, arg in node.kwargs.items()}
        while True:
            attempts += 1
            try:
                value = called(function.target, args, kwargs)
            except (Exception, SystemExit) as error:
                retry = retry_of(node)
                if not _follows(retry, error, attempts):
                    raise _LinkFailed(error) from error
                sleep(retry.pause(attempts))
            else:
                # One that is not recorded is a part of the link before it.
                began = self._span.started if self._beyond else started
                self._span = Span(began, time(), attempts)
                return value

    def _record(self, node: Node[Any]) -> None:
        """Record a link before it starts, unless its arguments are good for this process only."""
        key = self._here()
        creator = Creator(key, self._root, checkpoint=True, catch=self._catch)
        graph = Graph.of(node, creator=key)
        task = patiently(lambda: _task_or_none(graph, self._vault, creator))
        self._beyond += 1
        if task is None:
            return
        moved = self._root if self._root != self._anchor else None
        [head] = heads_of(self._vault, [task])
        self._open().link(self._anchor, task, head, self._span, moved)
        self._anchor = self._key = task.key
        self._beyond = 0
        self._checkpoint = self._recorded = task.checkpoint

    # -------------------------------------------------------------------------------------- the end

    def _finished(self, value: Any, caught: Carried | None = None) -> tuple[Reply, Any]:
        if not self._checkpoint and self._anchor == self._first:
            return self._reply(None), value
        stored = self._told(patiently, lambda: Packer(self._vault).pack(value))
        if self._anchor == self._first:  # nothing was recorded: it is the value of the task itself
            return self._reply(stored), None
        if self._checkpoint:
            error = None if caught is None else self._vault.seal_small(caught.packed)
            self._open().end(self._anchor, stored, self._span, error)
        return self._reply(stored, written=True), None

    def _grown(self, node: Node[Any]) -> tuple[Reply, Any]:
        """Give back a graph in which nothing runs in place; drive any other here to its end.

        What reads tasks that others have made is given back as well: only who drives those knows of them.
        """
        graph = self._told(lambda: Graph.of(node, creator=self._here()))
        creator = replace(
            self._order.creator,
            key=self._here(),
            root=self._root,
            checkpoint=self._checkpoint,
            catch=self._catch,
            recorded=self._recorded,
        )
        tasks: tuple[Task, ...] = self._told(patiently, lambda: tasks_of(graph, self._vault, creator=creator))
        if not any(task.inplace for task in tasks) or any(graph.outside(key) for key in graph.nodes):
            return self._reply(tasks), None
        output = self._drives(self._order, tasks, self._anchor, self._span)
        if not isinstance(output, Volatile):
            return self._reply(output, written=True), None
        [value] = output.ref.engine.get([output.ref], None)
        if not self._checkpoint and self._anchor == self._first:
            return self._reply(None), value
        return self._reply(patiently(lambda: Packer(self._vault).pack(value)), written=True), None

    def _told(self, work: Callable[..., R], *args: Any) -> R:
        """Do what fails if the user's code has given what cannot be used: that is its link's failure."""
        try:
            return work(*args)
        except (TypeError, ValueError, WorkflowError, GraphError) as error:
            raise _LinkFailed(error) from error

    def _reply(self, result: Any, *, written: bool = False) -> Reply:
        link = None if self._anchor == self._first else self._anchor
        return Reply(
            result=result, started=self._span.started, ended=self._span.ended, link=link, written=written
        )

    def _here(self) -> Key:
        """Give the key of the link that runs."""
        while self._beyond:
            self._key, self._beyond = derive(self._key, 0), self._beyond - 1
        return self._key

    def _open(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger(self._order.book)
        return self._ledger


class _LinkFailed(Exception):
    """A link has raised, for the last time; its error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _follows(retry: Retry, error: BaseException, attempts: int) -> bool:
    try:
        return retry.follows(error, attempts)
    except Exception as failure:  # the user's function
        raise _LinkFailed(failure) from error


def _argument(given: Any) -> Any:
    if isinstance(given, Local):
        return given.value
    return get(given) if isinstance(given, ObjectRef) else given


def _task_or_none(graph: Graph, vault: Vault, creator: Creator) -> Task | None:
    """Give the task of a graph of one node; None if its arguments cannot be stored."""
    try:
        return tasks_of(graph, vault, creator=creator)[0]
    except TypeError:
        return None
