"""What travels: functions and classes, pickled once, known everywhere by an id.

A definition is pickled at its first use, so a closure captures the values that its variables have then.
Inside that pickle, other remote functions (itself among them, when it is recursive) stand by their
ids; outside of one, a function is pickled together with every definition that it reaches, so that it
can be sent or stored on its own. A definition is unpickled when it is first called, once per process.
"""

import inspect
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import cloudpickle

from .._core._pickle import dump, load
from ._options import ActorOptions, TaskOptions

__all__ = ["ActorType", "Bundle", "Definition", "Function", "known", "learn"]

_Check: TypeAlias = Callable[[tuple[Any, ...], Mapping[str, Any]], None]

Bundle: TypeAlias = tuple[tuple[bytes, str, bytes], ...]
"""Definitions as sent and stored: id, name, pickle."""

_known: dict[bytes, "Definition"] = {}


class _Pickling(threading.local):
    found: "dict[bytes, Definition] | None" = None  # definitions met inside the one being pickled


_pickling = _Pickling()
_UNKNOWN = object()


class Definition:
    """A function or class of the user's, wherever it is at the moment: an object, a pickle, or both.

    Attributes
    ----------
    id
        16 random bytes.
    name
        Module and qualified name, for people.
    """

    __slots__ = ("_check", "_inner", "_pickle", "_target", "id", "name")

    def __init__(self, key: bytes, name: str, target: Any = _UNKNOWN, pickled: bytes | None = None) -> None:
        self.id, self.name = key, name
        self._target = target
        self._pickle = pickled
        self._inner: list[Definition] | None = None
        self._check: _Check | None = None

    @property
    def target(self) -> Any:
        """The function or class itself, unpickled if need be."""
        if self._target is _UNKNOWN:
            assert self._pickle is not None
            self._target = load(self._pickle)
        return self._target

    def pickled(self) -> bytes:
        """Give the pickle, making it at the first call; `TypeError` if there can be none."""
        if self._pickle is None:
            before, _pickling.found = _pickling.found, {}
            try:
                parts = dump(self._target)
                # Arrays in a closure go into the pickle: functions are small, or should be.
                plain = parts.body if not parts.buffers else cloudpickle.dumps(self._target, protocol=5)
                self._inner = list(_pickling.found.values())
            finally:
                _pickling.found = before
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
        return tuple([(d.id, d.name, d.pickled()) for d in reached.values()])

    def inner(self) -> "list[Definition]":
        """Give the definitions that stand inside this one."""
        pickled = self.pickled()
        if self._inner is None:  # it came as a pickle: what is inside shows when that is loaded
            before, _pickling.found = _pickling.found, {}
            try:
                target = load(pickled)
                self._inner = list(_pickling.found.values())
            finally:
                _pickling.found = before
            self._target = target if self._target is _UNKNOWN else self._target
        return self._inner

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise `TypeError` here and now if these arguments do not fit."""
        if self._check is None:
            self._check = _bind_check(self.target, self.name)
        self._check(args, kwargs)


def learn(bundle: Bundle) -> None:
    """Take note of definitions that have arrived."""
    for key, name, pickled in bundle:
        if key not in _known:
            _known[key] = Definition(key, name, pickled=pickled)


def known(key: bytes) -> Definition:
    """Give a definition that has arrived; `KeyError` if it has not."""
    return _known[key]


def _defined(target: Any) -> Definition:
    definition = Definition(secrets.token_bytes(16), f"{target.__module__}.{target.__qualname__}", target)
    _known[definition.id] = definition
    return definition


def _by_id(kind: "type[Function | ActorType]", key: bytes, rest: tuple[Any, ...]) -> Any:
    definition = _known[key]
    if _pickling.found is not None:
        _pickling.found[key] = definition
    return kind.of(definition, *rest)


def _by_bundle(kind: "type[Function | ActorType]", key: bytes, rest: tuple[Any, ...], bundle: Bundle) -> Any:
    learn(bundle)
    return kind.of(_known[key], *rest)


class _Shipped:
    """What functions and actor classes have in common: a definition, and how they pickle."""

    __slots__ = ("definition",)

    definition: Definition

    @property
    def name(self) -> str:
        """Module and qualified name."""
        return self.definition.name

    @property
    def target(self) -> Any:
        """The function or class itself."""
        return self.definition.target

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise `TypeError` here and now if these arguments do not fit."""
        self.definition.check(args, kwargs)

    def _rest(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        definition = self.definition
        if _pickling.found is not None:
            _pickling.found[definition.id] = definition
            return _by_id, (type(self), definition.id, self._rest())
        return _by_bundle, (type(self), definition.id, self._rest(), definition.bundle())


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
        """Give the same function with some options replaced."""
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
        Of every method people may call: the number of references that a call gives.
    """

    __slots__ = ("methods", "options")

    def __init__(self, target: type, options: ActorOptions) -> None:
        self.definition = _defined(target)
        self.options = options
        self.methods: dict[str, int] = {
            name: int(getattr(member, "__alula_num_returns__", 1))
            for name, member in inspect.getmembers(target, callable)
            if not name.startswith("__") or name == "__call__"
        }

    @classmethod
    def of(cls, definition: Definition, options: ActorOptions, methods: dict[str, int]) -> "ActorType":
        """Make one from a definition that is known already."""
        made = cls.__new__(cls)
        made.definition, made.options, made.methods = definition, options, methods
        return made

    def with_options(self, given: Mapping[str, Any]) -> "ActorType":
        """Give the same class with some options replaced."""
        return ActorType.of(self.definition, self.options.merged(given), self.methods)

    def _rest(self) -> tuple[Any, ...]:
        return (self.options, self.methods)


def _bind_check(target: Callable[..., Any], name: str) -> _Check:
    """Make the function that tells whether arguments fit, cheap for positional ones.

    `inspect.Signature.bind` costs five microseconds, which is more than all the rest of a call; so
    calls without keywords are only counted.
    """
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # written in C, without a signature: the call itself will tell
        return lambda args, kwargs: None
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
