"""Events and timers: tasks that wait for something outside, and hold no worker while they do.

An event is two tasks in a row. The first polls a listener, and what that gives is recorded as its value;
only then the second tells the listener so. Whoever crashes before the record polls again, whoever crashes
after it never does, and tells again. All listeners of a process wait on one event loop.
"""

import asyncio
import time
from functools import partial
from typing import Any, Final

from ..graph import Cancel, Done, Node, Then
from ._logical import DUE, Logical
from ._site import Attended, Factory, Site
from ._tasks import Task

__all__ = ["EventListener", "TimerListener", "event_kinds", "sleep", "wait_for_event"]

_LOOK: Final = 10.0  # seconds after which a timer looks at the clock again
_DUE: Final = Logical(DUE, "workflow.sleep.due")
_SLEEP: Final = Logical("sleep", "workflow.sleep")
_POLL: Final = Logical("event", "workflow.wait_for_event.poll")
_ACKNOWLEDGE: Final = Logical("acknowledge", "workflow.wait_for_event")


class EventListener:
    """Waits for something outside on behalf of a workflow; to be derived from.

    It is made without arguments, one for each of its two methods, so it holds nothing between them. They
    run in the process of the executor, on one event loop with all others: they must not block it.
    """

    async def poll_for_event(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for the event and give it; it is recorded. May be called again until that is done."""
        raise NotImplementedError(f"{type(self).__name__} has no poll_for_event")

    async def event_checkpointed(self, event: Any) -> None:
        """Hear that the event is recorded: a queue may forget it now. May be called more than once."""


class TimerListener(EventListener):
    """Gives the time at which it was to wake, once it has come."""

    async def poll_for_event(self, timestamp: float) -> float:
        """Wait until that UNIX time, in seconds."""
        # The clock may be set while it sleeps, and nobody tells.
        while (left := timestamp - time.time()) > 0:  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(min(left, _LOOK))
        return timestamp


def wait_for_event(listener: type[EventListener], *args: Any, **kwargs: Any) -> Node[Any]:
    """Make a node whose value is an event.

    Parameters
    ----------
    listener
        A class derived from `EventListener`.
    args, kwargs
        What its `poll_for_event` is given; may be nodes.

    Returns
    -------
    Node
        Of what `poll_for_event` returned, recorded before `event_checkpointed` hears of it.

    Raises
    ------
    TypeError
        If `listener` is something else.
    """
    if not (isinstance(listener, type) and issubclass(listener, EventListener)):
        raise TypeError(f"wait_for_event() takes a class derived from EventListener, not {listener!r}")
    event: Node[Any] = Node(_POLL, (listener, *args), kwargs)
    return Node(_ACKNOWLEDGE, (listener, event))


def sleep(seconds: float) -> Node[None]:
    """Make a node that has its value, None, so many seconds after it began.

    When it is to wake is recorded first, so a workflow that is resumed sleeps only for the rest.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is negative, or no number at all.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"sleep() takes seconds, a number, not {seconds!r}")
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"sleep() takes a finite number of seconds from 0 on, not {seconds!r}")
    return Node(_SLEEP, (Node(_DUE, (seconds,)),))


def event_kinds() -> dict[str, Factory]:
    """Give, by kind, what makes the places for these tasks."""
    return {
        _DUE.kind: lambda site: Attended(site, partial(_due, site)),
        _SLEEP.kind: lambda site: Attended(site, partial(_sleep, site)),
        _POLL.kind: lambda site: Attended(site, partial(_poll, site)),
        _ACKNOWLEDGE.kind: lambda site: Attended(site, partial(_acknowledge, site)),
    }


def _due(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    then(Done(site.store.clock.time() + args[0]))
    return _nothing


def _sleep(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    return site.aside.timers.at(args[0], lambda: then(Done(None)))


def _poll(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    listener, *rest = args
    return site.aside.loop.run(task.name, listener().poll_for_event(*rest, **kwargs), then)


def _acknowledge(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    listener, event = args

    async def told() -> Any:
        await listener().event_checkpointed(event)
        return event

    return site.aside.loop.run(task.name, told(), then)


def _nothing() -> None:
    """Nothing is left to be given up."""
