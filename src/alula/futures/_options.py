"""Options of tasks, actors and methods: checked where they are written, frozen afterwards."""

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from ..errors import UnsupportedError, suggest
from ._strategies import (
    Condition,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    Strategy,
    adopted,
    condition,
)

__all__ = [
    "ActorOptions",
    "Frozen",
    "MethodOptions",
    "Placement",
    "Shape",
    "Streaming",
    "TaskOptions",
    "check_early",
    "frozen",
    "key_of",
    "session_options",
]

_NONE: Final[Mapping[str, float]] = MappingProxyType({})

# Options of Ray's that mean something only on a cluster: refused by name.
_ELSEWHERE: Final = frozenset({"fallback_strategy", "placement_group", "placement_group_bundle_index"})

_RAYS: Final = {"_metadata": "metadata", "_generator_backpressure_num_objects": "backpressure"}
_A_TOUCH: Final = 0.001  # of an accelerator's kind: enough to be placed beside it

Streaming: TypeAlias = Literal["streaming", "dynamic"]
Frozen: TypeAlias = tuple[tuple[str, Any], ...]
"""A dict that can be a key: its items, sorted, and so on inside."""


class Shape(NamedTuple):
    """All that a worker must have for a task: tasks with equal ones share workers.

    Attributes
    ----------
    amounts
        Resources to hold, by name and in its order.
    env
        The runtime environment.
    labels
        Conditions that must hold for labels of the machine.
    node
        The id of the machine that it must be, or nothing.
    """

    amounts: tuple[tuple[str, float], ...]
    env: Frozen = ()
    labels: tuple[tuple[str, Condition], ...] = ()
    node: str = ""


