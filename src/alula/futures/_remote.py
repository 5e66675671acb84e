"""What travels: a function or class with its options, pickled once, known by the hash of its pickle."""

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeAlias

import cloudpickle

from .._core._pickle import dump, load
from ._options import ActorOptions, TaskOptions

__all__ = ["ActorType", "Function", "unship"]

_Check: TypeAlias = Callable[[tuple[Any, ...], Mapping[str, Any]], None]


class _Shipped:
    """Something of the user's that is pickled at its first use and unpickled once per process.

    A closure therefore captures the values that its variables have at the first call, and a later
    change of them is not seen: the same in every worker.
    """

    __slots__ = ("_blob", "_check", "_digest", "name", "target")

    def __init__(self, target: Any) -> None:
        self.target = target
        self.name: str = f"{target.__module__}.{target.__qualname__}"
        self._blob: bytes | None = None
        self._digest = b""
        self._check: _Check | None = None

    @property
    def blob(self) -> bytes:
        """The pickle; `TypeError` if there can be none."""
        if self._blob is None:
            parts = dump(self.target)
            # Arrays in a closure go into the pickle: functions are small, or should be.
            self._blob = parts.body if not parts.buffers else cloudpickle.dumps(self.target, protocol=5)
            self._digest = blake2b(self._blob, digest_size=16).digest()
        return self._blob

    @property
    def digest(self) -> bytes:
        """16 bytes by which a worker knows that it has this one already."""
        _ = self.blob
        return self._digest

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise `TypeError` here and now if these arguments do not fit."""
        if self._check is None:
            self._check = bind_check(self.target, self.name)
        self._check(args, kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = {"blob": self.blob}
        for name in ("options", "methods"):
            if hasattr(self, name):
                state[name] = getattr(self, name)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        blob = state.pop("blob")
        _Shipped.__init__(self, unship(blob))
        self._blob, self._digest = blob, blake2b(blob, digest_size=16).digest()
        for name, value in state.items():
            setattr(self, name, value)


class Function(_Shipped):
    """A function that can be called elsewhere, and how."""

    __slots__ = ("options",)

    def __init__(self, target: Callable[..., Any], options: TaskOptions) -> None:
        super().__init__(target)
        self.options = options

    def with_options(self, given: Mapping[str, Any]) -> "Function":
        """Give the same function with some options replaced; its pickle is shared."""
        other = Function.__new__(Function)
        for slot in _Shipped.__slots__:
            setattr(other, slot, getattr(self, slot))
        other.options = self.options.merged(given)
        return other


class ActorType(_Shipped):
    """A class whose instances live in processes of their own, and how.

    Attributes
    ----------
    methods
        Of every method people may call: the number of references that a call gives.
    """

    __slots__ = ("methods", "options")

    def __init__(self, target: type, options: ActorOptions) -> None:
        super().__init__(target)
        self.options = options
        self.methods: dict[str, int] = {
            name: int(getattr(member, "__alula_num_returns__", 1))
            for name, member in inspect.getmembers(target, callable)
            if not name.startswith("__") or name == "__call__"
        }

    def with_options(self, given: Mapping[str, Any]) -> "ActorType":
        """Give the same class with some options replaced; its pickle is shared."""
        other = ActorType.__new__(ActorType)
        for slot in _Shipped.__slots__:
            setattr(other, slot, getattr(self, slot))
        other.methods = self.methods
        other.options = self.options.merged(given)
        return other


def bind_check(target: Callable[..., Any], name: str) -> _Check:
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


@lru_cache(maxsize=4096)
def unship(blob: bytes) -> Any:
    """Unpickle a function or class, once per process."""
    return load(blob)
