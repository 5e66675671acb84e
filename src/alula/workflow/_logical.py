"""Logical tasks: nodes of a workflow that wait for something, and hold no worker while they do.

A call runs on the engine. A task of any other kind is settled in the executor's process, by the place
that is registered for its kind; it is stored, recorded and recovered like any other task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["CALL", "DUE", "Logical"]

CALL: Final = "call"
"""The kind of tasks that run on the engine."""

DUE: Final = "due"
"""The kind of tasks whose value is a time: so many seconds after they began, in UNIX seconds."""


@dataclass(frozen=True, slots=True)
class Logical:
    """The function of a node that is no call: ``Node(Logical("sleep", "workflow.sleep"), (3.0,))``.

    Attributes
    ----------
    kind
        Says which place settles it.
    name
        What its task id is made of, unless the node's options name it.
    facts
        What has to be known of it before its arguments are opened; kept with its options.
    """

    kind: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name
