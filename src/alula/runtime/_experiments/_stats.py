"""How long runs and their tasks took, from the rows that tell when they began and ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ._frames import described
from ._things import pandas

__all__ = ["Stats", "metrics", "span"]

_ENDS = ("task_success", "task_failure", "task_retry")
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures about runs; each is a Series with one number for each run.

    Attributes
    ----------
    rows
        Of these runs, as `Experiment.data` gives them with ``raw=True``, by time.
    """

    rows: Sequence[_Row]

    def latency(self) -> Any:
        """Give the seconds from the first row of each run to its last."""
        return self._series("latency", {run: span(rows) for run, rows in self._by_run().items()})

    def throughput(self) -> Any:
        """Give how many tasks ended in each second of a run; NaN where nothing took any time."""
        found = {
            run: _ratio(sum(row["event"] in _ENDS for row in rows), span(rows))
            for run, rows in self._by_run().items()
        }
        return self._series("throughput", found)

    def utilization(self) -> Any:
        """Give the part of each run during which at least one task was at work, from 0 to 1."""
        found = {run: _ratio(_busy(rows), span(rows)) for run, rows in self._by_run().items()}
        return self._series("utilization", found)

    def group_latency(self) -> Any:
        """Give the mean seconds that a task of each run took."""
        found = {run: _mean([b - a for a, b in _tasks(rows)]) for run, rows in self._by_run().items()}
        return self._series("group_latency", found)

    def metrics(self) -> Any:
        """Give the table of `describe` of each metric, indexed by event and key."""
        return described(metrics(self.rows))

    def _series(self, name: str, found: Mapping[int, float]) -> Any:
        pd = pandas()
        index = pd.Index(list(found), name="run", dtype="int64")
        return pd.Series(list(found.values()), index=index, name=name, dtype="float64")

    def _by_run(self) -> dict[int, list[_Row]]:
        ordered = sorted(self.rows, key=lambda row: row["run"])
        return {run: list(rows) for run, rows in groupby(ordered, key=lambda row: row["run"])}


def metrics(rows: Sequence[_Row]) -> dict[tuple[str, str], list[float]]:
    """Give the numbers of each metric, by ``("metric", key)``."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["event"] == "metric" and isinstance(row["value"], (int, float)):
            found.setdefault(("metric", row["key"]), []).append(row["value"])
    return dict(sorted(found.items()))


def span(rows: Sequence[_Row]) -> float:
    """Give the seconds from the first to the last row; from start to stop, if these are there."""
    times = [row["dt"] for row in rows if row["event"] in ("start", "stop")]
    if len(times) < 2:
        times = [row["dt"] for row in rows]
    return float(max(times) - min(times)) if times else 0.0


def _tasks(rows: Sequence[_Row]) -> list[tuple[float, float]]:
    """Give when each task began and ended."""
    began: dict[str, float] = {}
    found: list[tuple[float, float]] = []
    for row in rows:
        task = row.get("taskid", "")
        if row["event"] == "task_call":
            began[task] = row["dt"]
        elif row["event"] in _ENDS and task in began:
            found.append((began.pop(task), row["dt"]))
    return found


def _busy(rows: Sequence[_Row]) -> float:
    """Give the seconds during which at least one task was at work."""
    total, until = 0.0, float("-inf")
    for began, ended in sorted(_tasks(rows)):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
