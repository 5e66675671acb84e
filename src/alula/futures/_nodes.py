"""Calls of functions and actors that have not happened yet: what `bind` makes.

A node of a function or of a method has one value. A node of a class stands for an actor of its own in each
execution, and its value is the handle. Which calls an execution needs, and where they run, is in `_graphs`.
"""

from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..graph import Node
from ._options import MethodOptions, TaskOptions

__all__ = ["ClassMethodNode", "ClassNode", "Method", "check_single"]

# What every node can do: a method of the user's that has such a name stands before it.
_OF_NODES = frozenset({"execute", "run", "run_async"})


def check_single(name: str, options: TaskOptions | MethodOptions) -> None:
    """Refuse to bind what gives a stream (`TypeError`), or not exactly one value (`ValueError`)."""
    if options.num_returns == "streaming":
        raise TypeError(f"{name} yields a stream, and a node of a graph has one value: return a list")
    if options.count != 1:
        raise ValueError(
            f"{name} has num_returns={options.count}, and a node of a graph has one value: "
            "use .options(num_returns=1), and get a tuple"
        )


@dataclass(frozen=True, slots=True)
class Method:
    """What a node of a method calls; its first argument is the actor, with the call that comes before it.

    Attributes
    ----------
    actor
        The name of the actor's class.
    name, options
        Of the method, and how it runs.
    """

    actor: str
    name: str
    options: MethodOptions

    @property
    def __name__(self) -> str:
        return f"{self.actor.rpartition('.')[2]}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClassMethodNode(Node[Any]):
    """A call of an actor's method in a graph."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClassNode(Node[Any]):
    """An actor in a graph: each execution starts one, which ends when nobody needs it any more.

    ``node.method.bind(...)`` binds a call of it. An execution that reads such a call makes all that were
    bound before it as well, and in that order if the actor runs one call at a time. If any of them fails,
    the graph does. As an argument of other nodes it stands for the actor's handle.

    Attributes
    ----------
    calls
        Those that were bound, the oldest first.
    """

    calls: list[ClassMethodNode] = field(default_factory=list)

    def __getattribute__(self, name: str) -> Any:
        if name in _OF_NODES and name in object.__getattribute__(self, "fn").methods:
            return self.__getattr__(name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> "UnboundMethod":
        if name in ClassNode.__slots__ or name in Node.__slots__:  # of a node that is being unpickled
            raise AttributeError(name)
        return UnboundMethod(self, name, self.fn.method(name))

    def before(self, call: ClassMethodNode) -> list[ClassMethodNode]:
        """Give the calls that were bound before one of them and that it does not wait for itself."""
        return [] if self.fn.is_serial else self.calls[: self.calls.index(call)]


class UnboundMethod:
    """A method of an actor in a graph: ``.bind(...)`` makes a node of it."""

    def __init__(self, actor: ClassNode, name: str, options: MethodOptions) -> None:
        self._actor, self._name, self._options = actor, name, options

    def bind(self, *args: Any, **kwargs: Any) -> ClassMethodNode:
        """Make the node of a call, after those of the same actor that are bound already.

        Raises
        ------
        TypeError
            If the arguments do not fit the method, or it yields a stream: a node has one value.
        ValueError
            If it has several values.
        """
        actor, cls = self._actor, self._actor.fn
        method = Method(cls.name, self._name, self._options)
        cls.check_of(self._name)(args, kwargs)
        check_single(method.__name__, self._options)
        # Where calls run one by one each waits for the one before: that is their order. Others may need
        # those that run beside them.
        last = actor.calls[-1] if actor.calls and cls.is_serial else None
        call = ClassMethodNode(method, ((actor, last), *args), kwargs)
        actor.calls.append(call)
        return call

    def options(self, **options: Any) -> "UnboundMethod":
        """Give the same method with some options replaced; see `MethodOptions`.

        Raises
        ------
        ValueError
            If an option is unknown or out of range, or the actor has no such concurrency group.
        """
        merged = self._options.merged(options)
        self._actor.fn.check_group(merged)
        return UnboundMethod(self._actor, self._name, merged)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there is no actor yet."""
        raise TypeError(f"{self._name} is a method of an actor in a graph: use .{self._name}.bind(...)")

    remote = __call__
