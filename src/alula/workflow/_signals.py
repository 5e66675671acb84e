"""Tasks that wait for a signal; see `Mailroom` for where it comes from."""

from contextlib import suppress
from functools import partial
from typing import Any

from ..errors import WorkflowTimeoutError
from ..graph import Cancel, Failed, Then
from ._messages import SIGNAL, Waiter, take
from ._site import Attended, Factory, Site
from ._tasks import Ended, Span, Task
from ._vault import Packer, Stored, Unpacker

__all__ = ["signal_kinds"]


def signal_kinds() -> dict[str, Factory]:
    """Give, by kind, what makes the place for these tasks."""
    return {SIGNAL.kind: lambda site: Attended(site, partial(_await, site))}


def _await(site: Site, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
    return _Awaited(site, task, then).begin(*args)


class _Awaited:
    """One task that waits for a signal."""

    _waiter: Waiter

    def __init__(self, site: Site, task: Task, then: Then) -> None:
        self._site, self._task, self._then = site, task, then
        self._owner, self._clock = site.journal.owner, site.store.clock
        self._started = self._clock.time()
        self._give_up_timer: Cancel | None = None

    def begin(self, key: str, timeout: float | None = None, due: float = 0.0) -> Cancel:
        aside = self._site.aside
        self._waiter = Waiter(self._owner, key, self._arrived)
        aside.mailroom.wait(self._waiter)
        if timeout is not None:
            late = partial(self._late, key, timeout)
            self._give_up_timer = aside.timers.at(due, partial(aside.mailroom.expire, self._waiter, late))
        return self._give_up

    def _arrived(self, message: int, payload: Stored) -> None:
        if not self._task.catch:
            self._answer(message, payload)
            return
        with suppress(RuntimeError):  # the executor is closed, and nobody waits for an answer
            self._site.aside.soon(partial(self._pair, message, payload))

    def _pair(self, message: int, payload: Stored) -> None:
        vault = self._site.vault
        try:
            pair = Packer(vault).pack((Unpacker(vault).unpack(payload), None))
        except Exception as error:  # the payload cannot be read here, or the pair not be written
            self._then(Failed(error))
        else:
            self._answer(message, pair)

    def _answer(self, message: int, payload: Stored) -> None:
        recorded = self._task.checkpoint
        span = Span(self._started, self._clock.time(), 1)
        # What is not recorded is not taken either: whoever runs the task again gets the same message.
        taken = partial(take, message, self._task.key) if recorded else None
        self._then(Ended(payload, span, written=not recorded, also=taken))
        self._give_up()

    def _late(self, key: str, timeout: float) -> None:
        what = f"the signal {key!r} for workflow {self._owner.workflow_id!r}"
        self._then(Failed(WorkflowTimeoutError(what, timeout)))

    def _give_up(self) -> None:
        self._site.aside.mailroom.leave(self._waiter)
        if self._give_up_timer is not None:
            self._give_up_timer()
