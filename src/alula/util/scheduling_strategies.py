"""Ray's address of the scheduling strategies and of the conditions on labels."""

from ..futures import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
    PlacementGroupSchedulingStrategy,
)

__all__ = [
    "DoesNotExist",
    "Exists",
    "In",
    "NodeAffinitySchedulingStrategy",
    "NodeLabelSchedulingStrategy",
    "NotIn",
    "PlacementGroupSchedulingStrategy",
]


def __getattr__(name: str) -> object:
    raise AttributeError(f"alula.util.scheduling_strategies has no {name!r}; it has {', '.join(__all__)}")
