"""What travels: functions and classes, pickled once, known everywhere by an id.

A definition is pickled at its first use, so a closure captures the values that its variables have then.
Inside that pickle, other remote functions (itself among them, when it is recursive) stand by their
ids; outside of one, a function is pickled together with every definition that it reaches, so that it
can be sent or stored on its own. A definition is unpickled when it is first called, once per process.

References of an engine that a function captures stand in its pickle by their position, and travel
beside it: they are of one session, the pickle is not.
"""

import inspect
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import cloudpickle

from .._core._pickle import dump, load
from ..errors import suggest
from ._options import ActorOptions, MethodOptions, Streaming, TaskOptions

__all__ = [
    "ActorType",
    "Bundle",
    "Check",
    "Definition",
    "Function",
    "capture",
    "captures",
    "known",
    "learn",
    "returns",
]

Check: TypeAlias = Callable[[tuple[Any, ...], Mapping[str, Any]], None]

Bundle: TypeAlias = tuple[tuple[bytes, str, bytes, tuple[Any, ...]], ...]
"""Definitions as sent and stored: id, name, pickle, captured references."""

# Those that somebody uses. A function made anew in every call of another one must not stay for ever.
_known: WeakValueDictionary[bytes, "Definition"] = WeakValueDictionary()


def returns(target: Any) -> int | Streaming:
    """Give how many references a call gives unless somebody says otherwise."""
    yields = inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)
    return "streaming" if yields else 1


class _Inside(threading.local):
    """The definition that this thread is pickling or unpickling, if it is."""

    found: "dict[bytes, Definition] | None" = None  # definitions met inside it
    captured: "list[Any]"  # references inside it


_inside = _Inside()
_UNKNOWN = object()
_LARGE, _TOO_LARGE = 10**7, 10**8  # bytes of a definition's pickle: from here on a warning, an error


class Definition:
    """A function or class of the user's, wherever it is at the moment: an object, a pickle, or both.

    Attributes
    ----------
    id
        16 random bytes.
    name
        Module and qualified name, for people.
    captured
        The references that it captures, once it has been pickled.
    """

    __slots__ = (
        "__weakref__",
        "_check",
        "_inner",
        "_pickle",
        "_target",
        "_with",
        "captured",
        "id",
        "name",
    )

    def __init__(self, key: bytes, name: str, target: Any = _UNKNOWN, pickled: bytes | None = None) -> None:
        self.id, self.name = key, name
        self.captured: tuple[Any, ...] = ()
        self._target = target
        self._pickle = pickled
        self._inner: list[Definition] | None = None
        self._with: tuple[Definition, ...] = ()  # what came with it, and may stand inside it
        self._check: Check | None = None

    @property
    def target(self) -> Any:
        """The function or class itself, unpickled if need be."""
        if self._target is _UNKNOWN:
            self._load()
        return self._target

    def _load(self) -> None:
        """Unpickle; that shows, too, which definitions stand inside."""
        assert self._pickle is not None
        with _entered(list(self.captured)) as found:
            target = load(self._pickle)
        self._inner = list(found.values())
        if self._target is _UNKNOWN:  # another thread may have been faster
            self._target = target

    def pickled(self) -> bytes:
        """Give the pickle, making it at the first call.

        Raises
        ------
        TypeError
            If there can be none.
        ValueError
            If it would be larger than 100 MB; from 10 MB on there is a warning.
        """
        if self._pickle is None:
            captured: list[Any] = []
            with _entered(captured) as found:
                parts = dump(self._target)
            if parts.buffers:  # arrays in a closure go into the pickle: functions are small, or should be
                captured = []
                with _entered(captured) as found:
                    plain: bytes = cloudpickle.dumps(self._target, protocol=5)
            else:
                plain = parts.body
            _check_size(self.name, len(plain))
            self.captured, self._inner = tuple(captured), list(found.values())
            self._pickle = plain
        return self._pickle

    def bundle(self) -> Bundle:
        """Give this definition and every one that it reaches."""
        reached: dict[bytes, Definition] = {}
        stack = [self]
        while stack:
            definition = stack.pop()
            if definition.id not in reached:
                reached[definition.id] = definition
                stack.extend(definition.inner())
        return tuple([(d.id, d.name, d.pickled(), d.captured) for d in reached.values()])

    def inner(self) -> "list[Definition]":
        """Give the definitions that stand inside this one."""
        self.pickled()
        if self._inner is None:  # it came as a pickle
            self._load()
        return self._inner or []

    @property
    def check(self) -> Check:
        """What raises `TypeError`, here and now, if it is given arguments that do not fit."""
        if self._check is None:
            self._check = _bind_check(self.target, self.name)
        return self._check

    def check_of(self, method: str) -> Check:
        """Give what tells whether arguments fit a method, if the class is at hand."""
        if self._target is _UNKNOWN:
            return _unchecked
        function = inspect.getattr_static(self._target, method)
        if not inspect.isfunction(function):
            return _unchecked
        return _bind_check(function, f"{self.name}.{method}", bound=True)


