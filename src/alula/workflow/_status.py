"""The states of a workflow."""

from enum import StrEnum
from typing import Final

__all__ = ["ACTIVE", "WorkflowStatus"]


class WorkflowStatus(StrEnum):
    """Where a workflow stands; equal to its own name as text.

    Attributes
    ----------
    NONE
        Nothing is known of it; no call returns this.
    PENDING
        Accepted, and waiting in the queue for an executor.
    RUNNING
        Owned by an executor that lives.
    SUCCESSFUL
        Its output has its value.
    FAILED
        A task failed and nothing caught it; may be resumed.
    CANCELED
        Somebody cancelled it; may be resumed.
    RESUMABLE
        It was running, and its executor is gone. Never stored: derived from the executor's life.
    """

    NONE = "NONE"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    RESUMABLE = "RESUMABLE"


ACTIVE: Final = (WorkflowStatus.RUNNING, WorkflowStatus.PENDING)
"""Stored of what has not ended; RESUMABLE is derived from these."""
