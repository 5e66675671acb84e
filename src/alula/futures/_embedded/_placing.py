"""Whether a worker can be had at all: what tasks and actors demand, compared with the machine.

What the machine lacks for good is no error: the task waits, and one warning says by name what is missing.
Only who insists on another machine by its id is refused.
"""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .._options import Shape
from ._machine import Machine

__all__ = ["amounts", "limit", "refusal", "warn_of"]

_PACKAGE: Final = str(Path(__file__).parents[1])
_FOR_NOTHING: Final = 16  # workers for tasks that hold nothing: as many as a small machine bears


def amounts(machine: Machine, shape: Shape) -> dict[str, float]:
    """Give the amounts to ask the node for; a label that is not as it must be is one that nobody has."""
    wrong = {f"label {k}: {c}": 1.0 for k, c in shape.labels if not c.holds(machine.labels.get(k))}
    return {**dict(shape.amounts), **wrong}


def refusal(machine: Machine, shape: Shape) -> str:
    """Say why it is refused, or nothing if it is not."""
    if shape.node in ("", machine.node_id):
        return ""
    return f"it must run on the node {shape.node}, and there is only {machine.node_id}"


def limit(machine: Machine, wanted: Mapping[str, float]) -> int:
    """Give how many workers with these amounts can be had at once."""
    if not wanted:
        return _FOR_NOTHING
    return min(int(machine.resources.get(name, 0) / amount + 1e-9) for name, amount in wanted.items())


def warn_of(machine: Machine, what: str, wanted: Mapping[str, float]) -> None:
    """Warn that something will wait for ever, at the line of the user's that asked for it."""
    lacking = {name: amount for name, amount in wanted.items() if machine.resources.get(name, 0) < amount}
    warnings.warn(
        f"{what} will wait for ever: no worker can have {lacking}. There are {dict(machine.resources)}, and "
        f"the labels {dict(machine.labels)}",
        RuntimeWarning,
        stacklevel=_depth(),
    )


def _depth() -> int:
    """Count the frames of ours that lead here."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, depth = frame.f_back, depth + 1
    return depth
