"""Actors as people see them: classes, handles, methods, and the calls that are about actors.

What is behind them is the engine's matter: a handle is an engine's own name of the actor, with its class.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, ParamSpec, TypeVar

from ..errors import ActorAlreadyExistsError
from ..graph import Mark
from . import _session
from ._engine import ActorRef
from ._nodes import ClassMethodNode, ClassNode, Method, check_single
from ._options import MethodOptions
from ._refs import ObjectRef, returned
from ._remote import ActorType, Check, returns

__all__ = ["ActorClass", "ActorHandle", "ActorMethod", "get_actor", "kill", "method"]

P = ParamSpec("P")
T = TypeVar("T")


class ActorClass:
    """A class whose instances live in processes of their own: make one with ``.remote()``."""

    def __init__(self, cls: ActorType) -> None:
        self._cls = cls
        self.__name__: str = cls.name.rpartition(".")[2]

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the instance lives elsewhere."""
        raise TypeError(f"{self.__name__} is an actor class: call {self.__name__}.remote(...) instead")

    def remote(self, *args: Any, **kwargs: Any) -> "ActorHandle":
        """Start an actor; give its handle at once, before its ``__init__`` has run.

        Raises
        ------
        TypeError
            If the arguments do not fit ``__init__``, or cannot be pickled.
        ActorAlreadyExistsError
            If a living actor has that name, unless ``get_if_exists``.
        """
        cls = self._cls
        cls.check(args, kwargs)
        engine = _session.current()
        while True:
            try:
                return ActorHandle(engine.actor(cls, args, kwargs, cls.options), cls)
            except ActorAlreadyExistsError:
                if not cls.options.get_if_exists or cls.options.name is None:
                    raise
            with suppress(ValueError):  # it may have ended in between: then the name is free again
                return ActorHandle(*engine.find(cls.options.name, cls.options.namespace))

    def bind(self, *args: Any, **kwargs: Any) -> ClassNode:
        """Make a node of a graph that stands for an actor: each execution starts its own.

        Raises
        ------
        TypeError
            If the arguments do not fit ``__init__``.
        """
        self._cls.check(args, kwargs)
        return ClassNode(self._cls, args, kwargs, self._cls.options.metadata)

    def options(self, **options: Any) -> "ActorClass":
        """Give the same class with some options replaced; see `ActorOptions`."""
        return ActorClass(self._cls.with_options(options))

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorClass, (self._cls,)

    def __repr__(self) -> str:
        return f"<actor class {self._cls.name}>"


class ActorHandle(Mark):  # a mark: graphs find it in arguments without pickling it, which would keep it
    """A living actor, as seen from anywhere: ``handle.method.remote(...)``. Pickles."""

    def __init__(self, actor: ActorRef, cls: ActorType) -> None:
        self._actor = actor
        self._cls = cls

    def __getattr__(self, name: str) -> "ActorMethod":
        options = self._cls.method(name)
        # Kept, for to get here is slow. It must not hold the handle: a ring would keep the actor alive.
        method = self.__dict__[name] = ActorMethod(self._actor, self._cls, name, options)
        return method

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorHandle, (self._actor, self._cls)

    def __repr__(self) -> str:
        return f"<actor {self._cls.name}>"


class ActorMethod:
    """A method of a living actor."""

    def __init__(self, actor: ActorRef, cls: ActorType, name: str, options: MethodOptions) -> None:
        self._actor, self._cls, self._name, self._options = actor, cls, name, options
        self._check: Check | None = None  # once it is called

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the instance lives elsewhere."""
        raise TypeError(f"{self._name} is a method of an actor: call .{self._name}.remote(...) instead")

    def remote(self, *args: Any, **kwargs: Any) -> ObjectRef[Any]:
        """Call the method; give its reference at once. Calls of one caller run in their order.

        Raises
        ------
        TypeError
            If the arguments cannot be pickled, or do not fit the method. In a process that has been given the
            handle and not the class, the latter is an error of the call.
        ActorDiedError
            If the actor is of a session that has ended.
        PendingCallsLimitExceeded
            If too many calls wait.
        """
        check = self._check
        if check is None:
            check = self._check = self._cls.check_of(self._name)
        check(args, kwargs)
        refs = _session.current().tell(self._actor, self._name, args, kwargs, self._options)
        ref: ObjectRef[Any] = refs[0] if len(refs) == 1 else returned(refs)
        return ref

    def bind(self, *args: Any, **kwargs: Any) -> ClassMethodNode:
        """Make a node of a graph: a call of this actor, which has no order among those of the graph.

        Raises
        ------
        TypeError
            If the arguments do not fit the method, or it yields a stream: a node has one value.
        ValueError
            If it has several values.
        """
        self._cls.check_of(self._name)(args, kwargs)
        method = Method(self._cls.name, self._name, self._options)
        check_single(method.__name__, self._options)
        return ClassMethodNode(method, ((ActorHandle(self._actor, self._cls), None), *args), kwargs)

    def options(self, **options: Any) -> "ActorMethod":
        """Give the same method with some options replaced; see `MethodOptions`.

        Raises
        ------
        ValueError
            If an option is unknown or out of range, or the actor has no such concurrency group.
        """
        merged = self._options.merged(options)
        self._cls.check_group(merged)
        return ActorMethod(self._actor, self._cls, self._name, merged)


def method(**options: Any) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Say how calls of an actor's method run: ``@method(num_returns=2)``; see `MethodOptions`.

    What a caller says with ``.options()`` stands above it, and it above what is said of the class.

    Raises
    ------
    ValueError
        If an option is unknown or out of range.
    TypeError
        If an option is of the wrong type, or there is none.
    """
    if not options:
        raise TypeError("use @method(option=...), with one option at least")
    MethodOptions().merged(options)  # refused here already, where the mistake stands

    def mark(function: Callable[P, T]) -> Callable[P, T]:
        merged = MethodOptions(num_returns=returns(function)).merged(options)
        function.__alula_method__ = merged  # type: ignore[attr-defined]  # read by ActorType
        return function

    return mark


def get_actor(name: str, namespace: str | None = None) -> ActorHandle:
    """Give the living actor of that name.

    Raises
    ------
    ValueError
        If there is none; says which there are.
    """
    return ActorHandle(*_session.current().find(name, namespace))


def kill(actor: ActorHandle, *, no_restart: bool = True) -> None:
    """End an actor at once: running and queued calls fail with `ActorDiedError`.

    Parameters
    ----------
    no_restart
        False only ends its process: the actor starts again, if ``max_restarts`` allows one more.

    Raises
    ------
    ValueError
        If given anything but an actor's handle.
    """
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"kill() takes an actor's handle, not {type(actor).__name__}")
    _session.current().kill(actor._actor, no_restart=no_restart)
