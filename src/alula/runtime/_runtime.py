"""The runtime: tasks on objects that are known by their names."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from .._core._ids import new_id
from ..errors import LabelError
from ..futures import Function, TaskOptions
from ..objects import Catalogs
from . import _bodies as bodies
from ._experiments import Experiment, Place, open_experiment
from ._models import ModelProxy, missing
from ._orders import Order
from ._results import AsyncResult
from ._site import Site
from ._tasks import Tasks, Wish

__all__ = ["Runtime"]

_PING = Function(bodies.ping, TaskOptions(num_cpus=0))
_OURS = ("metadata", "_metadata", "name", "num_returns")  # what the runtime itself says to the engine
_LOCAL = "local"  # the label of the process itself


class Runtime:
    """Runs tasks on the objects of one bucket; safe to use from any thread.

    What `require` asks for belongs to the runtime that it returns, and to nobody else.
    """

    def __init__(self, site: Site, catalogs: Catalogs, tasks: Tasks, wish: Wish | None = None) -> None:
        self._site, self._catalogs, self._tasks = site, catalogs, tasks
        self._wish = wish or Wish()

    def require(self, /, label: str | None = None, **resources: Any) -> "Runtime":
        """Give a runtime whose tasks run only where this is to be had; this one stays as it is.

        Parameters
        ----------
        label
            Of an executor; ``"local"`` is that of this process. A task whose label no living executor
            has is PENDING until one does, and a warning says so.
        resources
            For the engine: ``num_cpus``, ``resources``, ``max_retries``, ``retry_exceptions``. What is
            not named stays as it was; nothing at all takes back whatever was asked for before.

        Raises
        ------
        LabelError
            If it cannot be the label of any executor. Also an `AssertionError`.
        ValueError, TypeError
            If there is no such resource, or not in that amount.
        UnsupportedError
            If the engine cannot provide it.
        """
        if label is None and not resources:
            return self._with(Wish())
        for name in resources:
            if name in _OURS:
                raise ValueError(f"{name}= is no resource that a task may require")
        _PING.with_options(resources)  # refuses what is none here, where it was written
        wish = replace(self._wish, options={**self._wish.options, **resources})
        return self._with(wish if label is None else replace(wish, label=_label(label)))

    def model(self, name: str, require: str | None = None) -> ModelProxy:
        """Give a model, to be trained or asked.

        Parameters
        ----------
        name
            May name a version: ``m@tag``, ``m^``.
        require
            A label, as for `require`.

        Raises
        ------
        NameNotFoundError
            If there is no such model; says which is nearest. Also an `AssertionError`.
        LabelError
            As `require`.
        """
        self._catalogs.models.resolve(name)
        wish = self._wish if require is None else replace(self._wish, label=_label(require))
        return ModelProxy(name, self._catalogs, self._tasks, wish)

    @overload
    def result(self, task_id: str, wait: Literal[True] = True) -> Any: ...
    @overload
    def result(self, task_id: str, wait: Literal[False]) -> AsyncResult[Any]: ...
    def result(self, task_id: str, wait: bool = True) -> Any:
        """Give what a task gave that was submitted at any time, by any process.

        Parameters
        ----------
        wait
            Whether to wait for its value, and raise its error; else its `AsyncResult` is given at once.

        Raises
        ------
        TaskNotFoundError
            If there is no task of that id.
        """
        found = self._tasks.find(task_id)
        return found.get() if wait else found

    def labels(self) -> dict[str, list[str]]:
        """Give the labels of the executors that live, by their names; this process has one of them."""
        return {info.name: list(info.labels) for info in self._site.executors()}

    def workers(self) -> dict[str, list[str]]:
        """Give the ids of the tasks whose bodies run now, by the names of the living executors."""
        running = self._tasks.running()
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
        running, load = self._tasks.running(), os.getloadavg()
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
        wish = self._wish if require is None else replace(self._wish, label=_label(require))
        answer = self._tasks.submit(_PING, order, exception, wish=wish)
        return answer.get(timeout) if wait else answer

    def experiment(
        self,
        name: str,
        provider: str | None = None,
        autotrack: bool | None = None,
        implied_run: bool = True,
        recreate: bool = False,
    ) -> Experiment:
        """Give an experiment, which is made at its first use.

        Parameters
        ----------
        name
            May contain ``/``. Among the models stands a card, ``experiments/<name>``: who drops that drops
            the experiment with all that was logged to it.
        provider
            ``"default"``; ``"profiling"`` adds the load of the machine; ``"notrack"`` keeps nothing. None
            leaves it as it is.
        autotrack
            Whether tasks that are tracked also keep what a model is fitted on and what it predicts from; None
            leaves it as it is.
        implied_run
            Whether ``with`` begins a run; else that is left to `start` and `use`.
        recreate
            Whether to drop what there is.

        Raises
        ------
        ValueError
            If there is no such provider.
        InvalidNameError
            If the name has a character with a meaning.
        """
        return open_experiment(
            self._place(),
            name,
            provider=provider,
            autotrack=autotrack,
            implied_run=implied_run,
            recreate=recreate,
        )

    def __repr__(self) -> str:
        return f"<runtime of {self._catalogs.bucket}>"

    if not TYPE_CHECKING:  # so that type checkers go on telling what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise missing("the runtime", name, type(self))

    def _place(self) -> Place:
        return Place(self._catalogs, str(self._tasks.settings(self._catalogs.bucket).home))

    def _with(self, wish: Wish) -> "Runtime":
        return Runtime(self._site, self._catalogs, self._tasks, wish)


def _label(label: object) -> str | None:
    """Check a label; None stands for this process."""
    if not isinstance(label, str) or not label.strip() or "," in label:
        raise LabelError(label)
    return None if label == _LOCAL else label.strip()
