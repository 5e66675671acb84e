"""Doing tasks again: the calls of which a task or a family was made, read from the records."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from .._core._ids import new_id
from .._core._settings import Settings
from ..errors import TaskNotFoundError, WorkflowNotFoundError
from ..futures import Function, TaskOptions
from ..graph import Node
from ..store import Store
from ..workflow import read_node
from ._blocks import Call
from ._families import Combination, Family
from ._orders import Order
from ._wish import Wish

__all__ = ["call_again", "unfinished"]

_DEFAULT: Final = Wish().label


def call_again(store: Store, settings: Settings, task: str, labels: tuple[str, ...]) -> Call:
    """Give the call of a task that is to be made again, with an id of its own.

    Raises
    ------
    TaskNotFoundError
        If there is no such task.
    """
    try:
        return _call(read_node(store, settings, task), task, labels)
    except WorkflowNotFoundError as error:
        raise TaskNotFoundError(task) from error


def unfinished(
    store: Store, settings: Settings, family: Family, kept: Mapping[str, bool], labels: tuple[str, ...]
) -> tuple[Combination, list[Call]]:
    """Give the calls of a family that have to be made again, and how they follow each other.

    Parameters
    ----------
    kept
        By task, whether it has succeeded: then its result is used, and it does not run again.
    """
    left = [task for task in family.tasks if not kept[task]]
    nodes = {task: read_node(store, settings, family.parent, task) for task in left}
    calls = {task: _call(node, task, labels) for task, node in nodes.items()}
    ids = {task: calls[task].order.task if task in calls else task for task in family.tasks}
    told = [_renamed(call, ids) for call in calls.values()]
    alone = family.combination == "mapreduce" and len(told) == 1
    return ("parallel" if alone else family.combination), told


def _call(node: Node[Any], task: str, labels: tuple[str, ...]) -> Call:
    order, *args = node.args
    assert isinstance(order, Order)
    body = node.fn if isinstance(node.fn, Function) else Function(node.fn, TaskOptions())
    wish = Wish(label=labels[0] if labels else _DEFAULT, asked=True, options=order.options)
    again = replace(order, task=new_id(), retry_of=order.retry_of or task)
    return Call(body, again, tuple(args), wish)


def _renamed(call: Call, ids: Mapping[str, str]) -> Call:
    order = call.order
    previous = None if order.previous is None else ids[order.previous]
    results = None if order.results is None else tuple([ids[task] for task in order.results])
    return call.told(previous=previous, results=results)
