"""Reading the output of a workflow that has ended, by any process and without an executor."""

from typing import Any

from .._core._settings import Settings
from ..errors import WorkflowOutputNotReady
from ..store import Executors, Store
from ._records import Records
from ._tables import METADATA, VERSION
from ._vault import Unpacker, Vault

__all__ = ["read_output"]


def read_output(store: Store, settings: Settings, workflow_id: str) -> Any:
    """Give the output of a workflow of a store that this process has open.

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
    store.ensure("workflow", VERSION, METADATA)
    vault = Vault.of(settings)
    records = Records(store, Executors(store), vault, lambda row: None)
    end = records.end(workflow_id, None)  # before the value: what ended in between has it by now
    value = records.value(workflow_id, None)
    if value is not None:
        return Unpacker(vault, workflow_id).unpack(value)
    raise end or WorkflowOutputNotReady(workflow_id, "it has not ended")
