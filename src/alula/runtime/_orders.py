"""Orders: what a body is told of its task, beside the data; sealed into the record of the task."""

import pickle
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from typing import Any, Final

from .._core._pickle import add_partly_plain
from .._core._settings import Settings
from ._experiments import RunReference
from ._logging import Capture

__all__ = ["Order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a body is told of its task.

    Attributes
    ----------
    settings
        Where the objects are, and in which bucket.
    task
        The id of the task.
    action
        What is asked for: the name of an estimator's method, ``"run"``, ``"ping"``.
    kind
        Of the object that it is about: ``"model"``, ``"script"``, ``"job"``; empty if it is about none.
    name
        Of that object; may say a version.
    result
        The name of the dataset to be made of the result, if any.
    args, kwargs
        For the method, the script or the notebook.
    logging
        What is to be captured of it for the log, if anything is.
    previous
        The id of the task whose result comes before this one, if there is one.
    run
        The run of an experiment to which it belongs, if there is one.
    results
        The ids of the tasks whose results this one combines, in order; None if it combines none.
    options
        For the engine, so that the task can be run again as it was.
    cached
        Whether what another task has computed from the same will do.
    retry_of
        The id of the task that this one does again, if it does.
    """

    settings: Settings
    task: str
    action: str
    kind: str = ""
    name: str = ""
    result: str | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    run: RunReference | None = None
    logging: Capture | None = None
    previous: str | None = None
    results: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    cached: bool = False
    retry_of: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # One is written and read with every task: dataclasses look their fields up anew each time.
        said = {name: value for name in _USUAL if (value := getattr(self, name)) != _USUAL[name]}
        return _order, (_packed(self.settings), self.task, self.action, said)

    @property
    def title(self) -> str:
        """What people call the task: ``fit iris``."""
        return f"{self.action} {self.name}".strip()


_USUAL: Final[dict[str, Any]] = {
    each.name: each.default if each.default_factory is MISSING else each.default_factory()
    for each in fields(Order)
    if each.name not in ("settings", "task", "action")
}


def _order(settings: bytes, task: str, action: str, said: dict[str, Any]) -> Order:
    return Order(settings=_settings(settings), task=task, action=action, **said)


@lru_cache(maxsize=64)
def _packed(settings: Settings) -> bytes:
    return pickle.dumps(settings, 5)


@lru_cache(maxsize=64)
def _settings(packed: bytes) -> Settings:
    settings: Settings = pickle.loads(packed)
    return settings


add_partly_plain(lambda order: [order.args, order.kwargs, order.run, order.logging, order.options], Order)