def frozen(value: Any) -> Any:
    """Make of a value of dicts and lists one that can be a key."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), frozen(item)) for name, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(map(frozen, value))
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a task or an actor needs to run: the options that both have.

    Attributes
    ----------
    num_cpus
        Cores to hold: 1 for tasks, 0 for actors by default; fractions down to 0.0001.
    num_gpus
        GPUs to hold; ``CUDA_VISIBLE_DEVICES`` names them to the process, and is empty without. A fraction
        is a share of one that others may hold too; above 1 it must be whole.
    memory
        Bytes to reserve, so that fewer run at once: 0 by default. Nothing is measured or enforced.
    resources
        Further named resources to hold.
    accelerator_type
        The kind of GPU, as the resource ``accelerator_type:<kind>`` names it.
    label_selector
        Labels that the machine must have: ``{"zone": "a"}``, or ``"!a"``, ``"in(a, b)"``, ``"!in(a, b)"``.
    scheduling_strategy
        ``"DEFAULT"``, ``"SPREAD"`` (on one machine they mean the same) or an object of
        `alula.util.scheduling_strategies`; Ray's own become those.
    runtime_env
        Of the process: ``{"env_vars": {...}, "working_dir": folder}`` on every engine, anything of Ray's
        on Ray. What a task starts inherits it.
    metadata
        For other faces: what `alula.workflow.options` says.
    shape
        All of this that chooses a worker, in a form that can be a key.
    """

    num_cpus: float = 1
    num_gpus: float = 0
    memory: float = 0
    resources: Mapping[str, float] = field(default_factory=lambda: _NONE)
    accelerator_type: str | None = None
    label_selector: Mapping[str, str] = field(default_factory=dict)
    scheduling_strategy: Strategy = "DEFAULT"
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    shape: Shape = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Read for every call, so worked out once.
        strategy, node = self.scheduling_strategy, ""
        labels = [(name, condition(text)) for name, text in sorted(self.label_selector.items())]
        if isinstance(strategy, NodeLabelSchedulingStrategy):
            labels += strategy.hard
        elif isinstance(strategy, NodeAffinitySchedulingStrategy) and not strategy.soft:
            node = strategy.node_id
        amounts = tuple(sorted(self._amounts().items()))
        shape = Shape(amounts, frozen(self.runtime_env), tuple(labels), node)
        object.__setattr__(self, "shape", shape)

    def _amounts(self) -> dict[str, float]:
        named = {"CPU": self.num_cpus, "GPU": self.num_gpus, "memory": self.memory, **self.resources}
        if self.accelerator_type is not None:
            named[f"accelerator_type:{self.accelerator_type}"] = _A_TOUCH
        return {name: amount for name, amount in named.items() if amount}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions(Placement):
    """How a task runs: what `Placement` says, and the following.

    Attributes
    ----------
    num_returns
        References that a call gives: 1 by default; ``"streaming"`` for a generator of them, which is the
        default of generator functions; ``"dynamic"`` for one reference to such a generator.
    max_retries
        Further attempts after its process died; 3 by default, -1 for no limit.
    retry_exceptions
        Whether errors of the task's own code are retried too: all, none, or those of some classes.
    max_calls
        Calls of the function after which a worker process ends; 0 for no limit. By default 1 for what holds
        a GPU, so that its memory is free for others afterwards, and 0 for the rest. Not for ``.options()``.
    name
        How people see it; the function's name by default.
    backpressure
        Values that a streaming task may be ahead of who takes them; -1, the default, or None, for no limit.
        Written ``_generator_backpressure_num_objects`` in Ray's words.
    """

    num_returns: int | Streaming = 1
    max_retries: int = 3
    retry_exceptions: bool | tuple[type[BaseException], ...] = False
    max_calls: int | None = None
    name: str | None = None
    backpressure: int = -1

    @property
    def count(self) -> int:
        """References that a call gives, a stream of them being one."""
        return self.num_returns if isinstance(self.num_returns, int) else 1

    @property
    def calls(self) -> int:
        """Calls after which a worker ends, 0 for no limit."""
        return int(self.num_gpus > 0) if self.max_calls is None else self.max_calls

    def merged(self, given: Mapping[str, Any]) -> "TaskOptions":
        """Give these options with some replaced; the originals stay as they are.

        Raises
        ------
        ValueError
            If an option is unknown, or its value out of range.
        TypeError
            If a value is of the wrong type.
        UnsupportedError
            If the option exists in Ray and has no meaning here.
        """
        return _merged(self, given, "task")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorOptions(Placement):
    """How an actor lives: what `Placement` says, held while it lives, and the following.

    Attributes
    ----------
    max_restarts
        How often its process is started again, with a new ``__init__``, after it died: 0 by default, -1
        for no limit.
    max_task_retries
        Further attempts of a call whose process died, if it restarts: 0 by default, -1 for no limit.
    max_concurrency
        Calls that may run at once: 1 by default, 1000 if any method is ``async def``; more than 1 makes
        a threaded actor.
    concurrency_groups
        Calls at once of each named group of methods; see `method`.
    max_pending_calls
        Calls that one process may have waiting, before `PendingCallsLimitExceeded`; -1 for no limit.
    name
        Under which `get_actor` finds it.
    namespace
        In which that name is unique.
    get_if_exists
        Take the living actor of that name instead of failing.
    lifetime
        ``"detached"``: it lives until it is killed, or its session ends, also when no handle is left.
    allow_out_of_order_execution
        Whether calls whose inputs are late may be overtaken.
    """

    num_cpus: float = 0
    max_restarts: int = 0
    max_task_retries: int = 0
    max_concurrency: int | None = None
    concurrency_groups: Mapping[str, int] = field(default_factory=dict)
    max_pending_calls: int = -1
    name: str | None = None
    namespace: str | None = None
    get_if_exists: bool = False
    lifetime: Literal["detached"] | None = None
    allow_out_of_order_execution: bool = False

    def merged(self, given: Mapping[str, Any]) -> "ActorOptions":
        """Give these options with some replaced; errors as in `TaskOptions.merged`."""
        made = _merged(self, given, "actor")
        if made.get_if_exists and not made.name:
            raise ValueError("get_if_exists=True needs a name=")
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOptions:
    """How a call of an actor's method runs.

    Attributes
    ----------
    num_returns, retry_exceptions, name, backpressure
        As of `TaskOptions`.
    max_task_retries
        As of `ActorOptions`, which it overrides unless it is None.
    concurrency_group
        The group of the actor's in which it runs; None for the actor's own limit.
    """

    num_returns: int | Streaming = 1
    max_task_retries: int | None = None
    retry_exceptions: bool | tuple[type[BaseException], ...] = False
    concurrency_group: str | None = None
    name: str | None = None
    backpressure: int = -1

    @property
    def count(self) -> int:
        """References that a call gives, a stream of them being one."""
        return self.num_returns if isinstance(self.num_returns, int) else 1

    def merged(self, given: Mapping[str, Any]) -> "MethodOptions":
        """Give these options with some replaced; errors as in `TaskOptions.merged`."""
        return _merged(self, given, "method")


