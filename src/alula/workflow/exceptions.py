"""Ray's names of the errors, so that ``except workflow.exceptions.WorkflowError`` goes on working."""

from ..errors import ArtifactNotFoundError as KeyNotFoundError
from ..errors import (
    StoreError,
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowStillActiveError,
    WorkflowTaskNotRecoverableError,
)

# One store keeps all, and what goes wrong there goes wrong alike for who reads and who writes.
DataLoadError = DataSaveError = StoreError
WorkflowRunningError = WorkflowStillActiveError

__all__ = [
    "DataLoadError",
    "DataSaveError",
    "KeyNotFoundError",
    "WorkflowCancellationError",
    "WorkflowError",
    "WorkflowExecutionError",
    "WorkflowNotFoundError",
    "WorkflowNotResumableError",
    "WorkflowRunningError",
    "WorkflowStillActiveError",
    "WorkflowTaskNotRecoverableError",
]


def __getattr__(name: str) -> object:
    raise AttributeError(f"alula.workflow.exceptions has no {name!r}; it has {', '.join(__all__)}")
