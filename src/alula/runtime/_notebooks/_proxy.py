"""Notebooks by name: to run one is a task, and gives a result at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from ..._core._ids import new_id
from ...futures import Function, TaskOptions
from ...objects import Catalogs, Metadata
from ...workflow import Overlap
from .._defaults import required
from .._models import missing
from .._orders import Order
from .._results import AsyncResult
from .._schedules import Planned, Schedule, Scheduling
from .._schedules._config import read_config
from .._tasks import Tasks
from .._wish import Wish
from . import _body
from ._body import How
from ._parameters import check_parameters
from ._parts import MapResult, Parts

__all__ = ["JobProxy", "check_timeout"]

Metadatas: TypeAlias = list[Metadata]  # inside the class `list` is the method
Triggers: TypeAlias = list[dict[str, Any]]

_RUN: Final = Function(_body.run, TaskOptions())


class JobProxy:
    """A stored notebook, as one who wants it run sees it.

    Attributes
    ----------
    name
        As it was given.
    """

    def __init__(self, name: str, catalogs: Catalogs, tasks: Tasks, wish: Wish) -> None:
        self.name = name
        self._catalogs, self._tasks, self._wish = catalogs, tasks, wish

    def require(
        self, label: str | None = None, *, always: bool = False, drop: bool = False, **resources: Any
    ) -> "JobProxy":
        """Give this notebook with a requirement of its own; see `alula.runtime.ModelProxy.require`."""
        jobs = self._catalogs.jobs
        wish = required(jobs, self.name, self._wish, label, resources, always=always, drop=drop)
        return JobProxy(self.name, self._catalogs, self._tasks, wish)

    def run(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> AsyncResult[Metadata]:
        """Run the notebook in a kernel of its own; all that it shows is kept in another notebook.

        Parameters
        ----------
        args, kwargs
            For the notebook, which finds them as ``args`` and ``kwargs``, each keyword as a variable, and a
            single positional argument also as ``param`` and ``job["param"]``. They stand in a cell that is
            tagged ``injected-parameters``, behind the one that is tagged ``parameters`` or at the top.
            Values are JSON, or the metadata of stored objects, of which it finds the names. In a sequence it
            also finds ``previous``, and as the last of a mapreduce ``results``.
        timeout
            Seconds that each cell may take; by default what the notebook says, or as long as it likes.

        Returns
        -------
        AsyncResult
            Of the metadata of the notebook with the outputs, which is called
            ``results/<name>_<time in UTC>.ipynb``. It fails with `NotebookError` if a cell raises, takes too
            long or ends its kernel, or if there is no such kernel; the outputs until then are kept.

        Raises
        ------
        TypeError
            If a value is neither JSON nor metadata.
        ValueError
            If a keyword cannot be the name of a variable, or `timeout` is not more than 0.
        """
        check_parameters(args, kwargs)
        check_timeout(timeout)
        order = self._order(args=args, kwargs=kwargs)
        return self._tasks.submit(_RUN, order, How(timeout=timeout), wish=self._wish)

    def map(
        self,
        iterable: Iterable[Any],
        job_ids: Sequence[object] | None = None,
        require: str | None = None,
        reset: bool = False,
        task_group: str | None = None,
        *,
        retries: int = 1,
        backoff: float = 0.5,
        timeout: float | None = None,
    ) -> MapResult:
        """Run the notebook once for each element, at the same time, each in a task of its own.

        An element whose run fails, or whose worker dies, is run again by itself. What has succeeded is never
        run again: not after the death of any process, and not when a group is asked for again.

        Parameters
        ----------
        iterable
            Elements, each of them JSON; the notebook finds its own as ``param`` and ``job["param"]``.
        job_ids
            What the elements are called, each different; their positions by default.
        require
            A label, as for `Runtime.require`.
        reset
            Whether all elements are run, though the group has some that have succeeded.
        task_group
            What the whole is called; 8 hexadecimal digits by default. To give one that is known goes on with
            it: only elements are run that have failed, or that are new.
        retries
            Further attempts for each element after a failure.
        backoff
            Seconds before the second attempt; each further pause is twice as long.
        timeout
            Seconds that each cell may take, as for `run`.

        Returns
        -------
        MapResult
            Of the metadata of the result notebooks, in the order of the elements.

        Raises
        ------
        TypeError
            If it is no iterable; or an element is not JSON, of which it says the position.
        ValueError
            If the `job_ids` are not as many as the elements, or two are the same; if the group has another
            element under the same id; or inside of a block, whose tasks follow each other.
        """
        check_timeout(timeout)
        if self._tasks.is_recording:
            raise ValueError("map() cannot be a part of a sequence, parallel or mapreduce: it is one itself")
        try:
            elements = list(iterable)
        except TypeError as error:
            raise TypeError(f"map() takes an iterable of elements, not {type(iterable).__name__}") from error
        wish = self._wish.labelled(require).with_resources({"retries": retries, "backoff": backoff})
        ids = None if job_ids is None else list(job_ids)
        return self._parts(wish).map(elements, ids, task_group, reset=reset, timeout=timeout)

    def status(self, task_group: str | None = None) -> Any:
        """Tell how the parts of a `map` stand.

        Parameters
        ----------
        task_group
            Which one; the last by default, and all for ``"*"``.

        Returns
        -------
        DataFrame
            One row for each part, in the order of the elements: its ``name``; its ``task_id`` and that
            task's ``status``; ``run_status`` of its last attempt, ``OK``, ``ERROR`` or ``unknown``; and the
            number of ``attempts``.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        return self._parts(self._wish).status(task_group)

    def restart(
        self, task_group: str | None = None, reset: bool = False, require: str | None = None
    ) -> MapResult:
        """Begin again what has failed, was revoked, or has never begun, with the notebook as it is now.

        Parameters
        ----------
        task_group
            Which one; the last by default.
        reset
            Whether to begin everything again.
        require
            A label, as for `Runtime.require`.

        Raises
        ------
        ValueError
            If there is no such group.
        """
        wish = self._wish.labelled(require).with_resources({"retries": 1, "backoff": 0.5})
        return self._parts(wish).restart(task_group, reset=reset)

    def list(self, task_group: str = "*") -> Metadatas:
        """Give the parts of a `map`, or of all."""
        return self._parts(self._wish).found(task_group)

    def schedule(
        self,
        run_at: str | Mapping[str, Any] | Schedule | None = None,
        *,
        last_run: datetime | None = None,
        overlap: Overlap = "skip",
        catchup: bool = True,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Metadata:
        """Let the notebook run again and again, in place of when it did before.

        Executors that take work from the queue look after it: those of ``alula up`` and ``alula worker``.
        At each time one of them begins one task, whose id is that of the schedule and the time.

        Parameters
        ----------
        run_at
            A phrase such as ``"mon-fri at 06:00"``, a cron expression, a dict of the parts of a `Schedule`,
            or a `Schedule`. By default what the notebook itself says in the comment that it begins with.
        last_run
            After which the first time comes, which may have been missed; now by default.
        overlap
            At a time at which the run of the last one still goes on: ``"skip"`` leaves this one out,
            ``"queue"`` begins it when the other has ended, ``"allow"`` begins it, ``"cancel_other"`` cancels
            the other and begins it.
        catchup
            Whether it runs once if no executor lived at some of its times; else these pass by.
        args, kwargs
            For the notebook, each time.

        Returns
        -------
        Metadata
            Of the notebook, whose ``attributes["triggers"]`` say when it is due, and how it went.

        Raises
        ------
        ValueError
            If `run_at` is not understood, or there is none; or if it is the notebook of a result.
        TypeError
            If `run_at` is nothing of that, or a parameter is not JSON.

        Warns
        -----
        UserWarning
            If it is more often than hourly; or no living executor looks after schedules.
        """
        given = dict(kwargs or {})
        check_parameters(args, given)
        if self.name.startswith("results/"):
            raise ValueError(f"{self.name!r} is what a run has made: schedule the notebook that ran")
        if run_at is None:
            run_at = read_config(self._catalogs.jobs.load(self.name))
        if run_at is None:
            raise ValueError(
                "no run-at specification found, cannot schedule: give one, such as 'daily, at 06:00', or let "
                "the notebook begin with the comment '# alula:' and '#   run-at: \"daily, at 06:00\"'"
            )
        how = Planned(schedule=Schedule.of(run_at), overlap=overlap, catchup=catchup, since=last_run)
        order = replace(self._order(args=tuple(args), kwargs=given), task="")
        return self._scheduling().put(how, _body.run, order, How(), wish=self._wish)

    def get_schedule(self, only_pending: bool = False) -> tuple[str | None, Triggers]:
        """Give the cron expression by which the notebook runs, or None, and its triggers.

        Parameters
        ----------
        only_pending
            Whether to leave out those whose time has come.

        Returns
        -------
        tuple
            The triggers are dicts, the earliest first: ``event`` and ``run-at`` say when (ISO, UTC), and
            ``status`` whether that is ``PENDING``, ``OK``, ``ERROR`` or ``CANCELLED``.
        """
        return self._scheduling().get("job", self.name, "run", only_pending=only_pending)

    def drop_schedule(self) -> Metadata:
        """Let the notebook run by no schedule any more; give its metadata."""
        return self._scheduling().drop("job", self.name, "run")

    def __repr__(self) -> str:
        return f"<notebook {self.name}>"

    if not TYPE_CHECKING:  # so that type checkers go on telling what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise missing("a notebook of the runtime", name, type(self))

    # ------------------------------------------------------------------------------------- inside

    def _parts(self, wish: Wish) -> Parts:
        return Parts(self.name, self._catalogs.jobs, self._tasks, self._order, _RUN, wish)

    def _scheduling(self) -> Scheduling:
        return Scheduling(self._catalogs, self._tasks.settings(self._catalogs.bucket))

    def _order(self, **given: Any) -> Order:
        return Order(
            settings=self._tasks.settings(self._catalogs.bucket),
            task=new_id(),
            action="run",
            kind="job",
            name=self.name,
            **given,
        )


def check_timeout(timeout: object) -> None:
    """Refuse what is no number of seconds.

    Raises
    ------
    TypeError, ValueError
        If it is neither None nor a number above 0.
    """
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout is a number of seconds for each cell, not {timeout!r}")
    if not timeout > 0:
        raise ValueError(f"timeout is more than 0 seconds, not {timeout!r}")
