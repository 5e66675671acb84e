"""Transactions: tasks whose writes to the store's database and whose result are one commit.

The body runs in a worker like that of any other task, with a connection to the database in which the
workflow is recorded. When it has returned, the fence of the workflow's owner is asked and the result is
written, in the same transaction. So either both are there or neither is, whoever dies at what moment; and
a task that has a result never runs again.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial, update_wrapper
from time import time
from typing import Any, Concatenate, Final, Generic, NoReturn, ParamSpec, TypeVar, get_args, overload

from sqlalchemy import Connection, select

from ..errors import StoreUnavailableError, WorkflowError
from ..futures import RemoteFunction, remote
from ..graph import Graph, Node
from ..store import Isolation, Store
from ._handles import Remaining
from ._needed import read_needed
from ._orders import Order
from ._patience import patiently
from ._published import write
from ._replies import Reply
from ._rows import heads_of, one_task, read_names, task_of, write_growth, write_value
from ._splits import same
from ._tables import TASKS
from ._tasks import Span, Task, tasks_of
from ._vault import Packer, Stored
from ._watch import TOPIC

__all__ = ["TIMEOUT", "Body", "told_later", "transact", "transaction"]

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT: Final = 5.0
"""Seconds that a transaction may take, unless its options say otherwise: on SQLite all others wait for it."""


class Body(Generic[P, T]):
    """What a transaction does: a function that is given a connection first.

    Attributes
    ----------
    isolation
        What it sees of other transactions.
    """

    __wrapped__: Callable[Concatenate[Connection, P], T]

    def __init__(self, function: Callable[Concatenate[Connection, P], T], isolation: Isolation) -> None:
        update_wrapper(self, function)
        self.isolation = isolation

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the function, for those who do not give the connection."""
        signature = inspect.signature(self.__wrapped__)
        return signature.replace(parameters=[*signature.parameters.values()][1:])

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> NoReturn:
        """Refuse: without a workflow there is no record with which it could be committed."""
        name = f"{self.__wrapped__.__module__}.{self.__wrapped__.__qualname__}"
        raise WorkflowError(f"{name} is a transaction: run it in a workflow, workflow.run(f.bind(...))")


@overload
def transaction(function: Callable[Concatenate[Connection, P], T], /) -> RemoteFunction[P, T]: ...
@overload
def transaction(
    *, isolation: Isolation = "SERIALIZABLE"
) -> Callable[[Callable[Concatenate[Connection, P], T]], RemoteFunction[P, T]]: ...
def transaction(function: Any = None, /, *, isolation: Isolation = "SERIALIZABLE") -> Any:
    """Make a task of a function that writes to the store's database, once, whatever dies at what moment.

    The function is given an SQLAlchemy `Connection` as its first argument, in a transaction; those who
    `bind` it give the others. When it returns, its result is recorded in the same transaction, which is
    then committed; if it raises, all that it did is undone. It may neither commit nor roll back, but may
    undo a part with ``connection.begin_nested()``. An ORM's ``Session(connection)`` works as well.

    Its attempts and their limits are those of any task, each in a transaction of its own; where another
    transaction was in the way, it is begun anew without counting. It may take 5 seconds, including the time
    it waits for other writers, unless ``workflow.options(timeout=...)`` says otherwise. It is always
    recorded, so `checkpoint=False` is refused, and `allow_inplace` too, for it runs in a worker.

    Parameters
    ----------
    isolation
        What it sees of other transactions on Postgres. On SQLite nobody else writes meanwhile.

    Returns
    -------
    RemoteFunction
        For ``.bind(...)``.

    Raises
    ------
    TypeError
        If it is no function, an ``async def`` or a generator, or takes no connection.
    ValueError
        If there is no such isolation.

    Examples
    --------
    >>> from sqlalchemy import Connection, text
    >>> @transaction
    ... def pay(connection: Connection, account: str, amount: int) -> None:
    ...     order = text("UPDATE accounts SET balance = balance + :amount WHERE name = :name")
    ...     connection.execute(order, {"amount": amount, "name": account})
    >>> pay.bind("Ada", 5)
    <node pay>
    """
    if isolation not in get_args(Isolation):
        raise ValueError(f"isolation is one of {get_args(Isolation)}, not {isolation!r}")
    if function is None:
        return partial(_made, isolation=isolation)
    return _made(function, isolation)


