"""Promises: references whose values somebody gives later.

Ray has none, so an asynchronous actor, one per process that needs it, holds them: the reference is that of
a call which waits in the actor, and to settle it is another call. The actor lives on the machine of the
process that promised, so no other machine's death breaks a promise; should the actor itself die, what it
held fails with `ActorDiedError`, and the next promise has a new one.
"""

import asyncio
from functools import partial
from threading import Lock
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..._core._ids import new_id
from ...graph import Done, Failed
from .._engine import Settle
from .._errors import pack_error
from ._errors import raised, translate
from ._refs import NOT_PICKLED, RayRef

__all__ = ["Promises"]

_MANY = 1_000_000  # promises that may be pending at once; Ray takes a number, not "any"


class Promises:
    """The promises of this process."""

    def __init__(self) -> None:
        self._keeper: Any = None
        self._lock = Lock()

    def make(self) -> tuple[Any, Settle]:
        """Give a reference of Ray's and what settles it."""
        with self._lock:
            if self._keeper is None:
                self._keeper = _hired()
                self._keeper.died.remote().future().add_done_callback(partial(self._bury, self._keeper))
            keeper = self._keeper
        ticket = new_id()
        return keeper.value.remote(ticket), partial(self._settle, keeper, ticket)

    def _bury(self, keeper: Any, _: Any) -> None:
        # Without the lock: this is a thread of Ray's, for which whoever has the lock may be waiting. Nobody
        # replaces a keeper that has not been forgotten, so what is looked at here stays what it is.
        if self._keeper is keeper:
            self._keeper = None

    def _settle(self, keeper: Any, ticket: str, outcome: Done[Any] | Failed) -> None:
        if keeper is not self._keeper:  # it is dead, or the session over: whoever asks has the error already
            return
        if isinstance(outcome, Done):
            try:
                keeper.settle.remote(ticket, True, [outcome.value])
                return
            except NOT_PICKLED as error:
                outcome = Failed(error)
        keeper.settle.remote(ticket, False, pack_error(outcome.error))

    def close(self) -> None:
        """Forget them: their session ends."""
        self._keeper = None


def _hired() -> Any:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    keeper = ray.remote(num_cpus=0, max_concurrency=_MANY, scheduling_strategy=here)(_Keeper)
    return keeper.remote()


class _Keeper:
    """The actor."""

    def __init__(self) -> None:
        self._futures: dict[str, asyncio.Future[tuple[bool, Any]]] = {}

    def _future(self, ticket: str) -> "asyncio.Future[tuple[bool, Any]]":
        # Giving and asking may come in any order.
        return self._futures.setdefault(ticket, asyncio.get_running_loop().create_future())

    async def died(self) -> None:
        """Give nothing, ever: this call fails when the actor dies."""
        await asyncio.get_running_loop().create_future()

    async def value(self, ticket: str) -> Any:
        """Give the value when it is there; one that is a reference is followed."""
        try:
            good, content = await self._future(ticket)
        finally:
            del self._futures[ticket]
        if not good:
            raise raised(content, "the promise was settled with an error")
        [value] = content
        if not isinstance(value, RayRef):
            return value
        try:
            return await value.raw
        except ray.exceptions.RayError as error:
            raise raised(pack_error(translate(error, value)), str(error)) from error

    async def settle(self, ticket: str, good: bool, content: Any) -> None:
        """Give a value, in a list so that a reference stays one, or a packed error."""
        self._future(ticket).set_result((good, content))
