"""Orders: what a body is told of its task, beside the data; sealed into the record of the task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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

    @property
    def title(self) -> str:
        """What people call the task: ``fit iris``."""
        return f"{self.action} {self.name}".strip()
