"""What is said of workflows that cannot be had as they were asked for."""

from ..errors import WorkflowError, WorkflowTimeoutError
from ._code import changed
from ._journal import Submission
from ._records import WorkflowRow
from ._status import WorkflowStatus
from ._texts import checked_text

__all__ = ["checked_id", "difference", "exists", "what_now"]


def difference(row: WorkflowRow, given: Submission) -> str:
    """Say how a recorded workflow differs from what was submitted, if it does."""
    if row.shape != given.shape:
        return "made of another graph"
    other = changed(row.code, given.code)
    return f"with other code of {', '.join(other)}" if other else ""


def exists(workflow_id: str, status: WorkflowStatus) -> WorkflowError:
    """Give the error for an id that is taken."""
    return WorkflowError(
        f"workflow {workflow_id!r} exists already, and is {status}: take another id, or delete it first"
    )


def what_now(workflow_id: str, status: WorkflowStatus, error: BaseException) -> str:
    """Say what can be done about a workflow that has no output, and why."""
    if isinstance(error, WorkflowTimeoutError):
        return (
            f"it is {status}, for its time of {error.seconds:g} s was over; fork() goes on without a limit, "
            "and run(..., on_conflict='restart') begins anew"
        )
    return f"it is {status}; resume({workflow_id!r}) goes on with it"


def checked_id(given: object) -> str:
    """Give an id; `TypeError` or `ValueError` if it is none."""
    return checked_text("a workflow_id", given)
