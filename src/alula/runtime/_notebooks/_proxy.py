"""Notebooks by name: to run one is a task, and gives a result at once."""

from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..._core._ids import new_id
from ...futures import Function, TaskOptions
from ...objects import Catalogs, Metadata
from .._models import missing
from .._orders import Order
from .._results import AsyncResult
from .._tasks import Tasks
from .._wish import Wish
from . import _body
from ._body import How
from ._parameters import check_parameters

__all__ = ["JobProxy", "check_timeout"]

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

    def __repr__(self) -> str:
        return f"<notebook {self.name}>"

    if not TYPE_CHECKING:  # so that type checkers go on telling what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise missing("a notebook of the runtime", name, type(self))

    # ------------------------------------------------------------------------------------- inside

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
