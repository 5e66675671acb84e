"""Patience: what to do while the store is in trouble, and whose trouble it is.

A disk that is full for a moment, a database that restarts or that somebody holds locked: what is to be
recorded is tried again, at growing intervals. A trouble that lasts longer is not the workflow's failure.
Its run ends here, and it is left as it is recorded, to be resumed.
"""

from collections.abc import Callable, Iterator
from time import sleep
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection

from ..errors import StoreUnavailableError
from ..store import Fence, Store

__all__ = ["Later", "Writing", "is_trouble", "patiently", "pauses"]

T = TypeVar("T")

Later: TypeAlias = Callable[[float, Callable[[], None]], object]
"""Calls a function after so many seconds; `RuntimeError` if it does so no more."""

PATIENCE: Final = 30.0
"""Seconds of pauses between attempts, after which the store is given up; attempts take their time, too."""

_FIRST, _LONGEST = 0.1, 5.0  # seconds of the shortest and the longest pause


def pauses(patience: float | None = None) -> Iterator[float]:
    """Give the seconds to wait before each further attempt, as long as patience lasts."""
    left, pause = PATIENCE if patience is None else patience, _FIRST
    while left > 0:
        yield pause
        left, pause = left - pause, min(2 * pause, _LONGEST)


def patiently(work: Callable[[], T]) -> T:
    """Do some work with the store, in a thread that may be held up, until it goes well or patience ends.

    What the code of a task has raised is not looked at.
    """
    left: Iterator[float] | None = None
    while True:
        try:
            return work()
        except StoreUnavailableError as error:
            left = left or pauses()
            pause = next(left, None)
            if pause is None or not is_trouble(error):
                raise
        sleep(pause)


class Writing:
    """One write, which is made again while the store is in trouble and patience lasts."""

    __slots__ = ("_fence", "_given", "_later", "_left", "_patience", "_store", "_then", "_work")

    def __init__(
        self,
        store: Store,
        work: Callable[[Connection], None],
        then: Callable[[BaseException | None], None],
        *,
        fence: Fence,
        later: Later | None,
        patience: float | None = None,
        **given: bool,
    ) -> None:
        """Prepare a write.

        Parameters
        ----------
        store, work, then, fence, given
            As for `Store.post`, but that nobody asks what `work` returns.
        later
            Calls after so many seconds; without it the write is made once.
        patience
            Seconds of pauses; the usual ones by default.
        """
        self._store, self._work, self._then = store, work, then
        self._fence, self._later, self._patience = fence, later, patience
        self._given = given
        self._left: Iterator[float] | None = None

    def post(self) -> None:
        """Write soon; `StoreUnavailableError` if the store is closed."""
        self._store.post(self._work, self._told, fence=self._fence, **self._given)

    def _told(self, _: None, error: BaseException | None) -> None:
        if not (isinstance(error, StoreUnavailableError) and self._waits()):
            self._then(error)

    def _waits(self) -> bool:
        """Wait for the next attempt; false if there is none, or nobody left who would make it."""
        self._left = self._left or pauses(self._patience)
        pause = None if self._later is None else next(self._left, None)
        if pause is None:
            return False
        assert self._later is not None
        try:
            self._later(pause, self._again)
        except RuntimeError:  # the executor is closed
            return False
        return True

    def _again(self) -> None:
        try:
            self.post()
        except StoreUnavailableError as closed:
            self._then(closed)


def is_trouble(error: BaseException) -> bool:
    """Tell whether an error is the store's, rather than one of a task that has used a store itself."""
    return isinstance(error, StoreUnavailableError) and not error.of_task
