"""Lineage: for every task, the exact versions that it read and wrote, recorded with its end.

A task that has touched no object costs nothing. What is temporary or hidden is nobody's business. The kernel
of a notebook is another process than that of its task: what it touches is written at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Final, Literal, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from ..objects import Metadata, Reference, observe_always, observing
from ..store import Prepared, Store
from ._current import TaskContext

__all__ = ["DEPLOYMENTS", "STEPS", "TOUCHED", "Mode", "ensure", "note_for", "recording"]

Mode = Literal["read", "write"]

DEPLOYMENTS: Final = "deployments/"
"""Stands where the prefix of an object's store stands, for what tensor servers load."""

_TABLES: Final = MetaData()
STEPS: Final = Table(
    "lineage_steps",
    _TABLES,
    Column("task", String(255), primary_key=True),
    Column("bucket", String(255), nullable=False),
    Column("action", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("name", String(1024), nullable=False),
    Column("ended", Double, nullable=False),
    Column("succeeded", Boolean, nullable=False),
    Column("writes", Boolean, nullable=False),  # whether it has written anything
    Column("experiment", String(1024)),
    Column("run", Integer),
)
TOUCHED: Final = Table(
    "lineage",
    _TABLES,
    # SQLite counts only plain integers up by itself.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("task", String(255), nullable=False, index=True),  # of a step that may yet have to end
    Column("mode", String(8), nullable=False),
    Column("bucket", String(255), nullable=False),
    Column("prefix", String(32), nullable=False),
    Column("name", String(1024), nullable=False),
    Column("version", Integer, nullable=False),
    Index("lineage_by_object", "bucket", "prefix", "name", "version", "mode"),
)
_Row: TypeAlias = dict[str, object]

_KNOWN: Final = Prepared(select(STEPS.c.task).where(STEPS.c.task == bindparam("task")))
_STEP: Final = Prepared(insert(STEPS), *(column.name for column in STEPS.columns))
_TOUCH: Final = Prepared(insert(TOUCHED), *(column.name for column in TOUCHED.columns if column.name != "id"))


@dataclass(frozen=True, slots=True)
class _Touch:
    mode: Mode
    bucket: str
    prefix: str
    name: str
    version: int


def ensure(store: Store) -> None:
    """Make the tables, where there are none."""
    store.ensure("lineage", 1, _TABLES)


@contextmanager
def recording(context: TaskContext) -> Iterator[None]:
    """Record what a task reads and writes, in the transaction that ends its attempt."""
    touched: dict[_Touch, None] = {}
    if context.attempt > 1:  # what an attempt before has touched led to nothing
        _forget(context)

    def told(mode: Mode, metadata: Metadata) -> None:
        if not _is_private(metadata.name):
            touch = _Touch(mode, metadata.bucket, metadata.prefix, metadata.name, metadata.version)
            if mode == "write" or replace(touch, mode="write") not in touched:  # its own, read again
                touched[touch] = None

    try:
        with observing(told):
            yield
    except BaseException:  # whatever ends a task, an interrupt included
        _at_end(context, touched, succeeded=False)
        raise
    _at_end(context, touched, succeeded=True)


def _at_end(context: TaskContext, touched: dict[_Touch, None], *, succeeded: bool) -> None:
    for key, version in context.notes.get("deployments", {}).items():
        touched[_Touch("write", context.bucket, DEPLOYMENTS, key, version)] = None
    if (made := context.notes.get("made")) is not None:
        touched |= dict.fromkeys(_made(made))
    if touched:
        ensure(context.objects.store)
        context.at_end(_writing(context, list(touched), succeeded))


def _made(metadata: Metadata) -> Iterator[_Touch]:
    """Give what an attempt has touched that stored a version and died, as the version tells it."""
    bucket = metadata.bucket
    yield _Touch("write", bucket, metadata.prefix, metadata.name, metadata.version)
    dataset = metadata.attributes.get("dataset", {})
    for name, facts in (("Xname", "Xmeta"), ("Yname", "Ymeta")):
        if dataset.get(name) is not None and dataset.get(facts) is not None:
            read = Reference.parse(dataset[name]).name
            yield _Touch("read", bucket, "data/", read, dataset[facts]["version"])


def _writing(context: TaskContext, touched: list[_Touch], succeeded: bool) -> Callable[[Connection], None]:
    experiment, run = context.notes.get("run", (None, None))
    step: _Row = {
        "task": context.id,
        "bucket": context.bucket,
        "action": context.action,
        "kind": context.kind,
        "name": context.name,
        "ended": context.objects.store.clock.time(),
        "succeeded": succeeded,
        "writes": any(touch.mode == "write" for touch in touched),
        "experiment": experiment,
        "run": run,
    }
    rows: list[_Row] = [{"task": context.id, **asdict(touch)} for touch in touched]
    return partial(_write, step, rows)


def _write(step: _Row, rows: list[_Row], connection: Connection) -> None:
    if step["kind"] == "job" and not step["writes"]:  # its kernel may have written
        mine = (TOUCHED.c.task == step["task"]) & (TOUCHED.c.mode == "write")
        step["writes"] = connection.execute(select(TOUCHED.c.id).where(mine).limit(1)).first() is not None
    if _KNOWN(connection, {"task": step["task"]}).fetchone() is not None:
        # By an attempt whose end nobody heard of, and which may not have said that it began.
        for table in (TOUCHED, STEPS):
            connection.execute(delete(table).where(table.c.task == step["task"]))
    _STEP(connection, step)
    _TOUCH.many(connection, rows)


def _forget(context: TaskContext) -> None:
    store = context.objects.store
    ensure(store)
    with store.transaction() as connection:
        for table in (TOUCHED, STEPS):
            connection.execute(delete(table).where(table.c.task == context.id))


def note_for(task: str, store: Store) -> None:
    """Note from now on what this process reads and writes, for the task whose notebook it runs."""
    ensure(store)
    noted: set[_Touch] = set()

    def told(mode: Mode, metadata: Metadata) -> None:
        touch = _Touch(mode, metadata.bucket, metadata.prefix, metadata.name, metadata.version)
        own = replace(touch, mode="write") in noted
        if _is_private(metadata.name) or touch in noted or own:
            return
        noted.add(touch)
        with store.transaction() as connection:
            _TOUCH(connection, {"task": task, **asdict(touch)})

    observe_always(told)


def _is_private(name: str) -> bool:
    return name.startswith((".", "_", "experiments/")) or "/_" in name
