"""Values on their way into the records and out of them.

A small value is sealed and stands in the record itself; a large one lies among the artifacts, put there
by whoever made it before any record mentions it. Engine references die with their session, so those
inside a value are stored as objects of their own, each once, and come back as fresh references.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeAlias, TypeVar

from .._core._ids import Key
from .._core._pickle import add_plain
from .._core._seal import seal, unseal
from .._core._settings import Durability, Settings
from ..futures import ActorHandle, Definition, Function, ObjectRef, TaskOptions, current
from ..graph import Mark, fill
from ..store import Artifacts
from ._handles import Remaining

M = TypeVar("M", bound=Mark)

__all__ = [
    "GRACE",
    "INLINE",
    "Link",
    "Mentions",
    "Object",
    "Output",
    "Packer",
    "Recorded",
    "Split",
    "Stored",
    "Unpacker",
    "Vault",
    "Volatile",
    "artifacts_of",
]

GRACE: Final = 24 * 3600.0
"""Seconds for which what is written among the artifacts stays there, whether or not a record mentions it."""

INLINE: Final = 1 << 16
"""Bytes up to which a sealed value stands in its record."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A sealed value.

    Attributes
    ----------
    digest
        SHA-256 of its content: its name among the artifacts.
    data
        Its bytes, if it is small; None if it lies among the artifacts.
    """

    digest: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Volatile:
    """A value that is not recorded: it lives in the engine as long as this run needs it."""

    ref: ObjectRef[Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A value that was recorded before this run began, and has not been read yet."""

    key: Key


Output: TypeAlias = Stored | Volatile


@add_plain
@dataclass(frozen=True, slots=True)
class Link(Mark):
    """Stands in stored arguments for the value of another task."""

    key: Key

    def __reduce__(self) -> tuple[type["Link"], tuple[Key]]:  # as the dataclass does, and quicker
        return Link, (self.key,)


@add_plain
@dataclass(frozen=True, slots=True)
class Object(Mark):
    """Stands in a stored value for an engine reference; its value lies among the artifacts."""

    digest: str

    def __reduce__(self) -> tuple[type["Object"], tuple[str]]:
        return Object, (self.digest,)


@dataclass(frozen=True, slots=True)
class Mentions:
    """Around a stored value that has objects in it, so that only those are searched when read."""

    value: Any


