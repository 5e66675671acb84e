"""Errors as pages show them: what was raised, in which task, and where."""

from dataclasses import dataclass

from ...errors import AlulaError, TaskError, WorkflowExecutionError
from ...workflow import default_executor

__all__ = ["Failure", "failure_of", "told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something failed.

    Attributes
    ----------
    kind, text
        Class and message of what was raised.
    task_id
        Of the task of the workflow that has failed; None if that is not known.
    traceback
        As it was where it was raised; empty if it did not come with one.
    pid
        The process that ran it.
    """

    kind: str
    text: str
    task_id: str | None = None
    traceback: str = ""
    pid: int | None = None


def told(error: BaseException, task_id: str | None = None) -> Failure:
    """Tell of an error."""
    if isinstance(error, TaskError):
        cause = error.cause
        return Failure(
            kind=type(cause).__name__,
            text=_said(cause),
            task_id=task_id,
            traceback=error.remote_traceback,
            pid=error.pid,
        )
    return Failure(kind=type(error).__name__, text=_said(error), task_id=task_id)


def failure_of(workflow_id: str) -> Failure:
    """Tell why a workflow has failed; one whose error cannot be read says so."""
    try:
        error = default_executor().records.ended_badly(workflow_id)
    except AlulaError as unreadable:
        return told(unreadable)
    except Exception as unreadable:  # the class of a user's error: its module may not be here
        return Failure(kind="Unreadable", text=f"{type(unreadable).__name__}: {unreadable}")
    if isinstance(error, WorkflowExecutionError) and error.__cause__ is not None:
        return told(error.__cause__, error.task_id)
    return Failure(kind="", text="") if error is None else told(error)


def _said(error: BaseException) -> str:
    first = error.args[0] if isinstance(error, KeyError) and error.args else None
    return first if isinstance(first, str) else str(error)
