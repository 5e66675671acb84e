"""Reading: what was logged, as rows and tables, and which runs are the better ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

from sqlalchemy import func, select

from ...errors import NameNotFoundError, suggest
from ._frames import compared, described, framed
from ._ledger import Run
from ._plot import draw
from ._recorder import Recorder
from ._search import own_facts, parse
from ._selection import Rows, Runs, Selection, pick_runs
from ._stats import Stats, metrics, span
from ._tables import ROWS, RUNS
from ._things import concatenated, restore
from ._times import Moment, moment

__all__ = ["Later", "Reader"]

How = Literal["last", "first", "min", "max", "mean"]
_NUMBERS: Final[dict[str, Callable[[Any], Any]]] = {"min": func.min, "max": func.max, "mean": func.avg}


class Later:
    """Rows that are read when somebody asks for them; iterating gives dicts, one by one."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def value(self) -> Any:
        """All of them, as a frame."""
        return framed(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)


class Reader(Recorder):
    """The side of an experiment that reads."""

    _others: Callable[[str], "Reader"]  # opens one that there is

    def status(self, run: int | None = None) -> Literal["PENDING", "STARTED", "STOPPED", "FAILED"]:
        """Tell where a run stands, the latest by default; ``PENDING`` means that there is none.

        To ask changes nothing: what is logged afterwards still needs a run that is active here.
        """
        found = pick_runs(run, self._ledger.runs(), None)
        return found[-1].status if found else "PENDING"

    def runs(self) -> list[Run]:
        """Give all runs, by number, with their status, times and errors."""
        return self._ledger.runs()

    def data(
        self,
        run: Runs = None,
        event: str | Sequence[str] | None = None,
        step: int | Sequence[int] | None = None,
        key: str | Sequence[str] | None = None,
        experiment: str | None = None,
        since: Moment | None = None,
        end: Moment | None = None,
        raw: bool = False,
        lazy: bool = False,
        batchsize: int | None = None,
        slice: slice | tuple[int, int] | None = None,  # noqa: A002 - the word that programs know
        **extra: Any,
    ) -> Any:
        """Give what was logged, by time.

        Parameters
        ----------
        run
            A number; -1 is the latest, and what lies before the first run is the first; several; a slice of
            numbers; ``"*"`` or ``"all"``. By default the active run, or else the latest; all, if a task is
            asked for.
        event, step, key
            One, or one of several.
        experiment
            The name of another experiment to read.
        since, end
            A time (UTC without a zone), a timedelta or a text such as ``"10h"`` before now, or ISO text.
            ``"-1d"`` is the beginning of yesterday. Both ends are included.
        raw
            Give a list of dicts, for which pandas is not needed; ``dt`` is in UNIX seconds.
        lazy
            Read nothing yet: ``.value`` of what is given is the frame.
        batchsize
            Give an iterator over parts of so many rows.
        slice
            Of the rows that are found, from and to which.
        extra
            ``taskid``, or any column that was logged besides; one, or one of several.

        Returns
        -------
        DataFrame
            With the columns experiment, run, step, event, key, value, dt (UTC), node, userid, and those that
            were logged besides; without rows if there are none.

        Raises
        ------
        ValueError
            If a text means no run or time.
        NameNotFoundError
            If there is no such other experiment.
        """
        task = extra.pop("taskid", None)
        reader = self if experiment in (None, self.name) else self._others(str(experiment))
        given = "*" if run is None and task is not None else run
        rows = reader._rows(given, event, step, key, since, end, task, extra, _part(slice))
        if lazy:
            return Later(rows)
        if batchsize is not None:
            if batchsize < 1:
                raise ValueError(f"batchsize={batchsize!r} is no number of rows")
            return _batches(rows, batchsize, raw)
        return list(rows) if raw else framed(rows)

    @property
    def stats(self) -> Stats:
        """Figures about all runs: latency, throughput, utilization, metrics."""
        return Stats(self.data("*", raw=True))

    def summary(self, perf_stats: bool = False, run: Runs = "*") -> Any:
        """Give a table of `describe`, indexed by event and key.

        Parameters
        ----------
        perf_stats
            Whether to add, as for the latency, the utilization and the latency of tasks.
        run
            As for `data`; all by default.

        Returns
        -------
        DataFrame
            One row for each metric, over all its values, and ``("run", "latency")``: the seconds from start
            to stop, over the runs. The columns are count, mean, std, min, 25%, 50%, 75%, max.
        """
        stats = Stats(self.data(run, raw=True))
        numbers: dict[tuple[str, str], Sequence[float]] = {**metrics(stats.rows)}
        numbers["run", "latency"] = [span(rows) for rows in stats._by_run().values()]
        if perf_stats:
            numbers["run", "utilization"] = list(stats.utilization())
            numbers["run", "group_latency"] = list(stats.group_latency())
        return described(numbers)

    def restore_artifacts(
        self, key: str | Sequence[str] | None = None, run: Runs = None, value: Any = None, **where: Any
    ) -> list[Any]:
        """Give the artifacts that were logged, in order.

        Parameters
        ----------
        key, run, where
            As for `data`; the event is ``"artifact"`` unless another is named.
        value
            What stands in a row, to get the object for which it stands.

        Raises
        ------
        NameNotFoundError
            If one was dropped.
        """
        if value is not None:
            return [restore(value, self._catalogs)]
        found = self.data(run, key=key, raw=True, **{"event": "artifact", **where})
        return [restore(row["value"], self._catalogs) for row in found]

    def restore_data(
        self, key: str, run: Runs = None, event: str | Sequence[str] = "data", concat: bool = True
    ) -> Any:
        """Give the data that were logged under a key.

        Parameters
        ----------
        run, event
            As for `data`.
        concat
            Whether to give one object: rows of frames, series and arrays after each other, items of lists.
            Others come as a list.

        Raises
        ------
        NameNotFoundError
            If there are none under that key; says which is nearest.
        """
        parts = [restore(row["value"], self._catalogs) for row in self.data(run, event, key=key, raw=True)]
        if not parts:
            known = {row["key"] for row in self.data(run, event, raw=True)}
            raise self._missing(key, known)
        return concatenated(parts) if concat else parts

    def compare(
        self, runs: Runs = "*", keys: str | Sequence[str] | None = None, *, value: How = "last"
    ) -> Any:
        """Give a table with one row for each run.

        Parameters
        ----------
        runs
            As `run` of `data`; all by default.
        keys
            Of parameters and metrics; all by default.
        value
            Which value of a metric: the last one that was logged, the first, min, max or mean.

        Returns
        -------
        DataFrame
            Indexed by the number of the run: status, started, seconds, parent, and then ``metrics.KEY`` and
            ``params.KEY``.

        Raises
        ------
        ValueError
            If `value` is none of these.
        """
        picked = pick_runs(runs, self._ledger.runs(), self.active_run())
        return compared(picked, self._facts(picked, keys, value))

    def search(self, expression: str, *, value: How = "last") -> Any:
        """Give the runs that pass a test, as `compare` does.

        Parameters
        ----------
        expression
            Such as ``metrics.acc > .9 and (params.model = "tree" or not status = "FAILED")``. There are
            ``metrics.KEY``, ``params.KEY``, ``run``, ``status``, ``seconds``; ``= != < <= > >= like``; and,
            or, not and brackets. A key with blanks stands in backticks. What a run does not have passes no
            test.
        value
            As for `compare`.

        Raises
        ------
        ValueError
            If it cannot be read; quotes what is not understood.
        """
        read = parse(expression)
        known = self._ledger.runs()
        facts = self._facts(known, sorted(read.keys), value) if read.keys else {}
        found = [run for run in known if read.test({**own_facts(run), **facts.get(run.number, {})})]
        return compared(found, self._facts(found, None, value))

    def plot(self, key: str, x: Literal["step", "run"] = "step", run: Runs = "*", ax: Any = None) -> Any:
        """Draw a metric and give the axes of matplotlib.

        Parameters
        ----------
        key
            Of the metric.
        x
            ``"step"``: a line for each run; rows without a step are counted. ``"run"``: the last values.
        run
            As for `data`; all by default.
        ax
            Axes to draw on; those of a new figure by default.

        Raises
        ------
        NameNotFoundError
            If no run has such a metric; says which is nearest.
        ValueError
            If `x` is neither.
        MissingExtraError
            If matplotlib is not installed: it is the extra ``plot``.
        """
        if x not in ("step", "run"):
            raise ValueError(f"x={x!r} is neither 'step' nor 'run'")
        rows = self.data(run, "metric", key=key, raw=True)
        if not rows:
            known = {row["key"] for row in self.data(run, "metric", raw=True)}
            raise self._missing(key, known)
        return draw(rows, key, x, ax)

    # ------------------------------------------------------------------------------------- inside

    def _missing(self, key: str, known: Iterable[str]) -> NameNotFoundError:
        where = f"experiments/{self.name}"
        return NameNotFoundError(f"{where}[{key}]", [f"{where}[{each}]" for each in known])

    def _rows(
        self,
        run: Runs,
        event: Any,
        step: Any,
        key: Any,
        since: Moment | None,
        until: Moment | None,
        task: Any,
        extra: Mapping[str, Any],
        part: slice,
    ) -> Rows:
        now = self._catalogs.store.clock.time()
        everything = isinstance(run, str) and run in ("*", "all")
        picked = None if everything else pick_runs(run, self._ledger.runs(), self.active_run())
        if self.provider == "notrack":
            picked = []
        selection = Selection(
            experiment=self._entry.id,
            runs=None if picked is None else [each.number for each in picked],
            event=event,
            key=key,
            step=step,
            since=None if since is None else moment(since, now),
            until=None if until is None else moment(until, now),
            task=task,
            extra=extra,
            part=part,
        )
        return Rows(self._catalogs.store, self.name, selection)

    def _facts(self, runs: Sequence[Run], keys: Any, value: str) -> dict[int, dict[str, Any]]:
        """Give parameters and metrics by run, each under its full name."""
        if value not in (*_NUMBERS, "last", "first"):
            raise ValueError(f"value={value!r} is none; {suggest(value, [*_NUMBERS, 'last', 'first'])}")
        if not runs:
            return {}
        numbers = [run.number for run in runs]
        found: dict[int, dict[str, Any]] = {number: {} for number in numbers}
        wanted = Selection(experiment=self._entry.id, runs=numbers, event="param", key=keys)
        for row in Rows(self._catalogs.store, self.name, wanted):
            found[row["run"]][f"params.{row['key']}"] = row["value"]
        for number, key, metric in self._metrics(numbers, keys, value):
            found[number][f"metrics.{key}"] = metric
        return found

    def _metrics(self, numbers: Sequence[int], keys: Any, value: str) -> list[tuple[int, str, float]]:
        """Give one value of each metric of each run; the database looks through them."""
        picked = Selection(experiment=self._entry.id, runs=numbers, event="metric", key=keys)
        by = (RUNS.c.number, ROWS.c.key)
        joined = select(*by).join_from(ROWS, RUNS, RUNS.c.id == ROWS.c.run).where(*picked.conditions())
        if value in _NUMBERS:
            asked = joined.add_columns(_NUMBERS[value](ROWS.c.number)).group_by(*by)
        else:
            which = (func.max if value == "last" else func.min)(ROWS.c.id)
            ids = joined.with_only_columns(which).group_by(*by)
            asked = joined.add_columns(ROWS.c.number).where(ROWS.c.id.in_(ids))
        with self._catalogs.store.reading() as connection:
            return [(n, k, float("nan") if v is None else v) for n, k, v in connection.execute(asked)]


def _part(given: slice | tuple[int, int] | None) -> slice:
    part = given if isinstance(given, slice) else slice(*given) if given is not None else slice(None)
    if any(edge is not None and edge < 0 for edge in (part.start, part.stop)) or (part.step or 1) < 1:
        raise ValueError(f"slice={given!r}: rows are counted from the first, onwards")
    return part


def _batches(rows: Rows, size: int, raw: bool) -> Iterator[Any]:
    every = iter(rows)
    while batch := list(islice(every, size)):
        yield batch if raw else framed(batch)
