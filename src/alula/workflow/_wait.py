"""Waiting for some of several tasks."""

from collections.abc import Iterable
from math import isnan
from typing import Any, Literal

from ..graph import Node, Pending
from ._api import Workflow
from ._handles import Remaining
from ._logical import Logical
from ._splits import WAIT

__all__ = ["wait"]


def wait(
    *nodes: Any,
    num_returns: int = 1,
    timeout: float | None = None,
    abandon: Literal["cancel", "run"] = "cancel",
) -> Node[tuple[list[Any], list[Any]]]:
    """Wait for some of several tasks: give a node of ``(ready, remaining)``.

    The tasks start at once, and go on when the wait is over. The node needs no worker. Its split is
    recorded before anybody sees it, and is the same after a crash.

    Parameters
    ----------
    nodes
        A list of nodes, of handles from the `remaining` of an earlier wait, or of what `create` gave; or
        these one by one. After a list, `num_returns` and `timeout` may follow without their names.
    num_returns
        How many have to end; 1 by default.
    timeout
        Seconds from the moment when the node begins to wait, after which it takes what has ended by then;
        for ever by default. After a crash they begin anew.
    abandon
        What happens to those tasks that still run when the workflow has its output: ``"cancel"`` ends them,
        ``"run"`` lets them go on in the process that runs them, and records their values. If that process
        ends before they do, they are lost: a workflow that has its output is not resumed.

    Returns
    -------
    Node
        Its value is ``(ready, remaining)``: values of `num_returns` tasks that have ended, fewer only after
        `timeout`; and handles to all others. Both are in the order of `nodes`. A handle may be an argument of
        a node, of a further `wait`, or be returned, but only inside its workflow.

    Raises
    ------
    TypeError
        If anything else than nodes and handles is given, or a number is none.
    ValueError
        If `num_returns` is below 1 or above the number of tasks (of none, 1 is allowed and nothing is ready),
        a task is given twice, or `timeout` is negative.

    Examples
    --------
    >>> split = wait([fast.bind(), slow.bind()])  # doctest: +SKIP
    >>> workflow.run(report.bind(split))  # doctest: +SKIP
    """
    if nodes and isinstance(nodes[0], (list, tuple)):
        return _wait(*_spelled_out(*nodes, num_returns=num_returns, timeout=timeout), abandon)
    return _wait(nodes, num_returns, timeout, abandon)


def _spelled_out(
    nodes: Any, *rest: Any, num_returns: int, timeout: float | None
) -> tuple[Any, int, float | None]:
    """Take what followed a list by position."""
    if len(rest) > 2:
        raise TypeError(f"wait() takes a list, num_returns and timeout, and got {len(rest) + 1} arguments")
    given = dict(zip(("num_returns", "timeout"), rest, strict=False))
    return nodes, given.get("num_returns", num_returns), given.get("timeout", timeout)


def _wait(nodes: Iterable[Any], num_returns: int, timeout: float | None, abandon: str) -> Node[Any]:
    marks = [_mark(node) for node in nodes]
    if len(set(marks)) < len(marks):
        raise ValueError("wait() was given the same task twice")
    if isinstance(num_returns, bool) or not isinstance(num_returns, int):
        raise TypeError(f"num_returns must be a whole number, not {num_returns!r}")
    if not 1 <= num_returns <= max(1, len(marks)):
        raise ValueError(
            f"num_returns must be from 1 to the number of tasks ({len(marks)}), not {num_returns}"
        )
    if abandon not in ("cancel", "run"):
        raise ValueError(f"abandon must be 'cancel' or 'run', not {abandon!r}")
    facts = {"quorum": min(num_returns, len(marks)), "abandon": abandon, **_timeout(timeout)}
    return Node(Logical(WAIT, "workflow.wait", facts), (marks,))


def _mark(given: object) -> Node[Any] | Pending:
    if isinstance(given, Workflow):
        given = given.node
    if not isinstance(given, (Node, Remaining)):
        raise TypeError(f"wait() takes nodes, made by f.bind(...), and handles, not {type(given).__name__}")
    return given


def _timeout(given: float | None) -> dict[str, float]:
    if given is None:
        return {}
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {given!r}")
    if isnan(given) or given < 0:
        raise ValueError(f"timeout must not be negative, and is {given}")
    return {"timeout": float(given)}
