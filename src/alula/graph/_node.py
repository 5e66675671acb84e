"""Nodes: calls that have not happened yet, and the marks that may stand among their arguments.

A node is made by ``fn.bind(...)``. It is lazy and frozen, and may stand anywhere inside the arguments
of another node: on its own, or deep inside lists, dictionaries and objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from .._core._ids import Key
from .._core._late import late

__all__ = ["InputItem", "InputNode", "Mark", "Name", "Node", "Pending"]

T_co = TypeVar("T_co", covariant=True)


class Mark:
    """What may stand in the arguments of a node in place of a value that is not there yet."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False, weakref_slot=True)
class Node(Mark, Generic[T_co]):
    """One call in a graph: a function, its arguments, and options for whoever runs it.

    Two nodes are the same only if they are one object: that object is one task, however many others
    read it.

    Attributes
    ----------
    fn
        What is called; the graph never looks inside.
    args, kwargs
        Arguments, in which nodes and names stand for values still to come.
    options
        For the place that runs it: resources, retries, a task id.
    """

    fn: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name people know it by: its task id, else that of its function."""
        given = self.options.get("task_id") or self.options.get("name")
        return str(given or getattr(self.fn, "__name__", None) or self.fn)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run the graph that ends here on the engine, nothing recorded.

        Parameters
        ----------
        args, kwargs
            What an `InputNode` in the graph stands for.

        Returns
        -------
        ObjectRef
            Of the value of this node.
        """
        return late("node.execute")(self, *args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> T_co:
        """Run the graph that ends here as a durable workflow; see `alula.workflow.run`."""
        value: T_co = late("node.run")(self, *args, **kwargs)
        return value

    def run_async(self, *args: Any, **kwargs: Any) -> Any:
        """Start the graph that ends here as a durable workflow; see `alula.workflow.run_async`."""
        return late("node.run_async")(self, *args, **kwargs)

    def __repr__(self) -> str:
        # Not its arguments: with shared nodes in them their text doubles with every level.
        return f"<node {self.label}>"

    def _repr_html_(self) -> str:
        return str(late("node.picture")(self))


@dataclass(frozen=True, slots=True)
class Name(Mark):
    """A durable value by the name it is kept under: an object, a version of one, a key."""

    name: str | bytes


@dataclass(frozen=True, slots=True)
class Pending(Mark):
    """A node of another graph of the same run, by its key; it may not have ended yet."""

    key: Key


@dataclass(frozen=True, slots=True)
class InputItem(Mark):
    """One part of what the graph is given when it runs.

    Attributes
    ----------
    path
        Empty for the whole input, ``(0,)`` for the first argument, ``("x",)`` for ``x=``, and further
        steps for items of those.
    """

    path: tuple[Any, ...] = ()

    def __getitem__(self, step: Any) -> "InputItem":
        return InputItem((*self.path, step))

    def __getattr__(self, step: str) -> "InputItem":
        if step.startswith("_"):
            raise AttributeError(step)
        return InputItem((*self.path, step))

    def pick(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Take this part out of the arguments that the graph was given.

        Raises
        ------
        LookupError
            If there is no such part; the message says what was given.
        """
        if not self.path:
            if len(args) != 1 or kwargs:
                raise LookupError(
                    f"the graph reads its input whole, so it takes exactly one argument; "
                    f"given were {len(args)} and {sorted(kwargs)}"
                )
            return args[0]
        first, *rest = self.path
        try:
            value = args[first] if isinstance(first, int) else kwargs[first]
            for step in rest:
                value = (
                    getattr(value, step) if isinstance(step, str) and hasattr(value, step) else value[step]
                )
        except (LookupError, TypeError) as error:
            raise LookupError(
                f"the graph reads input {self.path}, which is not among what it was given: "
                f"{len(args)} by position, and keywords {sorted(kwargs)}"
            ) from error
        return value


class InputNode(InputItem):
    """Stands for what a graph is given when it runs.

    Examples
    --------
    >>> with InputNode() as inp:
    ...     node = add.bind(inp[0], inp.scale)  # doctest: +SKIP
    >>> node.execute(3, scale=2)  # doctest: +SKIP
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
