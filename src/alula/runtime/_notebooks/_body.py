"""The body of a task that runs a notebook."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ...objects import Metadata
from .._current import TaskContext
from .._logging import LogStore
from .._opened import opened
from .._orders import Order
from ._kernels import kernels
from ._parameters import source_of
from ._running import NotebookRun, run_notebook

__all__ = ["How", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What a run of a notebook is told besides its parameters.

    Attributes
    ----------
    timeout
        Seconds that each cell may take; None for what the notebook says, or no limit.
    part
        The name of the part of a `map` that it is; empty if it is none.
    """

    timeout: float | None = None
    part: str = ""


def run(order: Order, how: How) -> Metadata:
    """Run a notebook; give the metadata of the notebook with its outputs."""
    kernels().open()  # which takes its time, beside what follows
    with opened(order) as at:
        what = NotebookRun(
            job=order.name,
            settings=order.settings,
            task=order.task,
            attempt=at.attempt.number,
            part=how.part,
            args=order.args,
            kwargs=order.kwargs,
            before=_before(at.context),
            timeout=how.timeout,
            report=at.context.progress,
            mask=LogStore(at.catalogs.store, order.settings.bucket).mask(),
            heard=_silent if order.logging is None else _print,
        )
        return run_notebook(at.catalogs.jobs, what)


def _print(name: str, text: str) -> None:
    """Print in this process what a cell has printed in another, so that it is captured like any."""
    print(text, end="", file=sys.stderr if name == "stderr" else sys.stdout)


def _silent(name: str, text: str) -> None:
    """Keep what a cell prints to its notebook."""


def _before(context: TaskContext) -> Mapping[str, str]:
    """Write what earlier tasks gave, for a notebook that comes after them."""
    order = context.order
    if order.results is not None:
        values = zip(context.results or (), order.results, strict=True)
        return {"results": f"[{', '.join([source_of(value, task) for value, task in values])}]"}
    if order.previous is not None:
        return {"previous": source_of(context.previous, order.previous)}
    return {}
