"""Blocks: ``with runtime.sequence() as crt`` only notes what is called inside; ``crt.run()`` submits it.

Calls on `crt` are noted wherever they are made, those on any other runtime of the same instance only where
the block stands: in its thread, and in no other.
"""

from collections.abc import Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final, Literal, TypeAlias

from ..errors import suggest
from ..futures import Function
from ._data import Previous
from ._families import Combination
from ._orders import Order
from ._wish import Wish

__all__ = ["Call", "OnError", "Recording", "current_recording", "joined"]

OnError: TypeAlias = Literal["stop", "partial"]
"""Whether the last task of a mapreduce runs although one that it combines has failed."""


@dataclass(frozen=True, slots=True)
class Call:
    """A task that is to be submitted.

    Attributes
    ----------
    body, order, args, wish
        What runs, what it is told, its data, and where it is to run.
    """

    body: Function
    order: Order
    args: tuple[Any, ...]
    wish: Wish

    @property
    def takes_results(self) -> bool:
        """Whether its data are what the task before it gives."""
        return any(isinstance(arg, Previous) for arg in self.args)

    def told(self, *, previous: str | None = None, results: tuple[str, ...] | None = None) -> "Call":
        """Give this call with the ids of the tasks that come before it."""
        return replace(self, order=replace(self.order, previous=previous, results=results))


class Recording:
    """What has been called inside of one block; safe to use from any thread.

    Attributes
    ----------
    owner
        Whose calls are noted: the tasks of one instance.
    combination
        How they are to follow each other.
    """

    def __init__(self, owner: object, combination: Combination) -> None:
        self.owner, self.combination = owner, combination
        self._lock = Lock()
        self._calls: list[Call] = []
        self._token: Token[Recording | None] | None = None
        self._over = False

    def open(self) -> None:
        """Begin to note calls of this thread; `ValueError` inside of another block."""
        if _RECORDING.get() is not None:
            raise ValueError("blocks of the runtime cannot be nested: end this one, and begin the next")
        if self._over:
            raise ValueError("a block of the runtime is used once: make another one")
        self._token = _RECORDING.set(self)

    def close(self, *, discard: bool) -> None:
        """Note no more; `discard` forgets what was noted."""
        assert self._token is not None
        _RECORDING.reset(self._token)
        self._over = True
        if discard:
            self.take()

    def add(self, call: Call) -> None:
        """Note a call; `RuntimeError` once the block has ended."""
        if self._over:
            raise RuntimeError("this block of the runtime has ended: only run() may follow it")
        with self._lock:
            self._calls.append(call)

    def take(self) -> list[Call]:
        """Give what was noted, once."""
        with self._lock:
            calls, self._calls = self._calls, []
        return calls


_RECORDING: ContextVar[Recording | None] = ContextVar("alula_block", default=None)


def current_recording(owner: object) -> Recording | None:
    """Give the recording of this thread, if there is one and it is for the tasks of `owner`."""
    recording = _RECORDING.get()
    return recording if recording is not None and recording.owner is owner else None


_LEAST: Final = {"mapreduce": 2}


def joined(combination: Combination, calls: Sequence[Call], on_error: OnError = "stop") -> list[Call]:
    """Give the calls of a block, each told which tasks come before it, unless it has been told.

    Raises
    ------
    ValueError
        If there are too few; or one takes the data of a task before it, and there is none.
    """
    if on_error not in ("stop", "partial"):
        raise ValueError(f"on_error={on_error!r} is none; {suggest(str(on_error), ('stop', 'partial'))}")
    if not calls:
        raise ValueError("nothing to run: no task was called inside of the block")
    if len(calls) < _LEAST.get(combination, 1):
        raise ValueError(f"a {combination} takes at least two tasks: what is combined, and the last one")
    ids = tuple([call.order.task for call in calls])
    told = list(calls)
    if combination == "sequence":
        told[1:] = [call.told(previous=before) for before, call in zip(ids, calls[1:], strict=False)]
    elif combination == "mapreduce" and told[-1].order.results is None:
        told[-1] = told[-1].told(results=ids[:-1])
    for call in told:
        if call.takes_results and call.order.previous is None and call.order.results is None:
            raise ValueError(f"{call.order.title!r} has no data: no task comes before it, so give it X")
    return told
