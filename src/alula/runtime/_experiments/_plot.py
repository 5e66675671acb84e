"""Pictures of metrics: one line for each run over its steps, or one point for each run."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

from ...errors import MissingExtraError

__all__ = ["draw"]


def draw(rows: Sequence[dict[str, Any]], key: str, x: Literal["step", "run"], ax: Any) -> Any:
    """Draw a metric, and give the axes.

    Parameters
    ----------
    rows
        Of that metric, by time.
    ax
        Where to draw; None makes a new figure.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", "plotting metrics") from error
    axes = pyplot.subplots()[1] if ax is None else ax
    ordered = sorted(rows, key=lambda row: row["run"])
    by_run = {run: list(found) for run, found in groupby(ordered, key=lambda row: row["run"])}
    if x == "run":
        axes.plot(list(by_run), [found[-1]["value"] for found in by_run.values()], marker="o", label=key)
    else:
        for run, found in by_run.items():
            steps = [i if row["step"] is None else row["step"] for i, row in enumerate(found)]
            axes.plot(steps, [row["value"] for row in found], marker=".", label=f"run {run}")
    axes.set_xlabel(x)
    axes.set_ylabel(key)
    if by_run:
        axes.legend()
    return axes