def _made(function: Any, isolation: Isolation) -> RemoteFunction[..., Any]:
    if not inspect.isfunction(function):
        raise TypeError(f"@workflow.transaction stands directly above a function, not above {function!r}")
    name = f"{function.__module__}.{function.__qualname__}"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} is async def, and the connection of a transaction is not: make it def")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{name} yields, and a transaction ends with one value: let it return a list")
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise TypeError(f"{name} takes no connection: a transaction is given one as its first argument")
    made: RemoteFunction[..., Any] = remote(Body(function, isolation))
    return made.options(metadata={"timeout": TIMEOUT, "transaction": True})


# ------------------------------------------------------------------------------------- in the worker


@dataclass(frozen=True, slots=True)
class _Made:
    """What the body of a transaction has come to.

    Attributes
    ----------
    result
        Its value; or the tasks that give it, with their sealed options.
    span
        When it ran.
    events
        What it tells those outside.
    """

    result: Stored | tuple[Task, ...]
    heads: Sequence[bytes]
    span: Span
    events: Mapping[str, Stored] = field(default_factory=dict)


_events: ContextVar[dict[str, Stored] | None] = ContextVar("alula_workflow_transaction", default=None)


def told_later(key: str, value: Stored) -> bool:
    """Keep what a transaction tells those outside until it is committed; false if none is open here."""
    if (events := _events.get()) is None:
        return False
    events[key] = value
    return True


def transact(order: Order, body: Body[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Reply:
    """Run the body of a task in a transaction, and record its result there.

    Raises
    ------
    FencedError
        If the workflow is another executor's by now, or has ended.
    """
    store = order.book.open()
    if (known := patiently(lambda: _known(order, store))) is not None:
        return known  # whoever did this has died before anybody heard of it
    run, record = partial(_run, order, body, args, kwargs), partial(_record, order)
    fence = order.book.owner.with_output
    try:
        made = patiently(lambda: store.lend(run, record, fence=fence, isolation=body.isolation))
    except _RecordedError:
        if (known := patiently(lambda: _known(order, store))) is None:
            raise order.book.owner.refused() from None
        return known
    if made.events:
        store.ring(TOPIC)
    return _reply(made.result, made.span)


def _run(
    order: Order, body: Body[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], connection: Connection
) -> _Made:
    events: dict[str, Stored] = {}
    token, started = _events.set(events), time()
    try:
        value = body.__wrapped__(connection, *args, **kwargs)
    except StoreUnavailableError as error:
        error.of_task = True  # it has used some store, but not this connection, which says DBAPIError
        raise
    finally:
        _events.reset(token)
    span = Span(started, time(), order.attempt)
    if isinstance(value, Remaining):
        value = same(value)
    if isinstance(value, Node):
        graph = Graph.of(value, creator=order.creator.key)
        tasks = tasks_of(graph, order.vault, creator=order.creator)
        return _Made(tasks, heads_of(order.vault, tasks), span, events)
    stored = Packer(order.vault).pack((value, None) if order.creator.catch else value)
    return _Made(stored, (), span, events)


class _RecordedError(Exception):
    """Another attempt at the task has been recorded meanwhile."""


def _record(order: Order, connection: Connection, made: _Made) -> None:
    owner, key = order.book.owner, order.creator.key
    for name, value in made.events.items():
        write(connection, owner, name, value, made.span.ended)
    if isinstance(made.result, Stored):
        is_first = write_value(connection, owner.number, key, made.result, made.span)
    else:
        names = read_names(connection, owner.number)
        is_first = write_growth(connection, owner.number, key, made.result, made.heads, made.span, names)
    if not is_first:
        raise _RecordedError


def _known(order: Order, store: Store) -> Reply | None:
    """Give the reply of an attempt that was recorded before."""
    number, key, c = order.book.owner.number, order.creator.key, TASKS.c
    asked = select(c.digest, c.value, c.pointer, c.started, c.ended).where(one_task(number, key))
    with store.reading() as connection:
        row = connection.execute(asked).one_or_none()
        if row is None or (row.digest is None and row.pointer is None):
            return None
        span = Span(row.started, row.ended, 1)
        if row.digest is not None:
            return _reply(Stored(row.digest, row.value), span)
        made = read_needed(connection, number, key)
    return _reply(tuple([task_of(order.vault, each) for each in made]), span)


def _reply(result: Stored | tuple[Task, ...], span: Span) -> Reply:
    return Reply(result=result, started=span.started, ended=span.ended, written=True)
