"""The status of a workflow under the address that it has in Ray Workflows."""

from ._status import WorkflowStatus

__all__ = ["WorkflowStatus"]


def __getattr__(name: str) -> object:
    raise AttributeError(f"alula.workflow.common has no {name!r}; it has {', '.join(__all__)}")
