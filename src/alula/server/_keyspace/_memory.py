"""The keyspace in memory: as fast as a dictionary, gone with the process."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from ..._core._clock import SYSTEM, Clock
from ...errors import CommandError
from .._forms import ModelForm, ScriptForm
from ._image import pack, unpack
from ._interface import Keyspace, Listener, Loader, Value, event_of
from ._kept import kept, revived, unloaded

__all__ = ["MemoryKeyspace"]

_log = logging.getLogger("alula.server")


class MemoryKeyspace(Keyspace):
    """Values in a dictionary, and beside it when some of them expire.

    Parameters
    ----------
    clock
        Whose UNIX time says what has expired.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._load: Loader = _not_started
        self.saved = clock.time()
        self._values: dict[bytes, Value] = {}
        self._expiries: dict[bytes, int] = {}
        self._due: list[tuple[int, bytes]] = []  # a heap; entries that `_expiries` does not bear out are old
        self._listeners: tuple[Listener, ...] = ()

    def read(self, key: bytes) -> Value | None:
        """Give what is under a key now."""
        if self._expiries and key in self._expiries:
            self._lapse(key)
        return self._values.get(key)

    def write(self, values: Mapping[bytes, Value]) -> None:
        """Put values under their keys, all or none."""
        if self._expiries:
            for key in values:
                self._lapse(key)
        for key, value in values.items():
            if type(self._values.get(key, value)) is not type(value):
                raise CommandError.wrongtype()
        self._values.update(values)
        if self._expiries:
            for key in values:
                self._expiries.pop(key, None)
        if self._listeners:
            self._tell_written(values)

    def put(self, key: bytes, value: Value, *, expires: int | None = None, event: str = "set") -> None:
        """Put a value under a key, whatever was there."""
        self._lapse(key)
        self._values[key] = value
        self._set_expiry(key, expires)
        self._tell(event, [key])

    def changed(self, key: bytes, event: str) -> None:
        """Take note that the list, hash or set under a key was changed in place; an empty one is removed."""
        self._tell(event, [key])
        if not self._values[key]:
            self.delete([key])

    def delete(self, keys: Iterable[bytes], *, event: str = "del") -> int:
        """Remove keys; give the number of those that were there."""
        found = [key for key in keys if not self._lapse(key) and self._remove(key)]
        if found and self._listeners:
            self._tell(event, found)
        return len(found)

    def expires(self, key: bytes) -> int | None:
        """Give when a key expires, a UNIX time in ms; None if it does not, or is not there."""
        self._lapse(key)
        return self._expiries.get(key)

    def expire(self, key: bytes, at: int | None, *, event: str = "expire") -> None:
        """Say when a key that is there expires, a UNIX time in ms; None is never."""
        self._set_expiry(key, at)
        self._tell(event, [key])

    def scan(self) -> Sequence[tuple[bytes, Value]]:
        """Give all keys with their values, as they are now."""
        if self._expiries:
            self.reap()
        return list(self._values.items())

    def clear(self) -> None:
        """Remove everything."""
        keys = list(self._values) if self._listeners else []
        self._values.clear()
        self._expiries.clear()
        self._due.clear()
        self._tell("flush", keys)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def expiring(self) -> int:
        """How many keys are going to expire."""
        return len(self._expiries)

    def start(self, load: Loader) -> None:
        """Remember what makes models and scripts ready."""
        self._load = load

    def reload(self) -> None:
        """Make every value anew out of what would be kept of it."""
        for key, value in self._values.items():
            self._values[key] = self._revived(key, pack(kept(value)))

    def _revived(self, key: bytes, data: bytes) -> Value:
        """Make a value; a model or script that cannot be loaded says so when it is used, and is not lost."""
        found = unpack(data)
        try:
            return revived(found, self._load)
        except CommandError as error:
            assert isinstance(found, ModelForm | ScriptForm)
            kind = "model" if isinstance(found, ModelForm) else "script"
            _log.error("the %s under %r is kept, but cannot be loaded: %s", kind, key, error.text)
            return unloaded(found, error)

    # ----------------------------------------------------------------------------------- expiring

    def reap(self) -> None:
        """Remove what has expired, also what nobody asks for."""
        now = self._now()
        while self._due and self._due[0][0] <= now:
            at, key = heappop(self._due)
            if self._expiries.get(key) == at:
                self._remove(key)
                self._tell("expired", [key])

    def _lapse(self, key: bytes) -> bool:
        """Remove a key whose time has come; tell whether it had."""
        at = self._expiries.get(key)
        if at is None or at > self._now():
            return False
        self._remove(key)
        self._tell("expired", [key])
        return True

    def _now(self) -> int:
        return int(self._clock.time() * 1000)

    def _set_expiry(self, key: bytes, at: int | None) -> None:
        if at is None:
            self._expiries.pop(key, None)
            return
        self._expiries[key] = at
        heappush(self._due, (at, key))
        if len(self._due) > 64 + 2 * len(self._expiries):  # a key whose expiry is set again and again
            self._due = [(at, key) for key, at in self._expiries.items()]
            heapify(self._due)

    def _remove(self, key: bytes) -> bool:
        self._expiries.pop(key, None)
        return self._values.pop(key, None) is not None

    # ---------------------------------------------------------------------------------- listeners

    def listen(self, listener: Listener) -> None:
        """Tell a listener of every change from now on."""
        self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Listener) -> None:
        """Tell it no more."""
        self._listeners = tuple([each for each in self._listeners if each != listener])

    def _tell(self, event: str, keys: Sequence[bytes]) -> None:
        for listener in self._listeners:
            listener(event, keys)

    def _tell_written(self, values: Mapping[bytes, Value]) -> None:
        """Tell of a write, each type by its own event."""
        by_event: dict[str, list[bytes]] = {}
        for key, value in values.items():
            by_event.setdefault(event_of(value), []).append(key)
        for event, keys in by_event.items():
            self._tell(event, keys)


def _not_started(form: ModelForm | ScriptForm) -> Value:
    raise CommandError("ERR Could not load backend")
