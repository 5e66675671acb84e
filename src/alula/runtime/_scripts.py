"""Scripts by name: a run is a task, and gives what the script returns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .._core._ids import new_id
from ..futures import Function, TaskOptions
from ..objects import Catalogs
from . import _bodies as bodies
from ._models import missing
from ._orders import Order
from ._results import AsyncResult
from ._tasks import Tasks
from ._wish import Wish

__all__ = ["SCRIPT", "ScriptProxy", "script_order"]

SCRIPT: Final = Function(bodies.run_script, TaskOptions())
"""What runs in a worker."""


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
        order = script_order(self.name, settings=settings, args=args, kwargs=kwargs)
        return self._tasks.submit(SCRIPT, order, wish=self._wish)

    def __repr__(self) -> str:
        return f"<script {self.name}>"

    if not TYPE_CHECKING:  # so that type checkers go on telling what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise missing("a script of the runtime", name, type(self))


def script_order(name: str, *, settings: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Order:
    """Make the order to run a script."""
    return Order(
        settings=settings, task=new_id(), action="run", kind="script", name=name, args=args, kwargs=kwargs
    )
