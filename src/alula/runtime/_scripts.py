"""Scripts by name: a run is a task, and gives what the script returns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from ..objects import Catalogs, Metadata
from ..workflow import Overlap
from . import _bodies as bodies
from ._defaults import required
from ._models import missing
from ._results import AsyncResult
from ._schedules import Planned, Schedule, Scheduling
from ._script_orders import SCRIPT, script_order
from ._tasks import Tasks
from ._wish import Wish

__all__ = ["ScriptProxy"]


class ScriptProxy:
    """A stored script, as one who has work for it sees it.

    Attributes
    ----------
    name
        As it was given.
    """

    def __init__(self, name: str, catalogs: Catalogs, tasks: Tasks, wish: Wish) -> None:
        self.name = name
        self._catalogs, self._tasks, self._wish = catalogs, tasks, wish

    def run(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Run the script: ``run(om, *args, **kwargs)`` of a package, or the function itself.

        A package is installed on the machine that runs it, at its first use there.

        Parameters
        ----------
        args, kwargs
            For the script; anything that can be pickled.

        Returns
        -------
        AsyncResult
            Of what the script returns.

        Raises
        ------
        TypeError
            If an argument cannot be pickled; says which part of it.
        """
        settings = self._tasks.settings(self._catalogs.bucket)
        order = script_order(self.name, settings, args, kwargs)
        return self._tasks.submit(SCRIPT, order, wish=self._wish)

    def require(
        self, label: str | None = None, *, always: bool = False, drop: bool = False, **resources: Any
    ) -> "ScriptProxy":
        """Give this script with a requirement of its own; see `ModelProxy.require`."""
        wish = required(
            self._catalogs.scripts, self.name, self._wish, label, resources, always=always, drop=drop
        )
        return ScriptProxy(self.name, self._catalogs, self._tasks, wish)

    def schedule(
        self,
        run_at: str | Mapping[str, Any] | Schedule,
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        last_run: datetime | None = None,
        overlap: Overlap = "skip",
        catchup: bool = True,
    ) -> Metadata:
        """Let the script run again and again; give its metadata.

        Parameters
        ----------
        args, kwargs
            For the script, each time.
        run_at, last_run, overlap, catchup
            As for `alula.runtime.JobProxy.schedule`.

        Raises
        ------
        ValueError, TypeError
            If `run_at` is not understood, or an argument cannot be pickled.
        """
        settings = self._tasks.settings(self._catalogs.bucket)
        order = replace(script_order(self.name, settings, tuple(args), dict(kwargs or {})), task="")
        how = Planned(schedule=Schedule.of(run_at), overlap=overlap, catchup=catchup, since=last_run)
        return self._scheduling().put(how, bodies.run_script, order, wish=self._wish)

    def get_schedule(self, only_pending: bool = False) -> tuple[str | None, list[dict[str, Any]]]:
        """Give the cron expression by which the script runs, or None, and its triggers."""
        return self._scheduling().get("script", self.name, "run", only_pending=only_pending)

    def drop_schedule(self) -> Metadata:
        """Let the script run by no schedule any more; give its metadata."""
        return self._scheduling().drop("script", self.name, "run")

    def _scheduling(self) -> Scheduling:
        return Scheduling(self._catalogs, self._tasks.settings(self._catalogs.bucket))

    def __repr__(self) -> str:
        return f"<script {self.name}>"

    if not TYPE_CHECKING:  # so that type checkers go on telling what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise missing("a script of the runtime", name, type(self))
