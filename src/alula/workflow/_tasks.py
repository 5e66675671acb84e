"""Tasks: the nodes of a workflow in the form in which they are stored, sent and driven.

A user's graph is turned into tasks where it is made: in the client for the first, in a worker for a
continuation. From then on its arguments are sealed bytes that nobody opens but the worker that runs
the task. What is driven is an outline of the graph: the same keys and edges, with tasks in place of
functions and arguments, so that recovery reads no value which nothing needs.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection

from .._core._ids import Key
from ..errors import GraphError
from ..futures import Function, TaskOptions
from ..graph import Done, Graph, Grown, InputItem, Mark, Node, fill
from ._fingerprints import fingerprint
from ._handles import Remaining
from ._logical import CALL, Logical
from ._retry import Retry, policy
from ._texts import LONGEST_NAME
from ._vault import Link, Output, Packer, Stored, Vault

__all__ = [
    "Call",
    "Continued",
    "Creator",
    "Ended",
    "Span",
    "Task",
    "engine_options",
    "function_of",
    "retry_of",
    "tasks_of",
    "tell_what_is_ignored",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One node of a workflow.

    Attributes
    ----------
    key
        Its identity: derived from the task that made it and its position, the same after a crash.
    creator
        Key of the task that made it; empty in the graph that was submitted.
    position
        In its graph, inputs first; the last task of a graph is its output.
    root
        Key of the first task of the chain of continuations in which this is a later link, if it is one.
    name
        What its task id is made of: given by the user, else from the function's name.
    inputs
        Keys of the tasks of its graph whose values it reads.
    call
        Function and arguments, sealed; None for a task that will not run again.
    engine
        What the engine is to hold for it.
    retry
        How often it is tried.
    metadata
        The user's, for `get_metadata`.
    kind
        Where it is settled: a call on the engine, any other by the place of that kind.
    facts
        What has to be known of it before its call is opened.
    recorded
        Whether its own call is stored: false for what an unrecorded task made.
    checkpoint
        Whether its result is stored, too.
    inplace
        Whether it runs in the process of the task that made it.
    fingerprint
        Of its function and arguments, if its result is stored and its call is not: the value is good for
        another run only if that makes the same call.
    """

    key: Key
    creator: str
    position: int
    root: Key | None
    name: str
    inputs: tuple[Key, ...]
    call: Stored | None
    engine: TaskOptions = field(default_factory=TaskOptions)
    retry: Retry = field(default_factory=Retry)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    kind: str = CALL
    facts: Mapping[str, Any] = field(default_factory=dict)
    recorded: bool = True
    checkpoint: bool = True
    inplace: bool = False
    fingerprint: str = ""

    @property
    def catch(self) -> bool:
        """Whether its value is a pair of the value and None, or of None and its error."""
        return bool(self.facts.get("catch"))


@dataclass(frozen=True, slots=True)
class Creator:
    """What a continuation takes from the task that returned it.

    Attributes
    ----------
    key, root, checkpoint, catch
        Those of the `Task`.
    recorded
        Whether what it makes is recorded.
    workflow
        Id of its workflow.
    """

    key: Key
    root: Key | None
    checkpoint: bool
    catch: bool = False
    recorded: bool = True
    workflow: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """When a task's last attempt began and ended, in UNIX seconds, and how many attempts there were."""

    started: float
    ended: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Ended(Done[Output]):
    """A task has its value.

    Attributes
    ----------
    written
        As in `Continued`.
    also
        What else is to be done in the transaction that records it.
    """

    span: Span
    written: bool = False
    also: Callable[[Connection], None] | None = None


@dataclass(frozen=True, slots=True)
class Continued(Grown):
    """A task has become a graph of further tasks.

    Attributes
    ----------
    link
        The task whose continuation it is, if the first has run on in place; recorded up to there.
    written
        Whether it is recorded already, or is not to be.
    """

    span: Span
    link: Key | None = None
    written: bool = False


Call: TypeAlias = tuple[str, tuple[Any, ...], dict[str, Any], bool]
"""What is sealed of a task: its function's digest (empty if it is logical), arguments with marks, whether
some are nested."""


