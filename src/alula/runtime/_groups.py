"""Groups: the results of tasks that were submitted together, as one."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from .._core._html import grid, short, status
from ..errors import TaskNotFoundError
from ._results import FINAL, AsyncResult, Status, as_completed
from ._watching import watch

__all__ = ["GroupResult"]

_SHOWN: Final = 20  # tasks in the table of a notebook


class GroupResult:
    """Several tasks that run at the same time; may be awaited.

    Attributes
    ----------
    id
        That of the workflow whose tasks these are; `alula.runtime.result` finds the group by it.
    results
        Of each task, in the order of submission.
    """

    def __init__(
        self,
        group: str,
        results: Sequence[AsyncResult[Any]],
        cancel: Callable[[], None],
    ) -> None:
        """Refer to a group; people get one from a block of the runtime.

        Parameters
        ----------
        cancel
            Keeps those that have not begun from ever beginning.
        """
        self.id = group
        self.results = list(results)
        self._cancel = cancel

    @property
    def children(self) -> list[AsyncResult[Any]]:
        """The `results`, by their other name."""
        return self.results

    @property
    def parent(self) -> None:
        """Nothing comes before a group."""
        return None

    @property
    def status(self) -> Status:
        """Where the group stands: once all have ended, ``SUCCESS`` if all have succeeded, else the worst."""
        found = [result.status for result in self.results]
        if all(status in FINAL for status in found):
            return next((end for end in ("FAILURE", "REVOKED") if end in found), "SUCCESS")
        return "STARTED" if any(status != "PENDING" for status in found) else "PENDING"

    state = status

    def ready(self) -> bool:
        """Tell whether all have ended."""
        return self.completed_count(of=FINAL) == len(self.results)

    def successful(self) -> bool:
        """Tell whether all have succeeded."""
        return self.completed_count() == len(self.results)

    def failed(self) -> bool:
        """Tell whether one has failed."""
        return self.completed_count(of=("FAILURE",)) > 0

    def completed_count(self, of: Sequence[Status] = ("SUCCESS",)) -> int:
        """Count those that have succeeded.

        Parameters
        ----------
        of
            The statuses to be counted instead.
        """
        return sum(result.status in of for result in self.results)

    def get(self, timeout: float | None = None, propagate: bool = True) -> list[Any]:
        """Wait for all, and give their values in the order of submission.

        Parameters
        ----------
        timeout
            Seconds for all together; None waits for ever.
        propagate
            Whether to raise the error of the first that has one, once all have ended; else errors stand in
            the list among the values.

        Raises
        ------
        GetTimeoutError
            If they have not all ended in time; they go on.
        """
        for _ in as_completed(self.results, timeout):
            pass
        return [result.get(propagate=propagate) for result in self.results]

    wait = getall = get

    def collect(self) -> "set[AsyncResult[Any] | GroupResult]":
        """Give the group, as `AsyncResult.collect` gives it."""
        return {self}

    def as_completed(self, timeout: float | None = None) -> Iterator[AsyncResult[Any]]:
        """Give the results as their tasks end; see `alula.runtime.as_completed`."""
        return iter(as_completed(self.results, timeout))

    def watch(self, timeout: float | None = None) -> None:
        """Show how far the tasks are until all have ended; see `AsyncResult.watch`."""
        watch(self.results, timeout)

    def revoke(self, terminate: bool = False) -> None:
        """Cancel all that have not ended; those that have not begun never will."""
        self._cancel()
        for result in self.results:
            if not result.ready():
                result.revoke(terminate)

    def forget(self) -> None:
        """Remove the values of all."""
        for result in self.results:
            result.forget()

    def __await__(self) -> Any:
        values = []
        for result in self.results:
            value = yield from result.__await__()
            values.append(value)
        return values

    def __iter__(self) -> Iterator[AsyncResult[Any]]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> AsyncResult[Any]:
        return self.results[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GroupResult) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_html_(self) -> str:
        rows = [(short(each.id), each.title, status(_known(each))) for each in self.results[:_SHOWN]]
        caption = f"{len(self)} tasks of group {self.id}"
        return grid(caption, ("task", "does", "status"), rows, total=len(self))

    def __repr__(self) -> str:
        return f"<GroupResult: {self.id} [{', '.join([result.id for result in self.results])}]>"


def _known(result: AsyncResult[Any]) -> Status:
    try:
        return result.status
    except TaskNotFoundError:  # the parent has not come so far
        return "PENDING"
