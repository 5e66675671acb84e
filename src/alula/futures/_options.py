"""Options of tasks, actors and methods: checked where they are written, frozen afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from ..errors import UnsupportedError, suggest

__all__ = ["ActorOptions", "TaskOptions"]

_NONE: Final[Mapping[str, float]] = MappingProxyType({})

# Options of Ray's that mean something on a cluster and nothing here yet: refused by name, because to
# ignore a request for a GPU is to run on the wrong machine in silence.
_ELSEWHERE: Final = frozenset(
    {
        "accelerator_type",
        "allow_out_of_order_execution",
        "concurrency_groups",
        "fallback_strategy",
        "label_selector",
        "lifetime",
        "max_calls",
        "max_pending_calls",
        "max_task_retries",
        "memory",
        "num_gpus",
        "runtime_env",
        "scheduling_strategy",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """How a task runs.

    Attributes
    ----------
    num_cpus
        Cores to hold while it runs; 1 by default, fractions down to 0.0001.
    resources
        Further named resources to hold.
    num_returns
        References that a call gives: 1 by default.
    max_retries
        Further attempts after its process died; 3 by default, -1 for no limit.
    retry_exceptions
        Whether errors of the task's own code are retried too: all, none, or those of some classes.
    name
        How people see it; the function's name by default.
    metadata
        For other faces: what `alula.workflow.options` says.
    """

    num_cpus: float = 1
    resources: Mapping[str, float] = field(default_factory=lambda: _NONE)
    num_returns: int = 1
    max_retries: int = 3
    retry_exceptions: bool | tuple[type[BaseException], ...] = False
    name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def merged(self, given: Mapping[str, Any]) -> "TaskOptions":
        """Give these options with some replaced; the originals stay as they are.

        Raises
        ------
        ValueError
            If an option is unknown, or its value out of range.
        TypeError
            If a value is of the wrong type.
        UnsupportedError
            If the option exists in Ray and has no meaning here yet.
        """
        return _merged(self, given, "task")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorOptions:
    """How an actor lives.

    Attributes
    ----------
    num_cpus
        Cores to hold while it lives: 0 by default.
    resources
        Further named resources to hold.
    max_restarts
        How often its process is started again, with a new ``__init__``, after it died: 0 by default.
    max_concurrency
        Calls that may run at once: 1 by default; more makes a threaded actor.
    name
        Under which `get_actor` finds it.
    namespace
        In which that name is unique.
    get_if_exists
        Take the living actor of that name instead of failing.
    metadata
        For other faces.
    """

    num_cpus: float = 0
    resources: Mapping[str, float] = field(default_factory=lambda: _NONE)
    max_restarts: int = 0
    max_concurrency: int = 1
    name: str | None = None
    namespace: str | None = None
    get_if_exists: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def merged(self, given: Mapping[str, Any]) -> "ActorOptions":
        """Give these options with some replaced; errors as in `TaskOptions.merged`."""
        made = _merged(self, given, "actor")
        if made.get_if_exists and not made.name:
            raise ValueError("get_if_exists=True needs a name=")
        return made


Given = TypeVar("Given", TaskOptions, ActorOptions)


def _merged(options: Given, given: Mapping[str, Any], kind: str) -> Given:
    known = {name: _CHECKS[name] for name in options.__slots__}
    checked: dict[str, Any] = {}
    for name, value in given.items():
        field_name = "metadata" if name == "_metadata" else name
        if field_name not in known:
            if name in _ELSEWHERE:
                raise UnsupportedError(f"the {kind} option {name}={value!r}", "embedded")
            raise ValueError(f"unknown {kind} option {name!r}; {suggest(name, known)}")
        checked[field_name] = known[field_name](name, value)
    if "metadata" in checked:  # of several faces, and said in several calls: merged by key
        checked["metadata"] = {**options.metadata, **checked["metadata"]}
    return replace(options, **checked)


def _amount(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be 0 or more, not {value!r}")
    return round(float(value), 4)


def _resources(name: str, value: Any) -> Mapping[str, float]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict of amounts by name, not {value!r}")
    if wrong := {"CPU", "GPU"} & set(value):
        raise ValueError(f"use num_cpus= and num_gpus= instead of resources={wrong}")
    return MappingProxyType({str(k): _amount(f"{name}[{k!r}]", v) for k, v in value.items() if v})


def _count(least: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, not {value!r}")
        if value < least:
            raise ValueError(f"{name} must be {least} or more, not {value}")
        return value

    return check


def _retry(name: str, value: Any) -> bool | tuple[type[BaseException], ...]:
    if isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)) and all(
        isinstance(c, type) and issubclass(c, BaseException) for c in value
    ):
        return tuple(value)
    raise TypeError(f"{name} must be True, False or a list of exception classes, not {value!r}")


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {value!r}")
    if value == "":
        raise ValueError(f"{name} must not be empty")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {value!r}")
    return dict(value)


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "get_if_exists": _flag,
    "max_concurrency": _count(1),
    "max_restarts": _count(-1),
    "max_retries": _count(-1),
    "metadata": _mapping,
    "name": _text,
    "namespace": _text,
    "num_cpus": _amount,
    "num_returns": _count(0),
    "resources": _resources,
    "retry_exceptions": _retry,
}
