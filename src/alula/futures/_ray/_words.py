"""Our options in Ray's words: whatever `_options` has, passed on."""

from collections.abc import Iterable
from typing import Any

from ray.util import scheduling_strategies as rays

from .._options import ActorOptions, MethodOptions, Placement, TaskOptions
from .._strategies import NodeAffinitySchedulingStrategy, NodeLabelSchedulingStrategy, Strategy
from ._errors import Retry

__all__ = ["actor_words", "method_words", "task_words"]


def task_words(options: TaskOptions, task: str) -> dict[str, Any]:
    """Give what Ray's ``.options()`` of a function takes; `task` is the name to show."""
    return {
        **_placement(options),
        "name": task,
        "num_returns": _returns(options),
        "max_retries": options.max_retries,
        "retry_exceptions": _retries(options),
        **_backpressure(options),
    }


def actor_words(options: ActorOptions) -> dict[str, Any]:
    """Give what Ray's ``.options()`` of a class takes.

    Groups of methods are said when the class is made, and `get_if_exists` is done by who asks.
    """
    return {
        **_placement(options),
        "max_restarts": options.max_restarts,
        # Each call says its own. Said here, it means that calls wait for an actor that restarts.
        "max_task_retries": -1 if options.max_restarts else 0,
        "max_concurrency": options.max_concurrency,
        "max_pending_calls": options.max_pending_calls,
        "name": options.name,
        "namespace": options.namespace,
        "lifetime": options.lifetime,
        # None is Ray's own choice: False would forbid it to actors that need it.
        "allow_out_of_order_execution": options.allow_out_of_order_execution or None,
    }


def method_words(options: MethodOptions, task: str, retries: int) -> dict[str, Any]:
    """Give what Ray's ``.options()`` of a method takes; `retries` are those of its actor."""
    own = options.max_task_retries
    return {
        "name": task,
        "num_returns": _returns(options),
        "max_task_retries": retries if own is None else own,
        "retry_exceptions": _retries(options),
        "concurrency_group": options.concurrency_group,
        **_backpressure(options),
    }


def _returns(options: TaskOptions | MethodOptions) -> Any:
    # Ray warns of "dynamic": our worker makes the references by itself, and gives them as one value.
    return 1 if options.num_returns == "dynamic" else options.num_returns


def _retries(options: TaskOptions | MethodOptions) -> Any:
    """Which errors are wanted is known in the worker, which raises `Retry` for those alone."""
    return [Retry] if options.retry_exceptions else False


def _backpressure(options: TaskOptions | MethodOptions) -> dict[str, Any]:
    given = options.num_returns == "streaming" and options.backpressure
    return {"_generator_backpressure_num_objects": given} if given else {}


def _placement(options: Placement) -> dict[str, Any]:
    words: dict[str, Any] = {
        "num_cpus": options.num_cpus,
        "num_gpus": options.num_gpus,
        "resources": dict(options.resources),
        "scheduling_strategy": _strategy(options.scheduling_strategy),
        "accelerator_type": options.accelerator_type,
        "memory": int(options.memory) or None,
        "label_selector": dict(options.label_selector) or None,
    }
    if options.runtime_env:
        words["runtime_env"] = dict(options.runtime_env)
    return words


def _strategy(asked: Strategy) -> Any:
    """Give Ray's object for one of ours."""
    if isinstance(asked, NodeAffinitySchedulingStrategy):
        return rays.NodeAffinitySchedulingStrategy(asked.node_id, soft=asked.soft)
    if isinstance(asked, NodeLabelSchedulingStrategy):
        return rays.NodeLabelSchedulingStrategy(_labels(asked.hard), soft=_labels(asked.soft))
    return asked


def _labels(asked: Iterable[tuple[str, Any]]) -> Any:
    """Give Ray's operators, such as ``In("a", "b")``, for some of the same names."""
    made = {}
    for label, operator in asked:
        kind = getattr(rays, type(operator).__name__)
        made[label] = kind(*getattr(operator, "values", ()))
    return made or None
