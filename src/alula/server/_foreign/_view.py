"""What one command sees of a Redis that keeps the keys: values fetched before, and changes to be sent after.

Handlers are synchronous, and read and write a `Keyspace`. This one has what was fetched, and says so
when something has to be. What a handler changes is taken down; so it may be called more than once
before anything has happened, and then one transaction makes all of it happen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ...errors import CommandError
from ...graph import Recorded
from .._keyspace import MemoryKeyspace, Value, kept, pack

__all__ = ["OTHER", "Changes", "Found", "ScanNeeded", "Unfetched", "View"]

Found: TypeAlias = dict[bytes, object]
"""What was fetched: None is under no key, `OTHER` stands for a value of Redis' own."""

Words: TypeAlias = tuple[bytes, ...]


class Unfetched(BaseException):
    """A handler has read what was not fetched: it is fetched, and the handler is called again.

    No `Exception`, for nobody on the way has to do with it.
    """

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.key = key


class ScanNeeded(BaseException):
    """A handler wants to see all models or scripts."""


class _Other:
    """A list, a hash, or anything else that only Redis itself knows."""


OTHER: Final = _Other()
"""Stands for any value that is neither a tensor, a model, a script nor a string."""

_NOTHING: Final = type(None)
_TYPED: Final = {"tensorset", "modelstore", "scriptstore"}  # events of writes that keep a key's type


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to become of some keys.

    Attributes
    ----------
    commands
        For Redis.
    values
        What is put under some of them.
    types
        Of keys that must hold nothing or a value of this type.
    events
        What is told of it: an event and its keys, in order.
    """

    commands: list[Words]
    values: dict[bytes, Value]
    types: dict[bytes, type]
    events: list[tuple[str, Sequence[bytes]]]


@dataclass(slots=True)
class _Log:
    """Takes down what happens to the keys of a keyspace."""

    events: list[tuple[str, Sequence[bytes]]] = field(default_factory=list)

    def heard(self, event: str, keys: Sequence[bytes]) -> None:
        self.events.append((event, keys))


class View(MemoryKeyspace):
    """The keyspace of one command.

    Parameters
    ----------
    found
        What was fetched, by key: None if nothing is there, `OTHER` for a value of Redis' own.
    everything
        All models and scripts, if they were asked for.
    send
        Makes the changes happen that a run wants at its end, and tells when they have.
    """

    def __init__(
        self,
        found: Mapping[bytes, object],
        everything: Sequence[tuple[bytes, Value]] | None,
        send: Callable[[Changes, Recorded], None],
    ) -> None:
        super().__init__()
        self._fetched = set(found)
        for key, value in found.items():
            if value is not None:
                self._values[key] = value  # type: ignore[assignment]  # OTHER is no value: whoever reads it says so
        self._everything, self._send = everything, send
        self._log = _Log()
        self.listen(self._log.heard)

    def read(self, key: bytes) -> Value | None:
        """Give what was fetched; raise `Unfetched` if it was not."""
        if key not in self._fetched and key not in self._values:
            raise Unfetched(key)
        return self._values.get(key)

    def delete(self, keys: Iterable[bytes], *, event: str = "del") -> int:
        """Remove keys."""
        return super().delete([key for key in keys if self.read(key) is not None], event=event)

    def scan(self) -> Sequence[tuple[bytes, Value]]:
        """Give all models and scripts: no handler that is called with a view wants more."""
        if self._everything is None:
            raise ScanNeeded
        return self._everything

    def store(self, values: Mapping[bytes, Value], then: Recorded) -> None:
        """Have values put under their keys at the end of a run."""
        view = View({}, None, self._send)
        view.write(values)
        self._send(view.changes(), then)

    def changes(self) -> Changes:
        """Give what the handler has changed."""
        types = dict[bytes, type]()
        for event, keys in self._log.events:
            for key in keys:
                if event in _TYPED:
                    types[key] = type(self._values[key])
        changed = dict.fromkeys(key for _, keys in self._log.events for key in keys)
        values = {key: self._values[key] for key in changed if key in self._values}
        return Changes([self._command(key) for key in changed], values, types, self._log.events)

    def begin_anew(self) -> None:
        """Take down what is changed from now on apart from what was changed before."""
        self._log.events = []

    def admit(self, changes: Changes) -> CommandError | None:
        """Take over what another view has changed, without taking it down; or say why it cannot be."""
        for key, kind in changes.types.items():
            if type(self._values.get(key, None)) not in (kind, _NOTHING):
                return CommandError.wrongtype()
        for words in changes.commands:
            self._fetched.add(words[1])
            self._values.pop(words[1], None)
        self._values.update(changes.values)
        return None

    def forget(self, keys: Iterable[bytes]) -> None:
        """Know of some keys no more what is under them."""
        for key in keys:
            self._fetched.discard(key)
            self._values.pop(key, None)

    def _command(self, key: bytes) -> Words:
        value = self._values.get(key)
        if value is None:
            return (b"DEL", key)
        at = self._expiries.get(key)
        until = () if at is None else (b"PXAT", b"%d" % at)
        return (b"SET", key, pack(kept(value)), *until)
