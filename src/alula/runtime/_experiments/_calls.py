"""Tracking of calls: what a worker logs of a task that belongs to a run, or whose object is tracked.

A task whose order names no run, and whose object has no `tracking` among its attributes, costs one look at
those attributes, which are read in any case. What is to be said at the end is written in the transaction that
ends the attempt.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ...objects import Metadata, Reference, observing
from ...store import Executors
from .._current import TaskContext
from ._active import Active, RunReference, enter, leave
from ._experiment import Experiment, existing_experiment
from ._ledger import Row, Run, StoredLedger, add_rows, end_run
from ._recorder import Place
from ._shown import params_of, shown
from ._things import keep, refer
from ._tracking import tracked

__all__ = ["tracking"]

_DATA: Final = {"fit": ("X", "Y"), "partial_fit": ("X", "Y"), "predict": ("X",)}  # what autotrack keeps
_KEPT: Final = "_temp_"  # names of data that go with their task


@contextmanager
def tracking(context: TaskContext) -> Iterator[None]:
    """Log a task to the run to which it belongs, if it belongs to one."""
    call = _Call(context)
    if context.order.run is not None:
        call.join(context.order.run)
    try:
        with observing(call.seen):
            yield
    except BaseException as error:  # whatever ends a task, an interrupt included
        call.end(error)
        raise
    else:
        call.end(None)


class _Call:
    """One attempt at a task, as far as experiments go."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._experiment: Experiment | None = None
        self._own: Run | None = None  # a run that is this task's alone
        self._run: Run | None = None
        self._seen: list[tuple[str, Metadata]] = []

    def join(self, run: RunReference) -> None:
        """Belong to a run of whoever submitted the task; if that was dropped, to none."""
        place = self._place(run.bucket)
        experiment = existing_experiment(place, run.experiment)
        found = [] if experiment is None else [each for each in experiment.runs() if each.number == run.run]
        if experiment is not None and found:
            self._begin(experiment, found[0])

    def seen(self, mode: str, metadata: Metadata) -> None:
        """Take note of what is read and written; the object that the task is about may say who tracks it."""
        if self._run is None:
            if not metadata.attributes.get("tracking") or not self._is_about(metadata):
                return
            self._start(metadata)
        self._seen.append((mode, metadata))

    def end(self, error: BaseException | None) -> None:
        """Have written what is to be said of the outcome."""
        experiment, run = self._experiment, self._run
        if experiment is None or run is None:
            return
        if experiment.provider == "profiling":
            experiment.profiler.stop()
        leave()
        rows = list(self._last_rows(experiment, run, error))
        own, said = self._own, None if error is None else shown(error)
        status: Any = "STOPPED" if error is None else "FAILED"
        last = experiment.row_of(run, "stop", "run", run.number)
        self._context.at_end(lambda connection: add_rows(connection, rows))
        if own is not None:
            self._context.at_end(lambda connection: end_run(connection, own, status, said, last))

    # ------------------------------------------------------------------------------------- inside

    def _place(self, bucket: str) -> Place:
        context = self._context
        return Place(context.objects, str(context.order.settings.home), lambda: context.id).of(bucket)

    def _is_about(self, metadata: Metadata) -> bool:
        context = self._context
        name = Reference.parse(context.name).name if context.name else ""
        return metadata.prefix == f"{context.kind}s/" and name in (
            metadata.name,
            metadata.name.removesuffix(".ipynb"),
        )

    def _start(self, metadata: Metadata) -> None:
        """Begin a run of the experiment that tracks the object here, or go on with the last attempt's."""
        context = self._context
        name = tracked(metadata, self._labels())
        experiment = None if name is None else existing_experiment(self._place(context.bucket), name)
        if experiment is None:
            return
        before = None
        if context.attempt > 1 and isinstance(experiment.ledger, StoredLedger):
            before = experiment.ledger.begun_by(context.id)
        run = experiment.begin_run(before)
        self._own = run
        self._begin(experiment, run)

    def _begin(self, experiment: Experiment, run: Run) -> None:
        self._experiment, self._run = experiment, run
        self._context.notes["run"] = (experiment.name, run.number)
        enter(Active(experiment.bucket, experiment.name, run))
        experiment.ledger.add(list(self._first_rows(experiment, run)))
        if experiment.provider == "profiling":
            experiment.profiler.start()

    def _labels(self) -> tuple[str, ...]:
        """Give the labels of the executor that has the task."""
        executors = Executors(self._context.objects.store).alive()
        mine = [info.labels for info in executors if info.name == self._context.executor]
        return (*mine[0], "default") if mine else ("default",)

    def _first_rows(self, experiment: Experiment, run: Run) -> Iterator[Row]:
        context = self._context
        if context.attempt > 1:
            yield experiment.row_of(run, "task_retry", context.action, {"attempt": context.attempt})
        call = {"task": context.action, "kind": context.kind, "name": context.name}
        given = {"args": shown(context.args), "kwargs": shown(context.kwargs)}
        yield experiment.row_of(run, "task_call", context.action, {**call, **given})

    def _last_rows(self, experiment: Experiment, run: Run, error: BaseException | None) -> Iterator[Row]:
        context = self._context
        about = [metadata for _, metadata in self._seen if self._is_about(metadata)]
        for metadata in {each.version: each for each in about}.values():
            yield experiment.row_of(run, "artifact", "related", refer(metadata))
        for key, number in context.notes.get("metrics", {}).items():
            yield experiment.row_of(run, "metric", key, number)
        if error is None:
            yield from self._learned(experiment, run)
        if experiment.autotrack:
            yield from self._data(experiment, run)
        if error is None:
            yield experiment.row_of(run, "task_success", context.action, {"attempt": context.attempt})
        else:
            said = {"attempt": context.attempt, "error": shown(error)}
            yield experiment.row_of(run, "task_failure", context.action, said)

    def _learned(self, experiment: Experiment, run: Run) -> Iterator[Row]:
        """Give the parameters of an estimator that was fitted."""
        models = self._context.objects.models
        for mode, metadata in self._seen:
            if mode == "write" and metadata.prefix == models.prefix and self._is_about(metadata):
                estimator = models.load(metadata.name, version=metadata.version)
                for key, value in params_of(estimator).items():
                    yield experiment.row_of(run, "param", key, value)

    def _data(self, experiment: Experiment, run: Run) -> Iterator[Row]:
        """Give what the model was fitted on or predicts from: of a dataset, the version."""
        context = self._context
        for i, (key, data) in enumerate(zip(_DATA.get(context.action, ()), context.args, strict=False)):
            if data is not None:
                kept = self._kept(data, i, f".experiments/{experiment.id}/{run.number}/{context.id}/{key}")
                yield experiment.row_of(run, context.action, key, kept)

    def _kept(self, data: Any, position: int, name: str) -> Any:
        datasets = self._context.objects.datasets
        read = [metadata for _, metadata in self._seen if metadata.prefix == datasets.prefix]
        if not isinstance(data, str):
            return keep(data, name, self._context.objects)
        if data.startswith(_KEPT):
            [value] = datasets.load(data)
            return keep(value, name, self._context.objects)
        if data == "*":
            return refer(read[position]) if position < len(read) else data
        wanted = Reference.parse(data).name
        return next((refer(metadata) for metadata in read if metadata.name == wanted), data)