def _check_size(name: str, size: int) -> None:
    if size <= _LARGE:
        return
    what = f"{name} is {size / 1e6:,.0f} MB large, with all that it captures from around it"
    advice = "give data as an argument, or put() it once and pass the reference"
    if size > _TOO_LARGE:
        raise ValueError(f"{what}, more than the {_TOO_LARGE / 1e6:,.0f} MB that are allowed: {advice}")
    warnings.warn(f"{what}: {advice}", RuntimeWarning, stacklevel=_callers_level())


def _callers_level() -> int:
    """Give the level of the stack, as seen by who asks, at which whoever called `.remote()` stands."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("alula.futures."):
        level, frame = level + 1, frame.f_back
    return level


def learn(bundle: Bundle) -> Definition:
    """Give the first of the definitions that have arrived, which keeps the others."""
    arrived: list[Definition] = []
    for key, name, pickled, captured in bundle:
        definition = _known.get(key)
        if definition is None:
            definition = _known[key] = Definition(key, name, pickled=pickled)
            definition.captured = captured
        arrived.append(definition)
    for definition in arrived:
        if not definition._with:
            definition._with = tuple([other for other in arrived if other is not definition])
    return arrived[0]


def known(key: bytes) -> Definition | None:
    """Give the definition of that id, if this process has it."""
    return _known.get(key)


def captures() -> bool:
    """Tell whether this thread is pickling a definition, so that `capture` takes references."""
    return _inside.found is not None


def capture(ref: Any) -> tuple[Any, ...] | None:
    """Reduce a reference of an engine's if this thread is pickling a definition; else None."""
    if _inside.found is None:
        return None
    _inside.captured.append(ref)
    return _captured, (len(_inside.captured) - 1,)


def _captured(index: int) -> Any:
    return _inside.captured[index]


@contextmanager
def _entered(captured: list[Any]) -> "Iterator[dict[bytes, Definition]]":
    before, _inside.found = _inside.found, {}
    outer, _inside.captured = getattr(_inside, "captured", []), captured
    try:
        yield _inside.found
    finally:
        _inside.found, _inside.captured = before, outer


def _defined(target: Any) -> Definition:
    definition = Definition(os.urandom(16), f"{target.__module__}.{target.__qualname__}", target)
    _known[definition.id] = definition
    return definition


def _by_id(kind: "type[Function | ActorType]", key: bytes, rest: tuple[Any, ...]) -> Any:
    definition = _known[key]
    if _inside.found is not None:
        _inside.found[key] = definition
    return kind.of(definition, *rest)


def _by_bundle(kind: "type[Function | ActorType]", rest: tuple[Any, ...], bundle: Bundle) -> Any:
    return kind.of(learn(bundle), *rest)


