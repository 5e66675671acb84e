"""Looking at who works, and at what waits; every answer is read from the store, and nobody is waited for."""

import os
from collections.abc import Mapping
from socket import gethostname
from typing import Any, Final, Literal, overload

from .._core._ids import new_id
from ..futures import Function, TaskOptions
from ..objects import Catalogs
from ..store import ExecutorInfo
from . import _bodies as bodies
from ._current import TaskContext, current_task
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

    def current_task(self) -> TaskContext | None:
        """Give the task whose code this is, as `alula.runtime.current_task`; None outside of any."""
        return current_task()

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

    def queues(self) -> dict[str, list[dict[str, Any]]]:
        """Tell what waits in the queue, by label; what needs several labels stands under each.

        Returns
        -------
        dict
            For each label: ``labels``, all that are needed; ``waiting``, how many tasks wait for them;
            ``oldest``, for how many seconds the first of them has; ``workers``, the names of the living
            executors that will take them.
        """
        alive, now = self._site.executors(), self._catalogs.store.clock.time()
        found: dict[str, list[dict[str, Any]]] = {}
        for labels, (waiting, since) in self._tasks.records.waiting().items():
            takers = [info.name for info in alive if info.claims and set(labels) <= set(info.labels)]
            told = {"labels": [*labels], "waiting": waiting, "oldest": now - since, "workers": takers}
            for label in labels:
                found.setdefault(label, []).append(told)
        return found

    def stats(self) -> dict[str, dict[str, Any]]:
        """Describe the executors that live, by name: host, process, and how many tasks have ended there how.

        Returns
        -------
        dict
            For each: ``host``, ``pid``, ``started`` (UNIX time in seconds), ``claims``, whether it takes work
            from the queue, and ``processed``, by status.
        """
        counted = self._tasks.records.processed()
        return {
            info.name: {
                "host": info.host,
                "pid": info.pid,
                "started": info.started,
                "claims": info.claims,
                "processed": counted.get(info.name, {}),
            }
            for info in self._site.executors()
        }

    def status(self) -> dict[str, dict[str, Any]]:
        """Describe what the executors that live are at, by their names.

        Returns
        -------
        dict
            For each: ``loadavg`` of this host over 1, 5 and 15 minutes, for those that are on it;
            ``processes``, the ids of the processes that run a task now; ``uptime`` in seconds; ``queues``,
            its labels; ``waiting``, how many tasks wait that it may take.
        """
        running, load, here = self._tasks.records.running(), os.getloadavg(), gethostname()
        waiting = self._tasks.records.waiting()
        now = self._catalogs.store.clock.time()
        return {
            info.name: {
                "loadavg": load if info.host == here else None,
                "processes": [attempt.pid for attempt in running.get(info.name, ())],
                "uptime": now - info.started,
                "queues": list(info.labels),
                "waiting": _waiting(waiting, info),
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
        logging: Any = None,
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
        logging: Any = None,
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
        logging: Any = None,
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
        logging
            As for `Runtime.mode`, for this task.

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
        if logging is not None:
            wish = wish.with_resources({"logging": logging})
        answer = self._tasks.submit(_PING, order, exception, wish=wish)
        return answer.get(timeout) if wait and not self._tasks.is_recording else answer


def _waiting(counted: Mapping[tuple[str, ...], tuple[int, float]], info: ExecutorInfo) -> int:
    """Count what waits that an executor may take."""
    fitting = (count for labels, (count, _) in counted.items() if set(labels) <= set(info.labels))
    return sum(fitting) if info.claims else 0
