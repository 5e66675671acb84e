"""What happens inside a worker: a task is opened, its body runs, and its result is stored.

Nothing here writes records: the worker only makes bytes durable, large ones among the artifacts, before
the reply that mentions them is sent. What goes on in it beyond one task writes its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic, time
from typing import Any, Final

from .._core._ids import Key
from ..errors import WorkflowError
from ..futures import Function, ObjectRef, TaskOptions, current, get, pack_error
from ..graph import Done, Drive, Failed, Node, Outcome, Scope
from ._ahead import go_ahead
from ._handles import Remaining
from ._here import Here
from ._inplace import Chain, called
from ._journal import Journal
from ._kinds import KINDS
from ._limits import note_start
from ._messages import checked_key
from ._orders import Opener, Order
from ._outlines import outline
from ._patience import patiently
from ._place import TaskPlace
from ._published import tell
from ._replies import Fault, Reply
from ._site import Aside, Site
from ._splits import same
from ._tasks import Continued, Span, Task
from ._transactions import Body, told_later, transact
from ._vault import Output, Packer, Stored, Unpacker, Vault

__all__ = ["LOADER", "RUNNER", "continuation", "current_workflow", "perform", "set_event"]

_inside: ContextVar[Order | None] = ContextVar("alula_workflow_task", default=None)


def continuation(node: Node[Any] | Remaining[Any]) -> Any:
    """Go on with another node: what the calling task returns, so that its value is that node's.

    Parameters
    ----------
    node
        Of a remote function: ``f.bind(...)``; or a handle that `wait` gave.

    Returns
    -------
    Node or value
        Inside a task of a workflow the node, to be returned. Elsewhere the value: the graph runs at once
        on the engine, and nothing is recorded.

    Raises
    ------
    TypeError
        If it is not a node; or, elsewhere, if it is a handle, or has a part that only a workflow can run:
        a `wait`, a `sleep`, an event or a signal.
    """
    if not isinstance(node, Node | Remaining):
        raise TypeError(f"continuation() takes a node, made by f.bind(...), not {type(node).__name__}")
    if _inside.get() is not None:
        return node
    if isinstance(node, Remaining):
        raise node.misplaced()
    return get(node.execute())


def set_event(key: str, value: Any) -> None:
    """Tell those outside of the workflow something, from inside one of its tasks; see `get_event`.

    A value under the same key takes the place of the one before. What a transaction tells is told when it is
    committed.

    Raises
    ------
    WorkflowError
        If this is no task of a workflow.
    TypeError
        If the key is not text, or the value cannot be pickled.
    FencedError
        If the workflow is another executor's by now, or has failed.
    """
    checked_key(key)
    order = _inside.get()
    if order is None:
        raise WorkflowError("set_event() tells something of the workflow whose task calls it: call it in one")
    stored = patiently(lambda: Packer(order.vault).pack(value))
    if not told_later(key, stored):
        patiently(lambda: tell(order.book.open(), order.book.owner, key, stored))


def current_workflow() -> str | None:
    """Give the id of the workflow whose task calls this; None elsewhere."""
    order = _inside.get()
    return None if order is None else order.creator.workflow


@contextmanager
def _task(order: Order) -> Iterator[None]:
    token = _inside.set(order)
    try:
        yield
    finally:
        _inside.reset(token)


def perform(
    site: bytes, packed: bytes, refs: Sequence[ObjectRef[Any]], *, timed: bool = False
) -> tuple[Reply, Any]:
    """Run one attempt of a task, and what goes on in place after it.

    Parameters
    ----------
    timed
        Whether somebody wants to know when the body begins.

    Returns
    -------
    tuple
        The reply, and the value if it is not to be stored.
    """
    return _perform(Order.of(site, packed, refs), timed=timed)


def _perform(order: Order, *, timed: bool = False) -> tuple[Reply, Any]:
    opener = Opener(order.vault, order.inputs, order.values, order.creator.workflow)
    digest, args, kwargs = patiently(lambda: opener.open(order.call, order.name))
    function = patiently(lambda: opener.function(digest))
    if timed:
        note_start(order)
    with _task(order):
        if isinstance(function, Body):
            return transact(order, function, args, kwargs), None
        started = time()
        value = called(function, args, kwargs)
        span = Span(started, time(), order.attempt)
        if isinstance(value, Remaining):
            value = same(value)
        if isinstance(value, Node):
            return Chain(order, span, _drive).follow(value)
    if order.creator.catch:
        value = value, None
    if order.creator.checkpoint:
        return Reply.made(patiently(lambda: Packer(order.vault).pack(value)), span), None
    return Reply.made(None, span), value


def _run(
    site: bytes,
    packed: bytes,
    refs: Sequence[ObjectRef[Any]],
    wanted: int,
    timed: bool = False,
    attempt: int = 1,
) -> Any:
    """Run one attempt of a task whose engine's call gives one or two references, and of those behind it."""
    began = monotonic()
    order = Order.of(site, packed, refs, attempt)
    reply, value = _perform(order, timed=timed)
    if order.ahead:
        reply = go_ahead(order, reply, _perform, began)
    return reply.plain() if wanted == 1 else (reply.plain(), value)


def _drive(order: Order, tasks: tuple[Task, ...], link: Key, span: Span) -> Output | Fault:
    """Run a graph, some of which runs in place, to its end in this thread; what does not, on the engine."""
    here, graph = Here(), outline(tasks)
    store = order.book.open()
    journal = Journal(store, order.vault, order.book.owner, None)
    journal.expect(tasks)
    aside = Aside(store, order.book.owner.executor)
    place = TaskPlace(Site(store, order.vault, current(), journal, aside), KINDS, RUNNER, perform, here)
    ended: list[Outcome] = []

    def then(outcome: Outcome) -> None:
        ended.append(outcome)
        here.leave()

    def begin(error: BaseException | None) -> None:
        if error is None:
            drive.start()
        else:
            then(Failed(error))

    journal.later = place.site.alarm
    drive = Drive(graph, place, Scope(), journal, then=then, find=journal.past.find, alarm=place.site.alarm)
    journal.record(link, Continued(graph, span), begin)
    try:
        here.serve()
    except BaseException:  # the task was cancelled
        drive.cancel()
        raise
    finally:
        aside.close()
    match ended[0]:
        case Done(values):
            return journal.past.values(values)[0]
        case Failed(error):
            key = next((key for key, found in drive.failures.items() if found is error), None)
            if key is None:  # the graph was not to be had, or not to be recorded
                raise error
            return Fault(place.blamed.get(key, key), pack_error(error))
    raise AssertionError("a drive ends with values or an error")


def _load(vault: Vault, stored: Stored) -> Any:
    """Give a stored value to the engine."""
    return Unpacker(vault).unpack(stored)


RUNNER: Final = Function(_run, TaskOptions())
LOADER: Final = Function(_load, TaskOptions(num_cpus=0, name="workflow output"))
