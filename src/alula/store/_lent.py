"""Transactions that are lent to the code of others, which may do in one what it likes, but not end it.

What that code has done and what is recorded of it are to be one commit. So a commit or rollback of its own
is refused before it happens; and because a driver can be reached past all of that, a savepoint is set
before and looked for afterwards. It is gone if the transaction is another one by then.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, NoReturn, TypeAlias

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..errors import TransactionError

__all__ = ["RESERVED", "Isolation", "is_lent", "lent"]

Isolation: TypeAlias = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
"""What transactions that run at the same time see of each other; on SQLite there is only the last."""

RESERVED: Final = frozenset(
    {
        "deployments",
        "executor_beats",
        "executors",
        "experiment_rows",
        "experiment_runs",
        "experiments",
        "layers",
        "lineage",
        "lineage_steps",
        "log_keeping",
        "logs",
        "object_counters",
        "object_orphans",
        "object_parts",
        "object_tags",
        "object_versions",
        "objects",
        "runtime_attempts",
        "runtime_cache",
        "runtime_families",
        "runtime_progress",
        "workflow_attempts",
        "workflow_events",
        "workflow_messages",
        "workflow_queues",
        "workflow_schedules",
        "workflow_starts",
        "workflow_tasks",
        "workflows",
        "writers",
    }
)
"""Names of tables that are Alula's own."""

_MARK: Final = "alula_lent"  # the savepoint, and the execution option of a connection that is lent

_SPACE: Final = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_ENDS: Final = re.compile(
    _SPACE + r"(COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|PREPARE\s+TRANSACTION|"
    r"ROLLBACK(?!\s+(?:TRANSACTION\s+|WORK\s+)?TO\b))\b",
    re.IGNORECASE | re.DOTALL,
)
_CHANGES: Final = re.compile(
    _SPACE + r"(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?(?:\s+ONLY)?|"
    r"DELETE\s+FROM(?:\s+ONLY)?|CREATE\s+TABLE(?:\s+IF\s+NOT\s+EXISTS)?|TRUNCATE(?:\s+TABLE)?|"
    r"(?:DROP|ALTER)\s+TABLE(?:\s+IF\s+EXISTS)?(?:\s+ONLY)?)\s+[\"`\[]?(\w+)(?![\"`\]]?\s*\.)\b",
    re.IGNORECASE | re.DOTALL,
)


@contextmanager
def lent(connection: Connection, told: Callable[[DBAPIError], object]) -> Iterator[None]:
    """Lend a transaction for as long as the block lasts; the connection is in it before and after.

    Parameters
    ----------
    told
        Gives something if an error is one of the store, rather than of a statement.

    Raises
    ------
    TransactionError
        If the block has ended it, or has tried to; whatever the block made of that error.
    """
    guard = _Guard(connection)
    connection.exec_driver_sql(f"SAVEPOINT {_MARK}")
    guard.on = True
    connection.execution_options(**{_MARK: True})
    try:
        yield
    finally:
        guard.end()
        if guard.refused is not None:
            _drop(connection)
    if guard.refused is not None:
        raise guard.refused
    try:
        connection.exec_driver_sql(f"RELEASE SAVEPOINT {_MARK}")
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and told(error):
            raise
        _drop(connection)
        why = "it was ended by its own code, or a statement of it has failed and was passed over"
        raise TransactionError(why) from error
    connection.execution_options(**{_MARK: False})


def is_lent(context: ExceptionContext) -> bool:
    """Tell whether an error is about a statement of others, who are to be told in SQLAlchemy's words."""
    return context.connection is not None and bool(context.connection.get_execution_options().get(_MARK))


def _drop(connection: Connection) -> None:
    """Close a connection for good: nobody knows what it is in by now."""
    if not connection.closed:
        connection.invalidate()


class _Guard:
    """Refuses what would end a transaction, or change a table of ours.

    Attributes
    ----------
    on
        Whether it does.
    refused
        What it has raised last.
    """

    def __init__(self, connection: Connection) -> None:
        self.on = False
        self.refused: TransactionError | None = None
        self._connection = connection
        self._heard: dict[str, Callable[..., None]] = {
            "commit": self._commit,
            "rollback": self._roll_back,
            "before_cursor_execute": self._look,
        }
        for name, refuse in self._heard.items():
            event.listen(connection, name, refuse)

    def end(self) -> None:
        """Refuse nothing any more."""
        self.on = False
        for name, refuse in self._heard.items():
            event.remove(self._connection, name, refuse)

    def _commit(self, connection: Connection) -> None:
        if self.on:
            self._refuse("its code may not commit it")

    def _roll_back(self, connection: Connection) -> None:
        if self.on:
            self._refuse("its code may not roll it back")

    def _look(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        if not self.on:
            return
        if (found := _ENDS.match(statement)) is not None:
            self._refuse(f"its code may not {found[1].upper()}")
        found = _CHANGES.match(statement)
        if found is not None and found[1].lower() in RESERVED:
            self._refuse(f"the table {found[1]!r} is Alula's own; give yours another name")

    def _refuse(self, why: str) -> NoReturn:
        self.refused = TransactionError(why)
        raise self.refused