class _Shipped:
    """What functions and actor classes have in common: a definition, and how they pickle."""

    __slots__ = ("definition",)

    definition: Definition

    @property
    def name(self) -> str:
        """Module and qualified name."""
        return self.definition.name

    @property
    def __name__(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def target(self) -> Any:
        """The function or class itself."""
        return self.definition.target

    @property
    def check(self) -> Check:
        """What raises `TypeError`, here and now, if it is given arguments that do not fit."""
        return self.definition.check

    def _rest(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        definition = self.definition
        if _inside.found is not None:
            _inside.found[definition.id] = definition
            return _by_id, (type(self), definition.id, self._rest())
        return _by_bundle, (type(self), self._rest(), definition.bundle())


class Function(_Shipped):
    """A function that can be called elsewhere, and how.

    Attributes
    ----------
    options
        How it runs.
    """

    __slots__ = ("options",)

    def __init__(self, target: Callable[..., Any], options: TaskOptions) -> None:
        self.definition = _defined(target)
        self.options = options

    @classmethod
    def of(cls, definition: Definition, options: TaskOptions) -> "Function":
        """Make one from a definition that is known already."""
        made = cls.__new__(cls)
        made.definition, made.options = definition, options
        return made

    def with_options(self, given: Mapping[str, Any]) -> "Function":
        """Give the same function with some options replaced; all but `max_calls`, which is the function's."""
        if "max_calls" in given:
            raise ValueError("max_calls belongs to the function: use @remote(max_calls=...)")
        return Function.of(self.definition, self.options.merged(given))

    def _rest(self) -> tuple[Any, ...]:
        return (self.options,)


class ActorType(_Shipped):
    """A class whose instances live in processes of their own, and how.

    Attributes
    ----------
    options
        How an instance lives.
    methods
        How each method that people may call runs.
    is_async
        Whether any method is ``async def``: then all calls run on one event loop.
    """

    __slots__ = ("is_async", "methods", "options")

    def __init__(self, target: type, options: ActorOptions) -> None:
        members = dict(inspect.getmembers(target, callable))
        self.definition = _defined(target)
        self.options = options
        self.is_async = any(map(_is_async, members.values()))
        self.methods: dict[str, MethodOptions] = {
            name: getattr(member, "__alula_method__", None) or MethodOptions(num_returns=returns(member))
            for name, member in members.items()
            if not name.startswith("__") or name == "__call__"
        }
        self.check_groups()

    @classmethod
    def of(
        cls, definition: Definition, options: ActorOptions, methods: dict[str, MethodOptions], is_async: bool
    ) -> "ActorType":
        """Make one from a definition that is known already."""
        made = cls.__new__(cls)
        made.definition, made.options, made.methods, made.is_async = definition, options, methods, is_async
        return made

    def with_options(self, given: Mapping[str, Any]) -> "ActorType":
        """Give the same class with some options replaced."""
        made = ActorType.of(self.definition, self.options.merged(given), self.methods, self.is_async)
        if "concurrency_groups" in given:
            made.check_groups()
        return made

    def method(self, name: str) -> MethodOptions:
        """Give how a method runs; `AttributeError` if there is none that people may call by that name."""
        if name.startswith("__") and name != "__call__":
            raise AttributeError(name)
        options = self.methods.get(name)
        if options is None:
            known = [method for method in self.methods if not method.startswith("_")]
            raise AttributeError(f"{self.name} has no method {name!r}; {suggest(name, known)}")
        return options

    def check_of(self, method: str) -> Check:
        """Give what raises `TypeError` if it is given arguments that do not fit a method.

        Where the class itself has never been needed, it is not unpickled for this: the call will tell.
        """
        return self.definition.check_of(method)

    def check_groups(self) -> None:
        """Raise `ValueError` if any method is to run in a concurrency group that there is not."""
        for method in self.methods.values():
            self.check_group(method)

    def check_group(self, method: MethodOptions) -> None:
        """Raise `ValueError` if a method is to run in a concurrency group that there is not."""
        group, known = method.concurrency_group, self.options.concurrency_groups
        if group is not None and group not in known:
            raise ValueError(f"{self.name} has no concurrency group {group!r}; {suggest(group, known)}")

    @property
    def is_serial(self) -> bool:
        """Whether its calls run one after the other, in one thread."""
        options = self.options
        return not (self.is_async or options.concurrency_groups) and (options.max_concurrency or 1) == 1

    def _rest(self) -> tuple[Any, ...]:
        return (self.options, self.methods, self.is_async)


def _is_async(member: Any) -> bool:
    return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)


def _unchecked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Nobody knows what arguments it takes; the call itself will tell."""


def _bind_check(target: Callable[..., Any], name: str, *, bound: bool = False) -> Check:
    """Make the function that tells whether arguments fit, cheap for positional ones.

    `inspect.Signature.bind` costs five microseconds, which is more than all the rest of a call; so
    calls without keywords are only counted. If `bound`, the first argument is given by the call itself.
    """
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # written in C, without a signature
        return _unchecked
    if bound:
        signature = signature.replace(parameters=[*signature.parameters.values()][1:])
    least, most = 0, 0
    countable = True
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            most = 1 << 30
        elif parameter.kind is parameter.KEYWORD_ONLY:
            countable = countable and parameter.default is not parameter.empty
        elif parameter.kind is not parameter.VAR_KEYWORD:
            most += 1
            least += parameter.default is parameter.empty

    def check(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if countable and not kwargs and least <= len(args) <= most:
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}{signature}: {error}") from None

    return check
