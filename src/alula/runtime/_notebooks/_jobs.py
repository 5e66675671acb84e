"""The notebooks of an instance: those of the store, and what can be done with them besides keeping them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..._core._settings import Settings
from ...errors import NameNotFoundError
from ...objects import Jobs, Metadata
from .._schedules import Schedule as _Schedule
from .._schedules._config import read_config
from ._export import check_format, export
from ._parameters import check_parameters
from ._proxy import JobProxy, check_timeout
from ._running import NotebookRun, run_notebook

__all__ = ["Notebooks"]


class Notebooks(Jobs):
    """The notebooks of one bucket, which may be run, scheduled and exported.

    A notebook that begins with the comment ``# alula:`` and ``#   run-at: "daily, at 06:00"`` is scheduled
    when it is put.
    """

    Schedule = _Schedule
    """When something is to happen; see `alula.runtime.Schedule`."""

    def __init__(self, jobs: Jobs, settings: Settings, proxy: Callable[[str], JobProxy]) -> None:
        """Add to the notebooks of a store what a runtime does.

        Parameters
        ----------
        settings
            What ``alula`` is to find in the kernels of `run`.
        proxy
            Gives a notebook as the runtime has it.
        """
        super().__init__(jobs._shelf, prefix=jobs.prefix, bucket=jobs.bucket)
        self._settings, self._proxy = settings, proxy

    def put(
        self,
        obj: Any,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        kind: str | None = None,
        replace: bool = False,
        **options: Any,
    ) -> Metadata:
        """Keep a notebook, or code as one of a single cell; see `alula.objects.Catalog.put`.

        Raises
        ------
        ValueError
            If it is no notebook or no code; or if the schedule that it asks for cannot be read.
        """
        asked = read_config(obj)
        metadata = super().put(obj, name, attributes, kind, replace, **options)
        return metadata if asked is None else self.schedule(metadata.name, asked)

    def run(self, name: str, *args: Any, timeout: float | None = None, **kwargs: Any) -> Metadata:
        """Run a notebook here and now; give the metadata of the notebook with its outputs.

        Parameters
        ----------
        args, kwargs, timeout
            As for `alula.runtime.JobProxy.run`.

        Raises
        ------
        NotebookError
            If it has not run to its end; what it has shown until then is kept.
        NameNotFoundError
            If there is no such notebook.
        TypeError, ValueError
            As `alula.runtime.JobProxy.run`.
        """
        check_parameters(args, kwargs)
        check_timeout(timeout)
        run = NotebookRun(job=name, settings=self._settings, args=args, kwargs=kwargs, timeout=timeout)
        return run_notebook(self, run)

    def schedule(
        self,
        name: str,
        run_at: str | Mapping[str, Any] | _Schedule | None = None,
        last_run: datetime | None = None,
        **how: Any,
    ) -> Metadata:
        """Let a notebook run again and again; see `alula.runtime.JobProxy.schedule`.

        Raises
        ------
        NameNotFoundError
            If there is no such notebook.
        ValueError, TypeError
            If `run_at` is not understood, or there is none.
        """
        return self._proxy(name).schedule(run_at, last_run=last_run, **how)

    def get_schedule(self, name: str, only_pending: bool = False) -> tuple[str | None, list[dict[str, Any]]]:
        """Give the cron expression by which a notebook runs, or None, and its triggers.

        Raises
        ------
        NameNotFoundError
            If there is no such notebook.
        """
        return self._proxy(name).get_schedule(only_pending)

    def drop_schedule(self, name: str) -> Metadata:
        """Let a notebook run by no schedule any more; give its metadata.

        Raises
        ------
        NameNotFoundError
            If there is no such notebook.
        """
        return self._proxy(name).drop_schedule()

    def export(self, name: str, path: str | Path, format: str = "html") -> Any:  # noqa: A002  # omega-ml's word
        """Turn a notebook into another format, for people to read.

        Parameters
        ----------
        path
            Of the file to be written, or a folder; ``"memory"`` to be given the content.
        format
            ``"html"``; ``"htmlbody"``, to be put into another page; ``"slides"``; or ``"pdf"``, for which the
            machine needs LaTeX.

        Returns
        -------
        Path or str or bytes
            Where it was written, or the content.

        Raises
        ------
        ValueError
            If there is no such format.
        NameNotFoundError
            If there is no such notebook.
        MissingExtraError
            If nbconvert is not installed.
        OSError
            If it cannot be written; or for a PDF, if the machine has no LaTeX.
        """
        check_format(format)
        return export(self.load(name), name, path, format)

    def drop(self, name: str, force: bool = False, report: bool = False) -> bool | dict[str, bool]:
        """Remove notebooks as `alula.objects.Catalog.drop` does, with their schedules."""
        for each in self.list(name, hidden=True, include_temp=True) if "*" in name else [name]:
            try:
                proxy = self._proxy(each)
            except NameNotFoundError:  # which the removal itself says, or does not
                continue
            if proxy.get_schedule()[0] is not None:
                proxy.drop_schedule()
        return super().drop(name, force, report)
