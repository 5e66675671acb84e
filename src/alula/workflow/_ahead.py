"""Going ahead: a worker does not answer for each task of a line, but goes on with the next one itself.

In a line each task is read by the next one alone (see `_outlines`). The worker records each value, behind
the fence of the workflow's owner, before it starts the reader; so nothing is less durable than if the owner
had recorded it, and no round trip lies between two tasks. It answers when the line is over, or its time:
tasks that take longer than a round trip are scheduled one by one.
"""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic, time
from typing import Any, Final, TypeAlias

from .._core._gates import gate
from .._core._ids import Key
from ..errors import StoreUnavailableError
from ..futures import pack_task_error
from ._ledger import Book, Ledger
from ._orders import Order
from ._replies import Raised, Reply
from ._tasks import Span
from ._vault import Stored
from ._watch import TOPIC

__all__ = ["go_ahead"]

Perform: TypeAlias = Callable[[Order], tuple[Reply, Any]]
"""Runs an attempt of a task in the calling thread."""

_SLICE: Final = 0.02  # seconds after which a worker begins no other task before it has answered
_RING: Final = 0.01  # seconds between two rings, so that those who wait for one of the values hear of it


def go_ahead(order: Order, reply: Reply, perform: Perform, began: float) -> Reply:
    """Run what stands in an order behind the task that has run, and answer for all of it.

    Parameters
    ----------
    order, reply
        The task that has run, and what is to be answered for it.
    perform
        Runs an attempt of a task.
    began
        When the worker began, by the monotonic clock.

    Returns
    -------
    Reply
        Of the first task, with those of the others in it. What the last of them gave is left to be
        recorded by whoever reads it.
    """
    ledger = _ledger(order.book)
    if ledger is None:
        return reply
    line = _Line(order, reply, ledger)
    for ahead in order.ahead:
        value = line.value() if monotonic() - began < _SLICE else None
        if value is None:
            break
        line.attempt(order.following(ahead, line.key, value), perform)
    return line.reply()


def _ledger(book: Book) -> Ledger | None:
    """Give where this process records; None if it cannot, as where the store is out of reach."""
    if monotonic() < _unreached.get(book.store, 0.0):
        return None
    try:
        return Ledger(book, book.reach())
    except StoreUnavailableError:
        _unreached[book.store] = monotonic() + _UNREACHED
        return None


_UNREACHED: Final = 60.0  # seconds for which a store that could not be opened is not tried again
_unreached: dict[str, float] = {}


class _Line:
    """What has run of a line, and how it ended.

    Attributes
    ----------
    key
        Of the task that has run last.
    """

    key: Key

    def __init__(self, order: Order, reply: Reply, ledger: Ledger) -> None:
        self.key, self._attempt = order.creator.key, order.attempt
        self._last: Reply | Raised = reply
        self._before: list[tuple[Key, Reply]] = []
        self._ledger, self._rung = ledger, -_RING

    def value(self) -> Stored | None:
        """Give what the last task gave, recorded; None if it gave nothing that can be handed on."""
        last = self._last
        if not isinstance(last, Reply) or not isinstance(last.result, Stored):
            return None
        if not last.written:
            try:
                span = Span(last.started, last.ended, self._attempt)
                self._ledger.end(self.key, last.result, span)
            except StoreUnavailableError:  # whoever gets the answer may have more luck
                return None
            self._last = replace(last, written=True)
        gate("ahead.recorded")
        self._tell()
        return last.result

    def attempt(self, order: Order, perform: Perform) -> None:
        """Run the next task."""
        assert isinstance(self._last, Reply)
        self._before.append((self.key, self._last))
        started = time()
        try:
            self._last, _ = perform(order)
        except (Exception, SystemExit) as error:  # the user's code
            self._last = Raised(pack_task_error(error, order.name), started)
        self.key, self._attempt = order.creator.key, order.attempt

    def reply(self) -> Reply:
        """Give the answer for all of it."""
        [(_, first), *others] = [*self._before, (self.key, self._last)]
        assert isinstance(first, Reply)
        return replace(first, later=tuple(others))

    def _tell(self) -> None:
        """Ring for those who wait for one of the values, now and then."""
        now = monotonic()
        if now - self._rung >= _RING:
            self._rung = now
            self._ledger.store.ring(TOPIC)
