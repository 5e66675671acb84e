"""What may be said of a task of a workflow, beyond what the engine is told.

The options ride inside the engine's (`TaskOptions.metadata`), where the engine does not look.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..errors import suggest
from ..futures import RemoteFunction
from ._texts import LONGEST_NAME, checked_text

__all__ = ["Options", "check_metadata", "check_timeout", "options"]


class Options(Mapping[str, Any]):
    """Options of a task, as keywords for ``.options(**...)`` and as a decorator over ``@remote``."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._keywords = MappingProxyType({"metadata": dict(given)})

    def __getitem__(self, name: str) -> Any:
        return self._keywords[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keywords)

    def __len__(self) -> int:
        return len(self._keywords)

    def __call__(self, function: Any) -> Any:
        """Give the remote function with these options.

        Raises
        ------
        ValueError
            If it is not a remote function.
        """
        if not isinstance(function, RemoteFunction):
            raise ValueError(f"@workflow.options(...) goes above @remote on a function, not on {function!r}")
        return function.options(**self)


def options(**given: Any) -> Options:
    """Say how a task of a workflow is recorded: ``f.options(**workflow.options(checkpoint=False))``.

    Parameters
    ----------
    **given
        ``task_id`` (or ``name``), text: how people call the task; ``<module>.<function>`` by default.
        ``metadata``: a dict that JSON can hold, kept with the task.
        ``checkpoint``: whether the result is recorded; None, the default, takes it from the task that
        made this one, and is True for the first.
        ``max_retries``, whole number: further attempts after any failure; -1 for ever.
        ``retry_delay``: seconds before the second attempt, 0 by default; no worker is held meanwhile.
        ``retry_backoff``: factor from 1 on by which each further delay is longer; 2 by default.
        ``retry_max_delay``: seconds that no delay exceeds; an hour by default.
        ``retry_jitter``: share of a delay, 0 to 1, by which it is longer or shorter at random; 0 by default.
        ``timeout``: seconds that the body may take, None for no limit. An attempt that takes longer is
        interrupted, killed 5 seconds later if it still runs, and fails with `WorkflowTimeoutError`, which
        counts like the death of a process. Such a task never runs in place.
        ``allow_inplace``: whether it runs in the process of the task that returned it, which is quick, and in
        which its engine options count for nothing.
        ``retry_exceptions``: which errors of the task's own code count as failures to retry: True (all, the
        default if `max_retries` is given here), False, a list of classes, or a function that is given the
        error and tells; it runs in the executor's process.

    Returns
    -------
    Options
        A mapping for ``.options(**...)``, and a decorator for a remote function.

    Raises
    ------
    ValueError
        If a keyword is unknown, or a value out of range or not fit for JSON.
    TypeError
        If a value is of the wrong type.

    Examples
    --------
    >>> sorted(options(task_id="load", checkpoint=False)["metadata"].items())
    [('checkpoint', False), ('task_id', 'load')]
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            raise ValueError(f"unknown workflow option {name!r}; {suggest(name, _CHECKS)}")
        check(name, value)
        checked["task_id" if name == "name" else name] = value
    if "max_retries" in checked:
        # Said here it has always meant the errors of the task's own code, too.
        checked.setdefault("retry_exceptions", True)
    return Options(checked)


def check_metadata(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is a dict that JSON can hold."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a dict, not {type(value).__name__}")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a dict that JSON can hold: {error}") from error


def check_timeout(name: str, value: Any) -> None:
    """Raise `TypeError` or `ValueError` unless the value is a finite number of seconds above 0."""
    _number(0, float("inf"), value, name)
    if not value:
        raise ValueError(f"{name} must be more than 0 seconds")


def _text(name: str, value: Any) -> None:
    checked_text(f"the {name} of a task", value, LONGEST_NAME)


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")


def _flag_or_none(name: str, value: Any) -> None:
    if not (value is None or isinstance(value, bool)):
        raise TypeError(f"{name} must be True, False or None, not {value!r}")


def _count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < -1:
        raise ValueError(f"{name} must be -1 or more, not {value}")


def _errors(name: str, value: Any) -> None:
    if isinstance(value, bool) or (callable(value) and not isinstance(value, type)):
        return
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(cls, type) and issubclass(cls, BaseException) for cls in value
    ):
        what = "True, False, a list of exception classes or a function"
        raise TypeError(f"{name} must be {what}, not {value!r}")


def _number(low: float, high: float, value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not (low <= value <= high and value < float("inf")):
        raise ValueError(f"{name} must be {low:g} or more{_up_to(high)}, not {value!r}")


def _up_to(high: float) -> str:
    return "" if high == float("inf") else f" and at most {high:g}"


def _between(low: float, high: float = float("inf")) -> Callable[[str, Any], None]:
    return lambda name, value: _number(low, high, value, name)


def _limit(name: str, value: Any) -> None:
    if value is not None:
        check_timeout(name, value)


_CHECKS: Final[Mapping[str, Callable[[str, Any], None]]] = {
    "allow_inplace": _flag,
    "catch_exceptions": _flag,
    "checkpoint": _flag_or_none,
    "max_retries": _count,
    "metadata": check_metadata,
    "name": _text,
    "retry_backoff": _between(1),
    "retry_delay": _between(0),
    "retry_exceptions": _errors,
    "retry_jitter": _between(0, 1),
    "retry_max_delay": _between(0),
    "task_id": _text,
    "timeout": _limit,
}