def tasks_of(
    graph: Graph,
    vault: Vault,
    *,
    creator: Creator | None = None,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> tuple[Task, ...]:
    """Turn a user's graph into tasks, storing what their arguments mention; the output comes last.

    Parameters
    ----------
    graph
        With one output; its keys derive from the creator's.
    vault
        Where functions, large arguments and objects go.
    creator
        The task that returned the graph.
    args, kwargs
        What its `InputNode` stands for.

    Raises
    ------
    TypeError
        If a node is not of a remote function, an argument cannot be pickled, or what its `InputNode` stands
        for is not there, or is there and not read.
    ValueError
        If a node has more than one return value, or is a transaction that is not recorded or in place.
    GraphError
        If the graph has not exactly one output.
    """
    if len(graph.outputs) != 1 or graph.effects:
        raise GraphError("a workflow has one output node, and runs what that one needs")
    sealer = _Sealer(graph, Packer(vault), args, kwargs or {}, creator.workflow if creator else "")
    positions = enumerate(graph.nodes.items())
    tasks = tuple([_task(sealer, key, node, i, creator) for i, (key, node) in positions])
    sealer.check_all_read()
    return tasks


def _task(sealer: "_Sealer", key: Key, node: Node[Any], position: int, creator: Creator | None) -> Task:
    function = function_of(node)
    given = node.options
    name = given.get("task_id") or _clean(function.name)
    kind, facts = (function.kind, dict(function.facts)) if isinstance(function, Logical) else (CALL, {})
    is_output = key == sealer.graph.outputs[0]
    recorded = creator is None or creator.recorded
    if given.get("transaction"):
        _check_transaction(name, given, recorded=recorded)
    asked = given.get("checkpoint")
    if asked is None:  # what a kept task returns gives the value that is to be kept
        asked = recorded or (is_output and creator is not None and creator.checkpoint)
    # What is logical is kept only with its call: a split names tasks, which have to be recorded as well.
    checkpoint = bool(asked) and (recorded or kind == CALL)
    options = _LOGICAL if isinstance(function, Logical) else function.options
    if is_output and creator and creator.catch:  # the pair is made once, where the chain ends
        facts.update(catch=True, catches=True)
    elif given.get("catch_exceptions"):
        facts.update(catch=True)
    retry = retry_of(node)
    # Only a process of its own can be ended when it takes too long.
    inplace = bool(given.get("allow_inplace")) and kind == CALL and retry.timeout is None
    if inplace:
        tell_what_is_ignored(function)
    return Task(
        key=key,
        creator=creator.key if creator else "",
        position=position,
        root=(creator.root or creator.key) if creator and is_output else None,
        name=name,
        inputs=sealer.graph.inputs(key),
        call=sealer.seal(function, key, node),
        engine=engine_options(options, name, checkpoint=checkpoint),
        retry=retry,
        metadata=given.get("metadata", {}),
        kind=kind,
        facts=facts,
        recorded=recorded,
        checkpoint=checkpoint,
        fingerprint=(
            sealer.fingerprint(function, key, node)
            if checkpoint and not recorded and isinstance(function, Function)
            else ""
        ),
        inplace=inplace,
    )


def _check_transaction(name: str, given: Mapping[str, Any], *, recorded: bool) -> None:
    if not recorded or given.get("checkpoint") is False:
        where = "checkpoint=False" if recorded else "a task with checkpoint=False has returned it"
        raise ValueError(f"{name} is a transaction, which is committed with its record ({where})")
    if given.get("allow_inplace"):
        raise ValueError(f"{name} is a transaction, which runs in a worker (allow_inplace=True)")


def engine_options(options: TaskOptions, name: str, *, checkpoint: bool) -> TaskOptions:
    """Give what the engine is told of a task: not the attempts, which the workflow counts alone.

    A value that is not to be stored is a second reference, beside the worker's reply.
    """
    # The options of a function are one object for all its nodes, or equal if they are given at each. What
    # was made of them last is one object too, by whose id others remember it.
    last = _last_options.get((name, checkpoint))
    if last is not None and (last[0] is options or last[0] == options):
        return last[1]
    made = replace(
        options,
        name=name,
        num_returns=1 if checkpoint else 2,
        max_retries=0,
        retry_exceptions=False,
        metadata={},
    )
    if len(_last_options) > _MOST_OPTIONS:
        _last_options.clear()
    _last_options[name, checkpoint] = options, made
    return made


_MOST_OPTIONS: Final = 1000
_last_options: dict[tuple[str, bool], tuple[TaskOptions, TaskOptions]] = {}


def retry_of(node: Node[Any]) -> Retry:
    """Say how often a node is tried, and when."""
    options = _LOGICAL if isinstance(node.fn, Logical) else node.fn.options
    return policy(node.options, options.max_retries, options.retry_exceptions)


def function_of(node: Node[Any]) -> Function | Logical:
    """Give what a node calls.

    Raises
    ------
    TypeError
        If it is not a remote function.
    ValueError
        If it has more than one return value.
    """
    if isinstance(node.fn, Logical):
        return node.fn
    if not isinstance(node.fn, Function):
        raise TypeError(f"a workflow is made of remote functions, and {node.label!r} is none")
    if node.fn.options.num_returns != 1:
        raise ValueError(f"{node.label} has num_returns={node.fn.options.num_returns}; in a workflow it is 1")
    return node.fn


def tell_what_is_ignored(function: Function | Logical) -> None:
    """Warn once of a function that runs in place and asks for resources of its own."""
    if isinstance(function, Logical) or function.definition.id in _told_of:
        return
    if function.options.shape != _USUAL.shape:
        _told_of.add(function.definition.id)
        warnings.warn(
            f"{function.name} runs in place, with what its process holds: its own resources are ignored",
            stacklevel=2,
        )


_USUAL: Final = TaskOptions()
_LOGICAL: Final = TaskOptions(max_retries=0)
_told_of: set[bytes] = set()


@lru_cache(maxsize=1000)
def _clean(name: str) -> str:
    return "".join(c for c in name if c.isalnum() or c in "_.-")[-LONGEST_NAME:]


class _Sealer:
    """Seals the calls of one graph."""

    def __init__(
        self,
        graph: Graph,
        packer: Packer,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        workflow: str,
    ) -> None:
        self.graph = graph
        self._packer, self._args, self._kwargs, self._workflow = packer, args, kwargs, workflow
        self._unread: set[object] = {*range(len(args)), *kwargs}

    def seal(self, function: Function | Logical, key: Key, node: Node[Any]) -> Stored:
        args, kwargs = self._filled(key, node)
        nested = any(
            new is not old and not isinstance(new, Mark)
            for new, old in zip((*args, *kwargs.values()), (*node.args, *node.kwargs.values()), strict=True)
        )
        digest = "" if isinstance(function, Logical) else self._packer.function(function)
        call: Call = (digest, args, kwargs, nested)
        return self._packer.call(call)

    def fingerprint(self, function: Function, key: Key, node: Node[Any]) -> str:
        return fingerprint(function, self._packer.call(self._filled(key, node)))

    def _filled(self, key: Key, node: Node[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self.graph.is_bare(key):
            return tuple(node.args), dict(node.kwargs)
        args = tuple([fill(arg, self._mark) for arg in node.args])
        return args, {name: fill(arg, self._mark) for name, arg in node.kwargs.items()}

    def _mark(self, mark: Mark) -> Any:
        if isinstance(mark, Node):
            return Link(self.graph.key(mark))
        if isinstance(mark, Remaining):
            return self._link(mark)
        if isinstance(mark, InputItem):
            return fill(self._picked(mark), self._given)
        return self._packer.mark(mark)

    def _picked(self, item: InputItem) -> Any:
        self._unread.discard(item.path[0]) if item.path else self._unread.clear()
        try:
            return item.pick(self._args, self._kwargs)
        except LookupError as error:
            raise TypeError(str(error)) from error

    def check_all_read(self) -> None:
        """Raise `TypeError` if some of what the graph was given is read by no node."""
        if self._unread:
            raise TypeError(
                f"the graph was given inputs that no node reads: {sorted(self._unread, key=str)}; "
                f"an InputNode stands for them"
            )

    def _link(self, handle: Remaining[Any]) -> Link:
        if not handle.workflow or handle.workflow != self._workflow:
            raise handle.misplaced()
        return Link(handle.key)

    def _given(self, mark: Mark) -> Mark:
        if isinstance(mark, Node):
            raise TypeError(f"the node {mark.label!r} was given as input: bind it in the graph instead")
        return self._packer.mark(mark)
