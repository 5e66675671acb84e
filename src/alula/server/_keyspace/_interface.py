"""What a keyspace must do, and how a run of a graph sees one.

Everything here happens on the server's thread, so a step is never seen half done. What changes is told
to listeners when it can be seen: WATCH, notifications and whatever must be kept are listeners. Times
are those of the wire: UNIX time in milliseconds.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ..._core._ids import Key
from ...errors import CommandError, StoreUnavailableError
from ...graph import Done, Grown, Name, Outcome, Recorded
from .._forms import ModelForm, ScriptForm
from .._models import Model
from .._scripts import Script
from .._tensors import Tensor
from .._words import integer
from ._values import HashValue, ListValue, SetValue

__all__ = [
    "UNDONE",
    "Keyspace",
    "Listener",
    "Loader",
    "Snapshot",
    "Value",
    "as_model",
    "as_script",
    "as_tensor",
    "encoding_of",
    "event_of",
    "type_name",
]

Value: TypeAlias = Tensor | Model | Script | bytes | ListValue | HashValue | SetValue

Listener: TypeAlias = Callable[[str, Sequence[bytes]], None]
"""Called with an event and its keys once what happened to them can be seen. The event is the one that
notifications name (``tensorset``, ``set``, ``del``, ``expired``), or ``flush`` or `UNDONE`, of which they
say nothing."""

UNDONE: Final = "undone"
"""What listeners are told of keys whose changes could not be kept: they are what they were before."""

Loader: TypeAlias = Callable[[ModelForm | ScriptForm], Value]
"""Makes a model or a script ready; raises `CommandError` if it cannot."""

_TYPES: Final[Mapping[type, str]] = {
    Tensor: "AI_TENSOR",
    Model: "AI__MODEL",
    Script: "AI_SCRIPT",
    bytes: "string",
    ListValue: "list",
    HashValue: "hash",
    SetValue: "set",
}
_EVENTS: Final[Mapping[type, str]] = {Tensor: "tensorset", Model: "modelstore", Script: "scriptstore"}


def type_name(value: Value | None) -> str:
    """Give the type that the command TYPE answers."""
    return "none" if value is None else _TYPES[type(value)]


def encoding_of(value: Value) -> bytes:
    """Name what Redis would keep such a value in; what is not its own is ``raw``."""
    match value:
        case bytes():
            return b"int" if integer(value) is not None else b"embstr" if len(value) <= 44 else b"raw"
        case ListValue():
            return b"quicklist"
        case HashValue():
            small = len(value) <= 512 and all(len(f) <= 64 and len(v) <= 64 for f, v in value.items())
            return b"listpack" if small else b"hashtable"
        case SetValue():
            small = len(value) <= 512 and all(integer(member) is not None for member in value)
            return b"intset" if small else b"hashtable"
        case _:
            return b"raw"


def event_of(value: Value) -> str:
    """Give the event by which writing a value is told."""
    return _EVENTS.get(type(value), "set")


def as_tensor(value: Value | None) -> Tensor:
    """Give what was found under a key as the tensor that it must be, or say why it is not."""
    if isinstance(value, Tensor):
        return value
    if value is None:
        raise CommandError("ERR tensor key is empty or in a different shard")
    raise CommandError.wrongtype()


def as_model(value: Value | None) -> Model:
    """Give what was found under a key as the model that it must be, or say why it is not."""
    if isinstance(value, Model):
        return value
    if value is None:
        raise CommandError("ERR model key is empty")
    raise CommandError.wrongtype()


def as_script(value: Value | None) -> Script:
    """Give what was found under a key as the script that it must be, or say why it is not."""
    if isinstance(value, Script):
        return value
    if value is None:
        raise CommandError("ERR script key is empty")
    raise CommandError.wrongtype()


class Keyspace(ABC):
    """Values under keys; a key is any bytes. What has expired is there for nobody."""

    @abstractmethod
    def read(self, key: bytes) -> Value | None:
        """Give what is under a key now."""

    @abstractmethod
    def write(self, values: Mapping[bytes, Value]) -> None:
        """Put values under their keys, all in one step; none of them expires any more.

        Raises
        ------
        CommandError
            WRONGTYPE, if one of the keys holds a value of another type. Nothing was written.
        """

    @abstractmethod
    def put(self, key: bytes, value: Value, *, expires: int | None = None, event: str = "set") -> None:
        """Put a value under a key, whatever was there.

        Parameters
        ----------
        key, value
            What is put where.
        expires
            When it expires, a UNIX time in ms; None is never.
        event
            What listeners are told.
        """

    @abstractmethod
    def changed(self, key: bytes, event: str) -> None:
        """Take note that the list, hash or set under a key was changed in place; an empty one is removed."""

    @abstractmethod
    def delete(self, keys: Iterable[bytes], *, event: str = "del") -> int:
        """Remove keys; give the number of those that were there."""

    @abstractmethod
    def expires(self, key: bytes) -> int | None:
        """Give when a key expires, a UNIX time in ms; None if it does not, or is not there."""

    @abstractmethod
    def expire(self, key: bytes, at: int | None, *, event: str = "expire") -> None:
        """Say when a key that is there expires, a UNIX time in ms; None is never."""

    @abstractmethod
    def scan(self) -> Sequence[tuple[bytes, Value]]:
        """Give all keys with their values, as they are now."""

    @abstractmethod
    def clear(self) -> None:
        """Remove everything."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def expiring(self) -> int:
        """How many keys are going to expire."""

    @abstractmethod
    def reap(self) -> None:
        """Remove what has expired, also what nobody asks for; the server calls it ten times a second."""

    @abstractmethod
    def listen(self, listener: Listener) -> None:
        """Tell a listener of every change from now on."""

    @abstractmethod
    def unlisten(self, listener: Listener) -> None:
        """Tell it no more."""

    def store(self, values: Mapping[bytes, Value], then: Recorded) -> None:
        """Put values under their keys at the end of a run, all in one step; `then` is told how it went."""
        try:
            self.write(values)
        except CommandError as error:
            then(error)
        else:
            then(None)

    # -------------------------------------------------------------- what only some keyspaces do

    pending = False
    """Whether something was changed that is not made good yet, so that replies have to wait."""

    touched = False
    """Set by every change that has to be made good; whoever asks sets it back."""

    def start(self, load: Loader) -> None:
        """Read what there is from before, making models and scripts of it by `load`."""
        return

    def settle(self) -> None:
        """Make good what has been changed: called before any reply leaves that may tell of it.

        Raises
        ------
        StoreError
            If that is not possible. Everything is what it was before the changes.
        """
        return

    saved = 0.0
    """When the disk last had everything, as far as is known; a UNIX time in seconds."""

    def save(self) -> None:
        """Return when the disk has everything, in as little room as possible.

        Raises
        ------
        StoreError
            If the disk refuses, or nothing of this keyspace is ever on it.
        """
        raise StoreUnavailableError("the keyspace", "it is in memory alone: start with --appendonly yes")

    @abstractmethod
    def reload(self) -> None:
        """Make every value anew out of what is kept of it, and say so about those that cannot be.

        Raises
        ------
        StoreError
            If it cannot be read; everything is what it was.
        """

    def close(self) -> None:
        """Make good what is left, and let go of everything."""
        return

    def snapshot(self, keys: Iterable[bytes], stores: Sequence[tuple[bytes, int]] = ()) -> "Snapshot":
        """Take down what is under some keys now, for a run that sees nothing that is written later.

        Parameters
        ----------
        keys
            Those that the run reads.
        stores
            Where its results go: a key, and the position among the graph's outputs.
        """
        found = {key: value for key in keys if (value := self.read(key)) is not None}
        return Snapshot(self, found, stores)


class Snapshot:
    """The durable home of one run: reads see one moment, and all that is stored appears in one step.

    Attributes
    ----------
    values
        What was there, by key.
    """

    __slots__ = ("_keyspace", "_stores", "values")

    def __init__(
        self, keyspace: Keyspace, values: dict[bytes, Value], stores: Sequence[tuple[bytes, int]]
    ) -> None:
        self.values = values
        self._keyspace, self._stores = keyspace, stores

    def recall(self, mark: Key | Name) -> Outcome | None:
        """Give what was under a key. Of the run's own nodes nothing is known before it ends."""
        if isinstance(mark, Name):
            assert isinstance(mark.name, bytes)
            return Done(self.values[mark.name])
        return None

    def record(self, key: Key, outcome: Done[Any] | Grown, then: Recorded) -> None:
        """Pass: values on the way are volatile."""
        then(None)

    def commit(self, values: tuple[Any, ...], then: Recorded) -> None:
        """Store what is to be stored: all of it, or none and the reason."""
        if self._stores:
            self._keyspace.store({key: values[position].host() for key, position in self._stores}, then)
        else:
            then(None)
