"""Tasks that go their way together: of one function, submitted one right after the other, all alike.

Most tasks are of this kind, and nothing special ever happens to them. So a burst is one object from the
queue to the worker and back, and its tasks have no objects of their own, only their references. As soon as
something does happen to one of them (it is cancelled, its worker dies, it is to be tried again), the burst is
dissolved into tasks.

Results come in the order of the tasks, so what is left of a burst is always its end.
"""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from .._options import TaskOptions
from .._remote import Function
from ._values import NONE, SEGMENT, Blob, Ref
from ._wire import Message

if TYPE_CHECKING:
    from ._leases import Lease

__all__ = ["Burst", "Plain", "gathered", "is_plain", "is_small"]

Plain: TypeAlias = tuple[Function, TaskOptions, object, Blob, Ref[Any]]
"""A task that may be part of a burst: function, options, parent, arguments, and its one reference."""

_LEAST, _MOST = 4, 1000  # tasks of a burst
_BYTES = 1 << 20  # of arguments that are sent at once


def is_plain(options: TaskOptions) -> bool:
    """Tell whether tasks with these options may be part of a burst."""
    return options.num_returns == 1 and options.max_retries != 0 and not options.calls


def is_small(args: Blob) -> bool:
    """Tell whether arguments of a task may be part of a burst."""
    return not args.refs and args.kind != SEGMENT


def gathered(submitted: deque[Any]) -> "list[Plain] | Burst":
    """Take the first tasks that were submitted, as a burst if they are enough, which are plain ones."""
    found: list[Plain] = [submitted.popleft()]
    function, options, parent, args, ref = found[0]
    number, last = ref.number, ref.number + _MOST - 1
    bare = args is NONE
    while submitted and number < last:
        plain = submitted[0]
        if plain.__class__ is not tuple:
            break
        number += 1
        if plain[0] is not function or plain[1] is not options or plain[4].number != number:
            break
        if plain[2] is not parent:
            break
        bare = bare and plain[3] is NONE
        found.append(plain)
        submitted.popleft()
    if len(found) < _LEAST:
        return found
    all_args = None if bare else [plain[3] for plain in found]
    return Burst(function, options, parent, all_args, [plain[4] for plain in found])


class Burst:
    """Tasks of one function that we own, with numbers one after the other.

    Attributes
    ----------
    first
        The number of the first.
    args
        Their arguments; None if none has any.
    refs
        Their references; None for those that have their values.
    left
        How many have no result yet.
    lease
        The worker that has them.
    """

    __slots__ = ("args", "first", "function", "lease", "left", "options", "parent", "refs")

    alone: ClassVar[bool] = False

    def __init__(
        self,
        function: Function,
        options: TaskOptions,
        parent: object,
        args: list[Blob] | None,
        refs: list[Any],
    ) -> None:
        self.function, self.options, self.parent = function, options, parent
        self.args, self.refs = args, refs
        self.first: int = refs[0].number
        self.left = len(refs)
        self.lease: Lease | None = None

    def cut(self, number: int) -> "Burst":
        """Take away those from a number on; none of them has a result, and there are some."""
        at = number - self.first
        args = None if self.args is None else self.args[at:]
        rest = Burst(self.function, self.options, self.parent, args, self.refs[at:])
        del self.refs[at:]
        if self.args is not None:
            del self.args[at:]
        self.left -= rest.left
        return rest

    def holds(self, number: int) -> bool:
        """Whether it is the number of one that has no result."""
        end = self.first + len(self.refs)
        return end - self.left <= number < end

    def fitting(self, most: int) -> tuple[int, int]:
        """Give how many may be sent at once, `most` but one at least, and the bytes of their arguments."""
        count, size = max(1, min(most, self.left)), 0
        for i, args in enumerate(self.args or ()):
            if i == count or size >= _BYTES:
                return i, size
            size += args.size
        return count, size

    def row(self) -> Message:
        """Give the form in which it is sent."""
        args: Any = len(self.refs)
        if self.args is not None:
            args = [() if args is NONE else (args.kind, args.data) for args in self.args]
        return self.first, self.function.definition.id, args, self.options.name

    def done(self, number: int, count: int) -> list[Ref[Any]]:
        """Take out the references of some that have results: the next ones."""
        at = number - self.first
        found = self.refs[at : at + count]
        self.refs[at : at + count] = [None] * count  # values may go before all the others are there
        self.left -= count
        return found

    def rest(self) -> Iterator[Plain]:
        """Give what is left, task by task."""
        for i in range(len(self.refs) - self.left, len(self.refs)):
            args = NONE if self.args is None else self.args[i]
            yield self.function, self.options, self.parent, args, self.refs[i]
