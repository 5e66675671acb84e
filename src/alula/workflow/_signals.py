"""Tasks that wait for a signal; see `Mailroom` for where it comes from."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import WorkflowTimeoutError
from ..graph import Cancel, Failed, Then
from ._messages import SIGNAL, take
from ._site import Attended, Factory, Site
from ._tasks import Ended, Span, Task
from ._vault import Stored

__all__ = ["signal_kinds"]


def signal_kinds() -> dict[str, Factory]:
    """Give, by kind, what makes the place for these tasks."""
    return {SIGNAL.kind: lambda site: Attended(site, partial(_await, site))}


def _await(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    return _Awaited(site, task, then).begin(*args)


class _Awaited:
    """One task that waits for a signal."""

    _leave: Callable[[], bool]

    def __init__(self, site: Site, task: Task, then: Then) -> None:
        self._site, self._task, self._then = site, task, then
        self._owner, self._clock = site.journal.owner, site.store.clock
        self._started = self._clock.time()
        self._leave = lambda: False
        self._give_up_timer: Cancel | None = None

    def begin(self, key: str, timeout: float | None) -> Cancel:
        aside = self._site.aside
        self._leave = aside.mailroom.wait(self._owner, key, self._arrived)
        if timeout is not None:
            late = partial(self._late, key, timeout)
            self._give_up_timer = aside.timers.at(self._started + timeout, late)
        return self._give_up

    def _arrived(self, message: int, payload: Stored) -> None:
        recorded = self._task.checkpoint
        span = Span(self._started, self._clock.time(), 1)
        # What is not recorded is not taken either: whoever runs the task again gets the same message.
        taken = partial(take, message, self._task.key) if recorded else None
        self._then(Ended(payload, span, written=not recorded, also=taken))
        self._give_up()

    def _late(self, key: str, timeout: float) -> None:
        if self._leave():  # else it arrives at this very moment
            what = f"the signal {key!r} for workflow {self._owner.workflow_id!r}"
            self._then(Failed(WorkflowTimeoutError(what, timeout)))

    def _give_up(self) -> None:
        self._leave()
        if self._give_up_timer is not None:
            self._give_up_timer()