@dataclass(frozen=True, slots=True)
class Split:
    """What a `wait` gives, as it is stored.

    Attributes
    ----------
    ready
        Values of the tasks that had ended.
    remaining
        Keys of the others.
    caught
        Whether it stands in a pair with None, for the error that there is not.
    """

    ready: tuple[Stored, ...]
    remaining: tuple[Key, ...]
    caught: bool = False

    def paired(self) -> "Split":
        """Give the split of a task that catches errors."""
        return replace(self, caught=True)


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals values and keeps the large ones; sent to workers with every task, so it is only names.

    Attributes
    ----------
    home
        Where the sealing key is.
    artifacts
        URL of the large values.
    durability
        As in `Settings`.
    """

    home: Path
    artifacts: str
    durability: Durability

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """Give the vault of one Alula."""
        return cls(settings.home, settings.artifacts, settings.durability)

    def seal(self, value: Any, *, apart: bool = False) -> Stored:
        """Store a value; `apart` puts it among the artifacts whatever its size.

        Raises
        ------
        TypeError
            If it cannot be pickled.
        StoreUnavailableError
            If it is large and cannot be written.
        """
        sealed = seal(value, key=_key(self.home))
        if apart or sealed.size > INLINE:
            return Stored(artifacts_of(self).put(sealed))
        return Stored(sealed.digest, bytes(sealed))

    def seal_small(self, value: Any) -> bytes:
        """Give the sealed bytes of a value that will stand in its record whatever its size."""
        return bytes(seal(value, key=_key(self.home)))

    def unseal(self, stored: Stored, what: str = "a stored value") -> Any:
        """Give the value back; arrays in a large one are read where they lie.

        Raises
        ------
        SealError
            If the bytes are not those that were sealed here.
        ArtifactNotFoundError
            If a large value is gone.
        """
        data = artifacts_of(self).get(stored.digest) if stored.data is None else stored.data
        return unseal(data, key=_key(self.home), what=what)


@lru_cache(maxsize=8)
def _key(home: Path) -> bytes:
    return Settings(home=home).signing_key()


@lru_cache(maxsize=8)
def artifacts_of(vault: Vault) -> Artifacts:
    """Give the large values of a vault."""
    return Artifacts.open(vault.artifacts, durability=vault.durability)


@lru_cache(maxsize=4096)
def _stored_function(vault: Vault, definition: Definition, period: int) -> str:
    return vault.seal(Function.of(definition, TaskOptions()), apart=True).digest


@lru_cache(maxsize=4096)
def _loaded_function(vault: Vault, digest: str) -> Function:
    function: Function = vault.unseal(Stored(digest), "a stored function")
    return function


class Packer:
    """Stores the values of one graph or one result; an object that they mention often is stored once."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._objects: dict[ObjectRef[Any], Object] = {}

    def pack(self, value: Any, *, apart: bool = False) -> Stored:
        """Store a value and first the objects that it mentions, waiting for those."""
        filled = fill(value, self.mark)
        return self._vault.seal(filled if filled is value else Mentions(filled), apart=apart)

    def function(self, function: Function) -> str:
        """Store a function, without its options, once in the life of this process; give its digest."""
        # Written again while it is in use, so that it is never taken for one that nobody has use for.
        return _stored_function(self._vault, function.definition, int(monotonic() / (GRACE / 4)))

    def call(self, call: object) -> Stored:
        """Store a call whose arguments hold no references any more."""
        return self._vault.seal(call)

    def mark(self, mark: Mark) -> Mark:
        """Give what stands for a mark in stored bytes: for a reference its object, else the mark itself.

        Raises
        ------
        TypeError
            If it is an actor's handle.
        """
        if isinstance(mark, ActorHandle):
            raise TypeError(f"{mark!r} ends with its session, so a workflow cannot take it from task to task")
        if not isinstance(mark, ObjectRef):
            return mark
        if mark not in self._objects:
            [value] = mark.engine.get([mark], None)
            self._objects[mark] = Object(self.pack(value, apart=True).digest)
        return self._objects[mark]


class Unpacker:
    """Reads the values that one task needs; two mentions of one object become one reference."""

    def __init__(self, vault: Vault, workflow: str = "") -> None:
        """Prepare to read.

        Parameters
        ----------
        workflow
            Id of the workflow in which handles are to be good; without it they are good nowhere.
        """
        self._vault, self._workflow = vault, workflow
        self._refs: dict[Mark, ObjectRef[Any]] = {}

    def unpack(self, stored: Stored) -> Any:
        """Give a stored value, with fresh references for the objects that it mentions."""
        value = self._vault.unseal(stored)
        if isinstance(value, Split):
            return self._split(value)
        return fill(value.value, self._fresh) if isinstance(value, Mentions) else value

    def _split(self, split: Split) -> Any:
        remaining: list[Remaining[Any]] = [Remaining(key, self._workflow) for key in split.remaining]
        parts = [self.unpack(stored) for stored in split.ready], remaining
        return (parts, None) if split.caught else parts

    def function(self, digest: str) -> Callable[..., Any]:
        """Give a stored function, unpickled once in the life of this process."""
        target: Callable[..., Any] = _loaded_function(self._vault, digest).target
        return target

    def load(self, mark: Object) -> Any:
        """Give the value of an object."""
        return self.unpack(Stored(mark.digest))

    def refer(self, mark: M, load: Callable[[M], Any]) -> ObjectRef[Any]:
        """Give the reference that stands for a mark in this task, loading its value at the first call."""
        if mark not in self._refs:
            self._refs[mark] = current().put(load(mark))
        return self._refs[mark]

    def _fresh(self, mark: Mark) -> Any:
        return self.refer(mark, self.load) if isinstance(mark, Object) else mark