def check_early(given: Mapping[str, Any]) -> None:
    """Refuse what can be an option of neither tasks nor actors; errors as in `TaskOptions.merged`.

    For a decorator, before it is known what it decorates.
    """
    known = {made.name for kind in (TaskOptions, ActorOptions) for made in fields(kind) if made.init}
    for name, value in given.items():
        if (field_name := _RAYS.get(name, name)) in known:
            _CHECKS[field_name](name, value)
        else:
            TaskOptions().merged({name: value})


def session_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check what `init` is given beside the settings, and leave out what is None.

    Raises
    ------
    ValueError
        If a value is out of range.
    TypeError
        If a value is of the wrong type.
    """
    return {name: _OF_SESSIONS[name](name, value) for name, value in given.items() if value is not None}


_FIXED: Final = frozenset({bool, bytes, float, int, str, type(None)})
_COPIED: Final = ("metadata", "resources")  # so that a change of what was given changes nothing


def key_of(given: Mapping[str, Any]) -> Hashable | None:
    """Give a key that equal options have in common; None if something in them could be changed unseen."""
    parts: list[Hashable] = []
    for name, value in given.items():
        kind = value.__class__
        if kind in _FIXED:
            parts.append((name, kind, value))  # for 1 equals True
        elif kind is dict and name in _COPIED and all(part.__class__ in _FIXED for part in value.values()):
            parts.append((name, *[(key, part.__class__, part) for key, part in value.items()]))
        else:
            return None
    return tuple(parts)


Given = TypeVar("Given", TaskOptions, ActorOptions, MethodOptions)


def _merged(options: Given, given: Mapping[str, Any], kind: str) -> Given:
    known = {made.name: _CHECKS[made.name] for made in fields(options) if made.init}
    checked: dict[str, Any] = {}
    for name, value in given.items():
        field_name = _RAYS.get(name, name)
        if field_name not in known:
            if name in _ELSEWHERE:
                raise UnsupportedError(f"the {kind} option {name}={value!r}", "Alula")
            raise ValueError(f"unknown {kind} option {name!r}; {suggest(name, known)}")
        checked[field_name] = known[field_name](name, value)
    if "metadata" in checked and not isinstance(options, MethodOptions):
        # Of several faces, and said in several calls: merged by key.
        checked["metadata"] = {**options.metadata, **checked["metadata"]}
    return replace(options, **checked)


def _amount(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be 0 or more, not {value!r}")
    return round(float(value), 4)


def _gpus(name: str, value: Any) -> float:
    amount = _amount(name, value)
    if amount > 1 and not amount.is_integer():
        raise ValueError(f"{name} must be whole above 1, not {value!r}: only one GPU can be shared")
    return amount


def _resources(name: str, value: Any) -> Mapping[str, float]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict of amounts by name, not {value!r}")
    if wrong := {"CPU", "GPU", "memory"} & set(value):
        raise ValueError(f"use num_cpus=, num_gpus= and memory= instead of resources={wrong}")
    return MappingProxyType({str(k): _amount(f"{name}[{k!r}]", v) for k, v in value.items() if v})


def _count(least: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, not {value!r}")
        if value < least:
            raise ValueError(f"{name} must be {least} or more, not {value}")
        return value

    return check


def _backpressure(name: str, value: Any) -> int:
    if value is None:
        return -1
    if value == 0:
        raise ValueError(f"{name} must be 1 or more, or -1 for no limit: at 0 nothing could be made")
    return _count(-1)(name, value)


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


def _labels(name: str, value: Any) -> Mapping[str, str]:
    labels = _mapping(name, value)
    if wrong := {k: v for k, v in labels.items() if not (isinstance(k, str) and isinstance(v, str))}:
        raise TypeError(f"{name} must be a dict of texts by name, not {wrong!r}")
    return labels


def _selector(name: str, value: Any) -> Mapping[str, str]:
    labels = _labels(name, value)
    for label, text in labels.items():
        try:
            condition(text)
        except ValueError as error:
            raise ValueError(f"{name}[{label!r}]: {error}") from error
    return labels


def _environment(name: str, value: Any) -> Mapping[str, Any]:
    env = _mapping(name, value)
    if "env_vars" in env:
        env = {**env, "env_vars": _labels(f"{name}['env_vars']", env["env_vars"])}
    return env


def _groups(name: str, value: Any) -> Mapping[str, int]:
    return {_text(name, k) or "": _count(1)(f"{name}[{k!r}]", v) for k, v in _mapping(name, value).items()}


def _returns(name: str, value: Any) -> int | str:
    if isinstance(value, str) and value not in ("streaming", "dynamic"):
        raise ValueError(f'{name} must be a whole number, "streaming" or "dynamic", not {value!r}')
    return value if isinstance(value, str) else _count(0)(name, value)


def _optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else check(name, value)


def _level(name: str, value: Any) -> int:
    levels = logging.getLevelNamesMapping()
    if isinstance(value, str) and value.upper() in levels:
        return levels[value.upper()]
    if isinstance(value, str):
        raise ValueError(f"{name} must be one of {', '.join(levels)}, or a number, not {value!r}")
    return _count(0)(name, value)


def _lifetime(name: str, value: Any) -> str | None:
    if value not in (None, "detached", "non_detached"):
        raise ValueError(f'{name} must be "detached" or None, not {value!r}')
    return "detached" if value == "detached" else None


def _strategy(name: str, value: Any) -> Strategy:
    if value is None:
        return "DEFAULT"
    value = adopted(value)
    objects = (NodeAffinitySchedulingStrategy, NodeLabelSchedulingStrategy)
    if not isinstance(value, objects) and value not in ("DEFAULT", "SPREAD"):
        where = "an object of alula.util.scheduling_strategies"
        wrong = ValueError if isinstance(value, str) else TypeError
        raise wrong(f'{name} must be "DEFAULT", "SPREAD" or {where}, not {value!r}')
    return value  # type: ignore[no-any-return]  # one of them, as was just seen


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "accelerator_type": _text,
    "allow_out_of_order_execution": _flag,
    "backpressure": _backpressure,
    "concurrency_group": _text,
    "concurrency_groups": _groups,
    "get_if_exists": _flag,
    "label_selector": _selector,
    "lifetime": _lifetime,
    "max_calls": _optional(_count(0)),
    "max_concurrency": _optional(_count(1)),
    "max_pending_calls": _count(-1),
    "max_restarts": _count(-1),
    "max_retries": _count(-1),
    "max_task_retries": _count(-1),
    "memory": _amount,
    "metadata": _mapping,
    "name": _text,
    "namespace": _text,
    "num_cpus": _amount,
    "num_gpus": _gpus,
    "num_returns": _returns,
    "resources": _resources,
    "retry_exceptions": _retry,
    "runtime_env": _environment,
    "scheduling_strategy": _strategy,
}

_OF_SESSIONS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "labels": _labels,
    "log_to_driver": _flag,
    "logging_level": _level,
    "memory": _amount,
    "namespace": _text,
    "resources": _resources,
    "runtime_env": _environment,
}
