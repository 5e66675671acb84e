"""The id of the task whose code this is, also in the kernel of a notebook, which is a process of its own."""

import os
from typing import Final

from ._current import current_task

__all__ = ["task_id", "task_of_kernel"]

_VARIABLE: Final = "ALULA_TASK"


def task_of_kernel() -> str | None:
    """Give the id of the task whose notebook's kernel this process is; None if it is none."""
    return os.environ.get(_VARIABLE)


def task_id() -> str | None:
    """Give the id of the task that runs here; None outside of any."""
    task = current_task()
    return task_of_kernel() if task is None else task.id
