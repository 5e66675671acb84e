"""Looking at who works, and at what waits; every answer is read from the store, and nobody is waited for."""

import os
from typing import Any, Final, Literal, overload

from .._core._ids import new_id
from ..futures import Function, TaskOptions
from ..objects import Catalogs
from . import _bodies as bodies
from ._orders import Order
from ._results import AsyncResult
from ._site import Site
from ._tasks import Tasks
from ._wish import Wish

__all__ = ["Inspecting"]

_PING: Final = Function(bodies.ping, TaskOptions(num_cpus=0))


class Inspecting:
    """The part of a runtime that tells who is there."""

    _site: Site
    _catalogs: Catalogs
    _tasks: Tasks
    _wish: Wish

    def labels(self) -> dict[str, list[str]]:
        """Give the labels of the executors that live, by their names; this process has one of them."""
        return {info.name: list(info.labels) for info in self._site.executors()}

    def workers(self) -> dict[str, list[str]]:
        """Give the ids of the tasks whose bodies run now, by the names of the living executors."""
        running = self._tasks.records.running()
        return {
            info.name: [attempt.task for attempt in running.get(info.name, ())]
            for info in self._site.executors()
        }

    def status(self) -> dict[str, dict[str, Any]]:
        """Describe the executors that live, by their names.

        Returns
        -------
        dict
            For each: ``loadavg`` of its host over 1, 5 and 15 minutes; ``processes``, the ids of the
            processes that run a task now; ``uptime`` in seconds; ``queues``, its labels.
        """
        running, load = self._tasks.records.running(), os.getloadavg()
        now = self._catalogs.store.clock.time()
        return {
            info.name: {
                "loadavg": load,
                "processes": [attempt.pid for attempt in running.get(info.name, ())],
                "uptime": now - info.started,
                "queues": list(info.labels),
            }
            for info in self._site.executors()
        }

    @overload
    def ping(
        self,
        /,
        *args: Any,
        require: str | None = None,
        wait: Literal[True] = True,
        timeout: float | None = 10,
        exception: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]: ...
    @overload
    def ping(
        self,
        /,
        *args: Any,
        require: str | None = None,
        wait: Literal[False],
        timeout: float | None = 10,
        exception: bool = False,
        **kwargs: Any,
    ) -> AsyncResult[dict[str, Any]]: ...
    def ping(
        self,
        /,
        *args: Any,
        require: str | None = None,
        wait: bool = True,
        timeout: float | None = 10,
        exception: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Let a worker answer, and say who it is.

        Parameters
        ----------
        args, kwargs
            Come back in the answer.
        require
            A label, as for `require`.
        wait
            Whether to wait for the answer; else its `AsyncResult` is given at once.
        timeout
            Seconds to wait; None is for ever.
        exception
            Whether the task is to fail with a `RuntimeError`.

        Returns
        -------
        dict
            ``message``, ``time`` (ISO, UTC), ``args``, ``kwargs``, and ``worker``, the executor's name.

        Raises
        ------
        GetTimeoutError
            If there is no answer in time.
        """
        settings = self._tasks.settings(self._catalogs.bucket)
        order = Order(settings=settings, task=new_id(), action="ping", args=args, kwargs=kwargs)
        wish = self._wish.labelled(require)
        answer = self._tasks.submit(_PING, order, exception, wish=wish)
        return answer.get(timeout) if wait and not self._tasks.is_recording else answer
