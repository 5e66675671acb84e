"""Reading what is recorded of a workflow, by any process and without an executor: its output, its calls."""

from time import sleep
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from .._core._gates import gate
from .._core._settings import Settings
from ..errors import WorkflowNotFoundError, WorkflowOutputNotReady
from ..futures import Function, TaskOptions
from ..graph import Node
from ..store import Store
from ._logical import CALL
from ._patience import pauses
from ._records import Records
from ._rows import one_task
from ._tables import TASKS
from ._vault import Stored, Unpacker, Vault

__all__ = ["read_node", "read_output"]


def read_output(store: Store, settings: Settings, workflow_id: str, *, waits: bool = False) -> Any:
    """Give the output of a workflow of a store that this process has open.

    Parameters
    ----------
    waits
        Whether to look again, for half a minute, while the workflow has not ended: for who was told that it
        has, and may be ahead of what this store shows.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow.
    WorkflowExecutionError
        If a task failed; its error is the ``__cause__``.
    WorkflowCancellationError
        If it was cancelled.
    WorkflowOutputNotReady
        If it has not ended, or its output was not recorded.
    """
    vault = Vault.of(settings)
    records = Records.alone(store, vault)
    for pause in (*(pauses() if waits else ()), None):
        found = records.output(workflow_id)
        if isinstance(found, Stored):
            return Unpacker(vault, workflow_id).unpack(found)
        if found is not None:
            raise found
        if pause is not None:
            gate("output.awaited")
            sleep(pause)
    raise WorkflowOutputNotReady(workflow_id, "it has not ended")


def read_node(store: Store, settings: Settings, workflow_id: str, task_id: str | None = None) -> Node[Any]:
    """Give what a task of a workflow was made of: its function and arguments, without options.

    Parameters
    ----------
    task_id
        By default the one that gives the output. Of a child it is what the child was made of.

    Raises
    ------
    WorkflowNotFoundError
        If there is no such workflow, or no task of that id in it.
    SealError
        If what is stored was damaged.
    """
    vault = Vault.of(settings)
    records = Records.alone(store, vault)
    c = TASKS.c
    with store.reading() as connection:
        row = records.workflow(connection, workflow_id)
        mine = one_task(row.number, row.entry) if task_id is None else _named(row.number, task_id)
        asked = select(c.kind, c.name, c.call_digest, c.call).where(mine)
        found = connection.execute(asked).one_or_none()
    if found is None:
        raise WorkflowNotFoundError(workflow_id, task_id)
    stored = Stored(found.call_digest, found.call)
    digest, args, kwargs, _ = vault.unseal(stored, f"the call of {found.name}")
    if found.kind == CALL:
        function = Unpacker(vault, workflow_id).function(digest)
        return Node(Function(function, TaskOptions()), args, kwargs)
    node: Node[Any] = vault.unseal(Stored("", args[0]), f"the child {found.name}")
    return node


def _named(number: int, task_id: str) -> ColumnElement[bool]:
    return and_(TASKS.c.workflow == number, TASKS.c.task_id == task_id)
