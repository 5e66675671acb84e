"""Lines of metrics as ``static/charts.js`` draws them: over one axis, with gaps where a run has nothing."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from ...runtime import Series

__all__ = ["chart_of", "is_line"]


def chart_of(
    series: Sequence[Series], metric: str, *, x_label: str = "step", labels: Mapping[int, str] | None = None
) -> dict[str, Any] | None:
    """Give the facts of a chart with a line for each run; None if nothing makes a line.

    Parameters
    ----------
    labels
        By the number of the run; ``run 3`` by default.
    """
    if not any(map(is_line, series)):
        return None
    places = sorted({where for each in series for where, _ in each.points})
    at = {where: n for n, where in enumerate(places)}
    lines = []
    for each in series:
        values: list[float | None] = [None] * len(places)
        for where, much in each.points:
            values[at[where]] = much if isfinite(much) else None
        lines.append({"label": (labels or {}).get(each.run, f"run {each.run}"), "values": values})
    whole = all(each.whole for each in series)
    return {"x": places, "series": lines, "x_label": x_label, "y_label": metric, "whole": whole}


def is_line(series: Series) -> bool:
    """Tell whether there is more than a point of it."""
    return len(series.points) > 1
