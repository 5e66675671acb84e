"""What a keyspace must do, and how a run of a graph sees one.

Everything here happens on the server's thread, so a step is never seen half done.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from ..._core._ids import Key
from ...errors import CommandError
from ...graph import Done, Grown, Name, Outcome, Recorded
from .._models import Model
from .._tensors import Tensor

__all__ = ["Keyspace", "Snapshot", "Value", "as_model", "as_tensor", "type_name"]

Value: TypeAlias = Tensor | Model


def type_name(value: Value | None) -> str:
    """Give the type that the command TYPE answers."""
    if value is None:
        return "none"
    return "AI_TENSOR" if isinstance(value, Tensor) else "AI__MODEL"


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


class Keyspace(ABC):
    """Values under keys; a key is any bytes."""

    @abstractmethod
    def read(self, key: bytes) -> Value | None:
        """Give what is under a key now."""

    @abstractmethod
    def write(self, values: Mapping[bytes, Value]) -> None:
        """Put values under their keys, all in one step.

        Raises
        ------
        CommandError
            WRONGTYPE, if one of the keys holds a value of another type. Nothing was written.
        """

    @abstractmethod
    def delete(self, keys: Iterable[bytes]) -> int:
        """Remove keys; give the number of those that were there."""

    @abstractmethod
    def scan(self) -> Sequence[tuple[bytes, Value]]:
        """Give all keys with their values, as they are now."""

    @abstractmethod
    def clear(self) -> None:
        """Remove everything."""

    @abstractmethod
    def __len__(self) -> int: ...

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
        self, keyspace: Keyspace, values: Mapping[bytes, Value], stores: Sequence[tuple[bytes, int]]
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
        try:
            if self._stores:
                self._keyspace.write({key: values[position] for key, position in self._stores})
        except CommandError as error:
            then(error)
        else:
            then(None)
