"""A task that we own, and a worker that is lent to us: what each of them is, and may be given."""

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .._options import Shape, TaskOptions
from .._remote import Function
from ._bursts import Burst
from ._values import Blob, Ref

if TYPE_CHECKING:
    from ._peers import Peer

__all__ = ["AHEAD", "MOST", "Lease", "Returned", "Task"]

AHEAD: Final = 0.010
"""s of work that a worker is given at once."""

MOST: Final = 1000
"""Tasks that a worker is given at once."""

_ENOUGH = 0.00005  # s of work beyond the running task, with which a worker can wait for a larger message

Returned: TypeAlias = int | tuple[int, int, int]
"""What a worker gives back: a task by its number, or the end of a burst by the burst's first, the first of
those that are given back, and their count."""


class Task:
    """One task that we own and that has no result yet."""

    __slots__ = (
        "after",
        "args",
        "attempts",
        "cancelled",
        "function",
        "inputs",
        "lease",
        "missing",
        "next",
        "options",
        "parent",
        "refs",
        "void",
    )

    def __init__(
        self,
        function: Function,
        args: Blob,
        options: TaskOptions,
        refs: list[Ref[Any]],
        inputs: Sequence[Ref[Any]] = (),
        parent: object = None,
    ) -> None:
        """Make a task; `parent` is the work inside which it was submitted, if it was."""
        self.function, self.args, self.options, self.refs = function, args, options, refs
        self.inputs = inputs  # until it is queued
        self.parent = parent
        self.missing = 0  # inputs that are pending
        self.attempts = 0  # that have failed
        self.cancelled = False
        self.lease: Lease | None = None
        self.next: Task | None = None  # the first that was submitted with its value as an input
        self.after = 0  # the number of the task that it is the next of
        self.void = False  # it ran ahead of a task that is tried again: what it gives does not count

    @property
    def name(self) -> str:
        """How people see it."""
        return self.options.name or self.function.name

    @property
    def number(self) -> int:
        """The number of its first reference, by which worker and owner speak of it."""
        return self.refs[0].number

    @property
    def left(self) -> int:
        """How many tasks it is, as of `Burst`."""
        return 1

    def gives(self, ref: Ref[Any]) -> bool:
        """Whether a reference of ours is to one of its results."""
        return ref in self.refs

    @property
    def alone(self) -> bool:
        """Whether it must be the only one that its worker has."""
        return self.attempts > 0 or not self.options.max_retries


class Lease:
    """A worker that is lent to us for tasks of one shape."""

    __slots__ = (
        "busy",
        "count",
        "forced",
        "granted",
        "inflight",
        "load",
        "peer",
        "retiring",
        "shape",
        "waiting",
    )

    def __init__(self, peer: "Peer", shape: Shape) -> None:
        self.peer, self.shape = peer, shape
        self.inflight: dict[int, Task | Burst] = {}  # by their first number, the running one first
        self.count = 0  # of tasks in flight
        self.load = 0.0  # s that the tasks in flight are expected to take
        self.busy = False  # it gave tasks back: it takes more after its next result
        self.waiting = False  # so does the task that it runs, and its cores are free for another worker
        self.retiring = False
        self.forced = False  # a task of it was cancelled by force
        self.granted = monotonic()

    def room(self) -> float:
        """How much more work it may be given, in s; 0 or less if none."""
        if self.busy or self.retiring or self.peer.channel.broken:
            return 0.0
        return AHEAD - self.load

    def idle(self) -> bool:
        """Whether it has nothing to do, and may be given something."""
        return not (self.inflight or self.busy or self.retiring or self.peer.channel.broken)

    def has_enough(self) -> bool:
        """Whether it will still have something to do when the results of its running task are here."""
        count = self.count
        return count > 1 and self.load * (count - 1) > _ENOUGH * count

    def takes(self, task: Task | Burst) -> bool:
        """Whether a task may be pushed now, if there is room."""
        inflight = self.inflight
        if not inflight:
            return True
        if task.alone or self.load >= AHEAD or self.count >= MOST:
            return False
        return len(inflight) > 1 or not next(iter(inflight.values())).alone

    def takes_ahead(self, task: Task) -> bool:
        """Whether a task may be pushed behind the one in flight here for whose value it waits."""
        return (
            task.missing == 1
            and task.lease is None
            and not task.cancelled
            and task.options.shape == self.shape
            and not (self.busy or self.retiring)
            and self.takes(task)
        )
