"""The keyspace that lasts: the one in memory, and a file that every change is in before it is answered.

Values are read from memory. What a turn of the loop has changed is written in one transaction, and only
then do the replies of that turn leave. If the file refuses, because the disk is full for instance,
memory goes back to what the file has, and whoever changed something is told so.

A model that cannot be loaded again when the server starts stays in the file and under its key, where
every use of it says why.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from ..._core._clock import SYSTEM, Clock
from ...errors import StoreUnavailableError
from .._models import Model
from .._scripts import Script
from ._entries import Entries, Fsync, Row
from ._image import head_of, pack
from ._interface import UNDONE, Loader, Value
from ._kept import kept
from ._memory import MemoryKeyspace

__all__ = ["DurableKeyspace"]

_log = logging.getLogger("alula.server")


class DurableKeyspace(MemoryKeyspace):
    """Values in memory and in a file; see `open`."""

    def __init__(self, entries: Entries, clock: Clock = SYSTEM) -> None:
        super().__init__(clock)
        self._entries = entries
        self._changed: dict[bytes, bool] = {}  # since the last commit; False if only when it expires
        self._cleared = False
        self._lapsed: set[bytes] = set()  # have expired, so it does not matter when their rows go
        self._loaded: dict[bytes, tuple[bytes, Value]] = {}  # models of the last commit, with their heads
        self.listen(self._note)

    @classmethod
    def open(cls, file: Path, *, fsync: Fsync = "everysec", clock: Clock = SYSTEM) -> Self:
        """Open a file, making it if there is none; nothing is read before `start`.

        Parameters
        ----------
        file
            Its path; no two servers can have it open.
        fsync
            ``"always"``, ``"everysec"`` or ``"no"``: when the disk has what was committed. The death of the
            process loses nothing with any of them.
        clock
            Whose UNIX time says what has expired.

        Raises
        ------
        StoreUnavailableError
            If another server has it open, which is named; or it cannot be opened and written.
        """
        return cls(Entries.open(file, fsync), clock)

    def start(self, load: Loader) -> None:
        """Read the file.

        Parameters
        ----------
        load
            Makes models and scripts of what the file has.
        """
        super().start(load)
        for row in self._entries.rows():
            self._take(row)
        self.reap()

    def save(self) -> None:
        """Return when the disk has everything, and SQLite's log is empty."""
        self.settle()
        self._entries.shrink()

    def reload(self) -> None:
        """Read the file again."""
        self.settle()
        rows = list(self._entries.rows())
        self._values.clear()
        self._expiries.clear()
        self._due.clear()
        self._loaded.clear()
        for row in rows:
            self._take(row)

    def close(self) -> None:
        """Commit what is left, have the disk take everything, and let go of the file."""
        try:
            self.settle()
        finally:
            self._entries.close()

    # ----------------------------------------------------------------------------------- changes

    @property
    def fsync(self) -> Fsync:
        """When the disk has what was committed; may be set."""
        return self._entries.fsync

    @fsync.setter
    def fsync(self, fsync: Fsync) -> None:
        self._entries.fsync = fsync

    def _note(self, event: str, keys: Sequence[bytes]) -> None:
        """Take down what has changed."""
        if event == "expired":
            self._lapsed.update(keys)
        elif event == "flush":
            self._cleared = True
            self._changed.clear()
            self._lapsed.clear()
        else:
            whole = event not in _OF_TIME
            for key in keys:
                self._changed[key] = whole or self._changed.get(key, False)
        if event != "expired":
            self.pending = self.touched = True

    def settle(self) -> None:
        """Commit what was changed.

        Raises
        ------
        StoreUnavailableError
            If the file refuses. Memory is what it was after the last commit.
        """
        if not (self.pending or self._lapsed):
            return
        put, expire, gone = self._difference()
        try:
            self._entries.commit(clear=self._cleared, put=put, expire=expire, gone=gone)
        except StoreUnavailableError:
            if not self.pending:  # what has expired is seen by nobody, and goes with the next commit
                return
            self._undo()
            raise
        if self._cleared:
            self._loaded.clear()
        for key in gone:
            self._loaded.pop(key, None)
        for key, data, _ in put:
            self._remember(key, data, self._values[key])
        self._forget()
        self.saved = self._clock.time()

    def _difference(self) -> tuple[list[Row], dict[bytes, int | None], list[bytes]]:
        """Give what has to be written: whole rows, times of expiry, and keys that are gone."""
        put, expire, gone = list[Row](), dict[bytes, int | None](), list(self._lapsed - self._changed.keys())
        for key, whole in self._changed.items():
            value = self._values.get(key)
            if value is None:
                gone.append(key)
            elif whole:
                put.append((key, pack(kept(value)), self._expiries.get(key)))
            else:
                expire[key] = self._expiries.get(key)
        return put, expire, gone

    def _remember(self, key: bytes, data: bytes, value: Value) -> None:
        """Keep a model or script that was committed, so that going back to it need not load it again."""
        if isinstance(value, Model | Script):
            self._loaded[key] = (head_of(data), value)
        else:
            self._loaded.pop(key, None)

    def _forget(self) -> None:
        self._changed.clear()
        self._lapsed.clear()
        self._cleared = self.pending = False

    # ------------------------------------------------------------------------------ from the file

    def _undo(self) -> None:
        """Make memory what the file has."""
        keys = list(self._values) if self._cleared else list(self._changed)
        try:
            rows = list(self._entries.rows() if self._cleared else self._entries.find(keys))
        except StoreUnavailableError as error:  # the changes stay, and are tried again
            _log.critical("changes that were refused cannot be undone: %s", error)
            return
        for key in keys:
            self._remove(key)
        for row in rows:
            self._take(row)
        self._forget()
        for listener in self._listeners:
            if listener != self._note:
                listener(UNDONE, keys)

    def _take(self, row: Row) -> None:
        """Put into memory what the file has under a key."""
        key, data, expires = row
        head, value = self._loaded.get(key, (b"", None))
        if value is None or not data.startswith(head):
            value = self._revived(key, data)
            self._remember(key, data, value)
        self._values[key] = value
        self._set_expiry(key, expires)


_OF_TIME: Final = {"expire", "persist"}  # events after which the value is what it was
