"""The runtime: tasks on objects that are known by their names."""

from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NoReturn, Self, TypeVar, cast, overload

from ..objects import Catalogs
from ._ancestry import Ancestry, Lineage, Step
from ._blocks import OnError, Recording
from ._defaults import defaulted
from ._experiments import Experiment, Experiments, Place, moment, open_experiment
from ._families import Combination
from ._groups import GroupResult
from ._history import TaskInfo, history
from ._inspecting import Inspecting
from ._models import ModelProxy, missing
from ._named import version_of
from ._notebooks import JobProxy
from ._results import AsyncResult, Status
from ._scripts import ScriptProxy
from ._site import Site
from ._task_id import task_id
from ._tasks import Tasks
from ._wish import Wish

__all__ = ["Block", "Runtime"]

R = TypeVar("R", bound=AsyncResult[Any] | GroupResult)

_OTHERS: Final = ("always", "override")  # words of omega-ml's that need not be said here


class Runtime(Inspecting):
    """Runs tasks on the objects of one bucket; safe to use from any thread.

    What `require` asks for belongs to the runtime that it returns, and to nobody else.
    """

    def __init__(self, site: Site, catalogs: Catalogs, tasks: Tasks, wish: Wish | None = None) -> None:
        self._site, self._catalogs, self._tasks = site, catalogs, tasks
        self._wish = wish or tasks.wish

    # --------------------------------------------------------------------------------- where and how

    def require(self, /, label: str | None = None, **resources: Any) -> "Runtime":
        """Give a runtime whose tasks run only where this is to be had; this one stays as it is.

        Parameters
        ----------
        label
            Of an executor; ``"local"`` is that of this process. A task whose label no living executor
            has is PENDING until one does, and a warning says so.
        resources
            For the engine: ``num_cpus``, ``num_gpus``, ``memory`` (bytes, or ``"8GB"``), ``resources``. For
            attempts that fail: ``retries``, further attempts after any failure; ``backoff``, seconds before
            the second; ``backoff_factor`` by which each further pause is longer, 2 by default;
            ``max_backoff``, seconds that no pause exceeds; ``jitter``, a share from 0 to 1 by which they
            differ at random; ``retry_on``, the exceptions that count, all by default. ``timeout``: seconds
            that an attempt may take, without limit by default. ``logging`` as for `mode`. ``cached=True``
            takes what an earlier such task has computed from the same versions of model and data and the
            same arguments, instead of computing it again. What is not named stays as it was; nothing at
            all takes back whatever was asked for before. ``always`` and ``override`` are taken from programs
            written for omega-ml, and change nothing.

        Raises
        ------
        LabelError
            If it cannot be the label of any executor. Also an `AssertionError`.
        ValueError, TypeError
            If there is no such resource, or not in that amount.
        UnsupportedError
            If the engine cannot provide it.
        """
        asked = {name: value for name, value in resources.items() if name not in _OTHERS}
        if label is None and not asked:
            return self._with(self._tasks.wish)
        return self._with(self._wish.with_resources(asked).labelled(label))

    def mode(self, *, local: bool | None = None, logging: Any = None) -> "Runtime":
        """Say how this instance runs tasks from now on, unless they require something else.

        Parameters
        ----------
        local
            Whether in this process, whoever else could; None leaves it as it is.
        logging
            What goes to the log of the bucket besides what tasks write to ``om.logger``: True is what they
            print, and what they log through Python at INFO; the name of a logger is that one alone; a pair
            names a level too, as in ``("sklearn", "DEBUG")``; False is nothing; None leaves it as it is.

        Returns
        -------
        Runtime
            One that runs tasks so.

        Raises
        ------
        ValueError, TypeError
            If there is no such level, or `logging` is nothing of the kind.
        """
        wish = self._tasks.wish
        if local is not None:
            wish = Wish(label=None if local else Wish().label, logging=wish.logging)
        if logging is not None:
            wish = wish.with_resources({"logging": logging})
        self._tasks.wish = wish
        return self._with(self._tasks.wish)

    @property
    def is_local(self) -> bool:
        """Whether tasks run in this process, whoever else could."""
        return self._wish.label is None

    def callback(self, /, name: str, *, always: bool = False, **kwargs: Any) -> "Runtime":
        """Give a runtime after each of whose tasks a script runs, however the task has ended.

        Its function is called ``run(om, state=..., results=[...], **kwargs)``: ``"SUCCESS"`` and what the
        task gave, or ``"ERROR"`` and the exception. It is a task of its own: the one before does not depend
        on it.

        Parameters
        ----------
        name
            Of a script.
        always
            For programs written for omega-ml: it holds for whatever runs through the runtime that this gives.
        kwargs
            For the script.

        Raises
        ------
        NameNotFoundError
            If there is no such script.
        """
        self._catalogs.scripts.resolve(name)
        return self._with(replace(self._wish, callbacks=(*self._wish.callbacks, (name, kwargs))))

    # ------------------------------------------------------------------------------------- the objects

    def model(self, name: str, require: str | None = None) -> ModelProxy:
        """Give a model, to be trained or asked.

        Parameters
        ----------
        name
            May name a version: ``m@tag``, ``m^``.
        require
            A label, as for `require`.

        Raises
        ------
        NameNotFoundError
            If there is no such model; says which is nearest. Also an `AssertionError`.
        LabelError
            As `require`.
        """
        wish = defaulted(self._wish.labelled(require), self._catalogs.models.resolve(name))
        return ModelProxy(name, self._catalogs, self._tasks, wish)

    def script(self, name: str, require: str | None = None) -> ScriptProxy:
        """Give a script, to be run.

        Parameters
        ----------
        name
            May name a version: ``s@tag``, ``s^``.
        require
            A label, as for `require`.

        Raises
        ------
        NameNotFoundError
            If there is no such script; says which is nearest. Also an `AssertionError`.
        LabelError
            As `require`.
        """
        wish = defaulted(self._wish.labelled(require), self._catalogs.scripts.resolve(name))
        return ScriptProxy(name, self._catalogs, self._tasks, wish)

    def job(self, name: str, require: str | None = None) -> JobProxy:
        """Give a notebook, to be run.

        Parameters
        ----------
        name
            With or without ``.ipynb``; may name a version: ``report^``.
        require
            A label, as for `require`.

        Raises
        ------
        NameNotFoundError
            If there is no such notebook; says which is nearest. Also an `AssertionError`.
        LabelError
            As `require`.
        """
        wish = defaulted(self._wish.labelled(require), self._catalogs.jobs.resolve(name))
        return JobProxy(name, self._catalogs, self._tasks, wish)

    # ----------------------------------------------------------------------------------- combinations

    def sequence(self) -> "Block[AsyncResult[Any]]":
        """Give a block whose tasks run one after the other; each is given what the one before gave.

        If one fails, those after it never run.
        """
        return self._block("sequence")

    def parallel(self) -> "Block[GroupResult]":
        """Give a block whose tasks may all run at once."""
        return self._block("parallel")

    def mapreduce(self) -> "Block[AsyncResult[Any]]":
        """Give a block whose last task waits for the others, which may run at once, and combines them."""
        return self._block("mapreduce")

    @overload
    def result(self, task_id: str, wait: Literal[True] = True) -> Any: ...
    @overload
    def result(self, task_id: str, wait: Literal[False]) -> AsyncResult[Any]: ...
    def result(self, task_id: str, wait: bool = True) -> Any:
        """Give what a task gave that was submitted at any time, by any process.

        Parameters
        ----------
        task_id
            Of a task; or of a `GroupResult`, for the list of what its tasks gave.
        wait
            Whether to wait for its value, and raise its error; else its `AsyncResult` is given at once.

        Raises
        ------
        TaskNotFoundError
            If there is no task of that id.
        """
        found = self._tasks.find(task_id)
        return found.get() if wait else found

    def experiment(
        self,
        name: str,
        provider: str | None = None,
        autotrack: bool | None = None,
        implied_run: bool = True,
        recreate: bool = False,
    ) -> Experiment:
        """Give an experiment, which is made at its first use.

        Parameters
        ----------
        name
            May contain ``/``. Among the models stands a card, ``experiments/<name>``: who drops that drops
            the experiment with all that was logged to it.
        provider
            ``"default"``; ``"profiling"`` adds the load of the machine; ``"notrack"`` keeps nothing. None
            leaves it as it is.
        autotrack
            Whether tasks that are tracked also keep what a model is fitted on and what it predicts from; None
            leaves it as it is.
        implied_run
            Whether ``with`` begins a run; else that is left to `start` and `use`.
        recreate
            Whether to drop what there is.

        Raises
        ------
        ValueError
            If there is no such provider.
        InvalidNameError
            If the name has a character with a meaning.
        """
        return open_experiment(
            self._place(),
            name,
            provider=provider,
            autotrack=autotrack,
            implied_run=implied_run,
            recreate=recreate,
        )

    @property
    def experiments(self) -> Experiments:
        """The experiments of this bucket, page by page, for people who look at them."""
        return Experiments(self._place())

    def tasks(
        self,
        status: Status | None = None,
        kind: str | None = None,
        name: str | None = None,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> list[TaskInfo]:
        """Give the tasks of this bucket, the newest first.

        Parameters
        ----------
        status, kind, name
            Only those with this status, on this kind of object (``"model"``, ``"script"``, ``"job"``), on
            objects of this name.
        limit
            How many at most.
        after
            The id of the last one of the page before.

        Raises
        ------
        ValueError
            If there is no such status, or `limit` is negative.
        """
        return history(
            self._tasks.records,
            bucket=self._catalogs.bucket,
            status=status,
            kind=kind,
            name=name,
            limit=limit,
            after=after,
        )

    def failed(self, *, limit: int = 100, after: str | None = None) -> list[TaskInfo]:
        """Give the tasks that have failed after their last attempt; `resubmit` does one of them again."""
        return self.tasks("FAILURE", limit=limit, after=after)

    def resubmit(self, task_id: str) -> AsyncResult[Any] | GroupResult:
        """Do a task again that has ended, on the data and with the requirements that it had.

        Parameters
        ----------
        task_id
            Of a task; or of a parent, of which only that runs again which has not succeeded, and goes on from
            the results of the rest.

        Returns
        -------
        AsyncResult or GroupResult
            Of a new task, which says whose `retry_of` it is.

        Raises
        ------
        TaskNotFoundError
            If there is no task of that id.
        ValueError
            If it has not ended; or is a parent of which all tasks have succeeded.
        """
        return self._tasks.again(task_id)

    rerun = resubmit
    """`resubmit`, by the name that one looks for at a group: what has not succeeded there runs again."""

    def forget(self, older_than: float | timedelta | str, *, whole: bool = False) -> int:
        """Remove what tasks of this bucket gave that ended long ago; how they ended stays known.

        Parameters
        ----------
        older_than
            Seconds, a timedelta, or text such as ``"30d"`` or ``"12h"`` (s, m, h, d, w, M, q, y).
        whole
            Whether to remove all that is recorded of them: their ids are unknown then. What they have stored
            among datasets, models and notebooks stays in any case.

        Returns
        -------
        int
            Of how many tasks something was removed.

        Raises
        ------
        ValueError, TypeError
            If `older_than` is no such span, or below zero.
        """
        now = self._catalogs.store.clock.time()
        return self._tasks.records.forget_ended(_before(older_than, now), self._catalogs.bucket, whole=whole)

    def __repr__(self) -> str:
        return f"<runtime of {self._catalogs.bucket}>"

    if not TYPE_CHECKING:  # so that type checkers go on telling what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise missing("the runtime", name, type(self))

    @overload
    def lineage(self, name: str, *, depth: int | None = None) -> Lineage: ...
    @overload
    def lineage(self, *, task: str) -> Step: ...
    def lineage(
        self, name: str | None = None, *, depth: int | None = None, task: str | None = None
    ) -> Lineage | Step:
        """Give what a version was made of and what was made of it, by all tasks that ever touched it.

        Parameters
        ----------
        name
            Of a model, dataset, script or notebook: ``m``, ``m@v3``, ``m@tag``, ``m^``, ``data/iris@v1``.
        depth
            Tasks to follow in each direction; all by default, up to some hundreds.
        task
            Instead, the id of a task: what that has read and written.

        Raises
        ------
        NameNotFoundError
            If there is no such version, nor was there one.
        TaskNotFoundError
            If nothing is recorded of that task.
        InvalidNameError
            If the name is wrongly written.
        TypeError
            If neither a name nor a task is given, or both.
        """
        ancestry = Ancestry(self._catalogs.store)
        if (name is None) == (task is None):
            raise TypeError("lineage(name) or lineage(task=id): give one of them")
        if task is not None:
            return ancestry.step(task)
        return ancestry.of(version_of(str(name), self._catalogs, ancestry), depth)

    def _place(self) -> Place:
        home = str(self._tasks.settings(self._catalogs.bucket).home)
        return Place(self._catalogs, home, task_id)

    def _with(self, wish: Wish) -> "Runtime":
        return Runtime(self._site, self._catalogs, self._tasks, wish)

    def _block(self, combination: Combination) -> "Block[Any]":
        recording = Recording(self._tasks, combination)
        return Block(self._site, self._catalogs, self._tasks, replace(self._wish), recording)


class Block(Runtime, Generic[R]):
    """A runtime that only notes what is called, on itself or in its block, until it is told to `run`."""

    def __init__(
        self, site: Site, catalogs: Catalogs, tasks: Tasks, wish: Wish, recording: Recording
    ) -> None:
        super().__init__(site, catalogs, tasks.recorder(recording), wish)
        self._submitting, self._recording = tasks, recording

    def run(self, on_error: OnError = "stop") -> R:
        """Submit what was noted, in one step.

        Parameters
        ----------
        on_error
            For a mapreduce: ``"partial"`` runs the last task also if others have failed, with their
            exceptions among the results.

        Returns
        -------
        AsyncResult or GroupResult
            Of the last task of a sequence or mapreduce, behind the others; of all tasks of a parallel.

        Raises
        ------
        ValueError
            If nothing was called inside; only one task, in a mapreduce; or a first task lacks its data.
        """
        combination = self._recording.combination
        group = self._submitting.combine(combination, self._recording.take(), on_error=on_error)
        return cast("R", _answer(combination, group, self._submitting))

    def __enter__(self) -> Self:
        self._recording.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recording.close(discard=kind is not None)


def _before(older_than: float | timedelta | str, now: float) -> float:
    """Give the time before which something has ended long ago."""
    if isinstance(older_than, (int, float)) and not isinstance(older_than, bool):
        before = now - older_than
    else:
        before = moment(older_than, now)
    if not before <= now + 1e-5:  # to which a text is read
        raise ValueError(f"older_than={older_than!r} is in the future: give seconds, or text such as '30d'")
    return before


def _answer(combination: Combination, group: GroupResult, tasks: Tasks) -> AsyncResult[Any] | GroupResult:
    """Give what stands for a whole block."""
    if combination == "sequence":
        return group.results[-1]
    return group if combination == "parallel" else tasks.records.last(group.id)
