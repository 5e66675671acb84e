"""Which machine a task may run on: conditions on its labels, and strategies, in Ray's words.

Conditions are pure: a label's value, or its absence, in; yes or no out. An engine asks them of each machine
that it has, which on one machine is one question. All objects are frozen, compare by value, and can be keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..errors import UnsupportedError

__all__ = [
    "Condition",
    "DoesNotExist",
    "Exists",
    "In",
    "NodeAffinitySchedulingStrategy",
    "NodeLabelSchedulingStrategy",
    "NotIn",
    "PlacementGroupSchedulingStrategy",
    "Strategy",
    "adopted",
    "condition",
]

_SET: Final = re.compile(r"(!?)in\((.*)\)")
_VALUE: Final = re.compile(r"(!?)([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)")


@dataclass(frozen=True, slots=True, init=False)
class In:
    """A label has one of some values.

    Raises
    ------
    ValueError
        If there is none, or one that is no text.
    """

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", _texts(type(self).__name__, values))

    def holds(self, value: str | None) -> bool:
        """Tell whether a label's value, None if the machine lacks it, is right."""
        return value in self.values


@dataclass(frozen=True, slots=True, init=False)
class NotIn:
    """A label has none of some values; a machine without it is right too.

    Raises
    ------
    ValueError
        If there is none, or one that is no text.
    """

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", _texts(type(self).__name__, values))

    def holds(self, value: str | None) -> bool:
        """Tell whether a label's value, None if the machine lacks it, is right."""
        return value not in self.values


@dataclass(frozen=True, slots=True)
class Exists:
    """A machine has the label, whatever its value."""

    def holds(self, value: str | None) -> bool:
        """Tell whether a label's value, None if the machine lacks it, is right."""
        return value is not None


@dataclass(frozen=True, slots=True)
class DoesNotExist:
    """A machine has no such label."""

    def holds(self, value: str | None) -> bool:
        """Tell whether a label's value, None if the machine lacks it, is right."""
        return value is None


Condition: TypeAlias = In | NotIn | Exists | DoesNotExist


def condition(text: str) -> Condition:
    """Read what a `label_selector` says of one label.

    Parameters
    ----------
    text
        ``"a"``, ``"!a"``, ``"in(a, b)"`` or ``"!in(a, b)"``.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if (several := _SET.fullmatch(text.strip())) is not None:
        negated, values = several[1], [part.strip() for part in several[2].split(",")]
    elif (one := _VALUE.fullmatch(text.strip())) is not None:
        negated, values = one[1], [one[2]]
    else:
        values = []
    if not values or not all(_VALUE.fullmatch(value) and value[0] != "!" for value in values):
        raise ValueError(f"{text!r} is not of the form 'a', '!a', 'in(a, b)' or '!in(a, b)'")
    return NotIn(*values) if negated else In(*values)


@dataclass(frozen=True, slots=True)
class NodeAffinitySchedulingStrategy:
    """On one machine, named by its id.

    Parameters
    ----------
    node_id
        As `nodes` tells it, in hexadecimal digits.
    soft
        Whether another machine will do if there is no such one; otherwise the task fails with
        `TaskUnschedulableError`, and an actor is refused with `ActorUnschedulableError`.

    Raises
    ------
    ValueError
        If `node_id` is no such text.
    """

    node_id: str
    soft: bool

    def __post_init__(self) -> None:
        if not isinstance(self.node_id, str) or not re.fullmatch(r"[0-9a-f]+", self.node_id):
            raise ValueError(f"node_id must be a NodeID of alula.nodes(), not {self.node_id!r}")


@dataclass(frozen=True, slots=True, init=False)
class NodeLabelSchedulingStrategy:
    """On a machine whose labels are right.

    Parameters
    ----------
    hard
        Conditions by label that must hold.
    soft
        Conditions that should hold, if there is a choice.

    Raises
    ------
    ValueError
        If both are empty, or a value is not one of `In`, `NotIn`, `Exists` and `DoesNotExist`.
    """

    hard: tuple[tuple[str, Condition], ...]
    soft: tuple[tuple[str, Condition], ...]

    def __init__(self, hard: Mapping[str, Condition], *, soft: Mapping[str, Condition] | None = None) -> None:
        object.__setattr__(self, "hard", _conditions("hard", hard))
        object.__setattr__(self, "soft", _conditions("soft", soft or {}))
        if not (self.hard or self.soft):
            raise ValueError("hard and soft cannot both be empty")


class PlacementGroupSchedulingStrategy:
    """There are no placement groups here: it can be imported, and making one is refused.

    Raises
    ------
    UnsupportedError
        Always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        instead = "ask for resources= or num_gpus=, or choose machines by label_selector="
        raise UnsupportedError("PlacementGroupSchedulingStrategy", "Alula", instead)


Strategy: TypeAlias = str | NodeAffinitySchedulingStrategy | NodeLabelSchedulingStrategy
"""``"DEFAULT"``, ``"SPREAD"``, or one of the objects."""


def adopted(strategy: Any) -> Any:
    """Give our object for one of Ray's, told by its module; anything else as it is.

    Raises
    ------
    UnsupportedError
        For a placement group.
    """
    if type(strategy).__module__ != "ray.util.scheduling_strategies":
        return strategy
    match type(strategy).__name__:
        case "NodeAffinitySchedulingStrategy":
            return NodeAffinitySchedulingStrategy(strategy.node_id, strategy.soft)
        case "NodeLabelSchedulingStrategy":
            given = (strategy.hard or (), strategy.soft or ())
            hard, soft = ({each.key: _adopted(each.operator) for each in which} for which in given)
            return NodeLabelSchedulingStrategy(hard, soft=soft)
        case _:
            return PlacementGroupSchedulingStrategy()


def _adopted(operator: Any) -> Condition:
    kinds: dict[str, Any] = {each.__name__: each for each in (In, NotIn, Exists, DoesNotExist)}
    made: Condition = kinds[type(operator).__name__](*getattr(operator, "values", ()))
    return made


def _texts(kind: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or not all(isinstance(value, str) for value in values):
        raise ValueError(f'{kind} takes one text or more, as {kind}("a", "b"), not {values!r}')
    return values


def _conditions(name: str, given: Mapping[str, Condition]) -> tuple[tuple[str, Condition], ...]:
    if not isinstance(given, Mapping):
        raise ValueError(f'{name} must be a dict such as {{"zone": In("a")}}, not {given!r}')
    for label, value in given.items():
        if not isinstance(label, str) or not isinstance(value, Condition):
            raise ValueError(f"{name}[{label!r}] must be In, NotIn, Exists or DoesNotExist, not {value!r}")
    return tuple(sorted(given.items(), key=lambda item: item[0]))
