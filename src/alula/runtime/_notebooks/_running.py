"""Running a notebook: its cells in a fresh kernel, its outputs kept, the run noted, whatever happens.

The result is stored before anybody is told how the run ended. A task whose process died after that finds its
result at the next attempt, and does not run the notebook again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any, Final

from ..._core._settings import Settings
from ...errors import NotebookError
from ...objects import Jobs, Metadata, Reference
from .._experiments import environment
from .._secrets import masked, veiled
from ._execution import CellFailedError, execute, load_client
from ._kernels import Kernel, KernelFailedError, kernels
from ._parameters import inject, plain, variables_of, written

__all__ = ["NotebookRun", "run_notebook"]

_KEPT: Final = 1000  # runs that are noted at a notebook; the results of earlier ones stay
_ENDS: Final = 80  # characters of the beginning and the end of a long error
_PATIENCE: Final = 60.0  # seconds in which a kernel has to come up
_MOMENT: Final = 3.0  # seconds that a cancelled run has to end


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookRun:
    """One run of a notebook.

    Attributes
    ----------
    job
        The name of the notebook, as it was given; may say a version.
    settings
        What ``alula`` in the kernel is to find.
    task, attempt
        Of which this is the run; empty if it is run here and now.
    part
        The name under which the run is noted, if that is another notebook's: one of a `map`.
    args, kwargs
        What it is given.
    before
        Source of ``previous`` or ``results``.
    timeout
        Seconds that each cell may take; None for what the notebook says, or no limit.
    report
        Told how far it is: cells done, all, and a text.
    heard
        Told what cells print as they print it: the name of the stream, and a text.
    mask
        Hides the secrets of a text.
    """

    job: str
    settings: Settings
    task: str = ""
    attempt: int = 1
    part: str = ""
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    report: Callable[[float, float | None, str | None], None] = lambda done, total, text: None
    heard: Callable[[str, str], None] = lambda name, text: None
    mask: Callable[[str], str] = masked

    @property
    def shown(self) -> dict[str, Any]:
        """What it is given, as people may see it: without secrets."""
        args = [veiled(plain(value, ""), self.mask) for value in self.args]
        kwargs = veiled({name: plain(value, "") for name, value in self.kwargs.items()}, self.mask)
        return {"args": args, "kwargs": kwargs}

    @property
    def noted(self) -> str:
        """The notebook at which the run is noted."""
        return self.part or Reference.parse(self.job).name


@dataclass(frozen=True, slots=True)
class _Failure:
    """How a run has failed: in which cell from 0, if in any, and with what."""

    cell: int | None
    ename: str
    evalue: str

    def number(self, injected: int | None) -> int | None:
        """Give the number of the cell, from 1, in the notebook without the cell that was injected."""
        if self.cell is None:
            return None
        return self.cell + 1 - (injected is not None and injected <= self.cell)

    @property
    def message(self) -> str:
        """The beginning and the end of it."""
        text = f"{self.ename}: {self.evalue}"
        return text if len(text) <= 2 * _ENDS else f"{text[:_ENDS]}...{text[-_ENDS:]}"


def run_notebook(jobs: Jobs, run: NotebookRun) -> Metadata:
    """Run a notebook, and give the metadata of the notebook with its outputs.

    Raises
    ------
    NotebookError
        If it has not run to its end; what it has shown until then is kept.
    NameNotFoundError
        If there is no such notebook.
    MissingExtraError
        If nbclient is not installed.
    """
    if run.attempt > 1 and (made := _made(jobs, run)) is not None:
        return made
    kernels().open()  # which takes its time, beside what follows
    load_client()
    source = jobs.resolve(run.job)
    notebook = jobs.load(source.name, version=source.version)
    options = source.kind_meta.get("ep_kwargs", {})
    if not source.kind_meta.get("keep_output"):
        _clear(notebook)
    injected = inject(notebook, variables_of(run.args, run.kwargs, run.before), _cell())
    started = jobs.clock.time()
    work = _Work(run, notebook, options, injected)
    failure: _Failure | None = _Failure(None, "KeyboardInterrupt", "the run was cancelled")
    try:
        failure = work.do()
    finally:  # also when the run is cancelled
        if injected is not None:
            shown = variables_of(run.shown["args"], run.shown["kwargs"], run.before)
            notebook.cells[injected].source = written(shown)
        result = _kept(jobs, run, notebook, started, source, failure)
    if failure is None:
        return result
    raise NotebookError(source.name, failure.number(injected), failure.ename, failure.evalue, result)


class _Work:
    """The part of a run that happens in a kernel."""

    def __init__(
        self, run: NotebookRun, notebook: Any, options: Mapping[str, Any], injected: int | None
    ) -> None:
        self._run, self._notebook, self._options, self._injected = run, notebook, options, injected
        self._of_run = environment()  # here, for the cells run in another context
        self._kernel: Kernel | None = None
        self._ended = Event()

    def do(self) -> _Failure | None:
        """Run the cells; give how they failed, if they did."""
        future = kernels().start(self._cells())
        try:
            return future.result()
        except BaseException:  # the task was cancelled: a cell that never ends is ended
            if self._kernel is not None:
                self._kernel.process.kill()
            future.cancel()
            self._ended.wait(_MOMENT)
            raise

    async def _cells(self) -> _Failure | None:
        try:
            kernel = self._kernel = await self._taken()
            try:
                await self._executed(kernel)
            except BaseException:
                kernel.process.kill()
                raise
            finally:
                kernels().leave(kernel)
        except CellFailedError as error:
            return _Failure(error.cell, error.ename, error.evalue)
        except KernelFailedError as error:
            return _Failure(None, "KernelError", str(error))
        finally:
            self._ended.set()
        return None

    async def _taken(self) -> Kernel:
        asked = self._notebook.metadata.get("kernelspec", {}).get("name", "python3")
        name = self._options.get("kernel_name", asked)
        return await kernels().take(name, self._options.get("startup_timeout", _PATIENCE))

    async def _executed(self, kernel: Kernel) -> None:
        if self._injected is not None and kernel.language.get("name", "python") != "python":
            raise KernelFailedError(f"parameters are for Python, and this is {kernel.language.get('name')}")
        limit = self._run.timeout if self._run.timeout is not None else self._options.get("timeout")
        task = {"ALULA_TASK": self._run.task} if self._run.task else {}
        await execute(
            self._notebook,
            kernel,
            limit=limit,
            allow_errors=self._options.get("allow_errors", False),
            environment={**self._run.settings.environment(), **task, **self._of_run},
            report=self._report,
            heard=self._run.heard,
        )

    def _report(self, done: int) -> None:
        total = len(self._notebook.cells)
        self._run.report(done, total, f"cell {done + 1} of {total}" if done < total else None)


def _made(jobs: Jobs, run: NotebookRun) -> Metadata | None:
    """Give what an earlier attempt has made, if it got so far."""
    for noted in reversed(jobs.runs(run.noted)):
        if noted.get("task_id") == run.task and noted["status"] == "OK":
            return jobs.metadata(noted["results"])
    return None


def _kept(
    jobs: Jobs, run: NotebookRun, notebook: Any, started: float, source: Metadata, failure: _Failure | None
) -> Metadata:
    entry = {
        "status": "OK" if failure is None else "ERROR",
        "ts": datetime.fromtimestamp(started, UTC).isoformat(),
        "message": "" if failure is None else run.mask(failure.message),
        "params": run.shown,
        "task_id": run.task,
        "attempt": run.attempt,
        "version": source.version,
    }

    def note(attributes: Mapping[str, Any], result: str) -> Mapping[str, Any]:
        runs = [*attributes.get("job_runs", ()), {**entry, "results": result}][-_KEPT:]
        results = [*attributes.get("job_results", ()), result][-_KEPT:]
        part = attributes.get("job")
        if part is not None:  # it is one of a map
            attributes = {
                **attributes,
                "job": {**part, "status": "finished" if failure is None else "failed"},
            }
        state = {"state": "SUCCESS" if failure is None else "FAILURE", "last_run_time": entry["ts"]}
        return {**attributes, "job_runs": runs, "job_results": results, "task_id": run.task, **state}

    attributes = {"source_job": source.name, "task_id": run.task, "params": entry["params"]}
    return jobs.conclude(notebook, run.noted, started, attributes, note)


def _clear(notebook: Any) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)


def _cell() -> Any:
    import nbformat  # it came with nbclient

    v4: Any = nbformat.v4  # it has types for some of it
    return v4.new_code_cell()
