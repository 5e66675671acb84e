"""SLOWLOG: the last commands that took long."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ._config import Config

__all__ = ["Author", "Slow", "Slowlog"]

_log = logging.getLogger("alula.server")

_WORDS: Final = 32  # of a command that are kept
_BYTES: Final = 128  # of each of them
_SECRET: Final = {b"AUTH", b"HELLO"}


@dataclass(frozen=True, slots=True)
class Slow:
    """A command that took long.

    Attributes
    ----------
    number
        Counts up from 0.
    at
        When it ended, UNIX time in seconds.
    microseconds
        How long it took.
    words
        The command, cut where it is long.
    address, name
        Of the client.
    """

    number: int
    at: int
    microseconds: int
    words: list[bytes]
    address: str
    name: bytes


class Author(Protocol):
    """What the log says of the client that sent a command."""

    name: bytes

    @property
    def address(self) -> str:
        """Where it is, ``host:port``."""
        ...


@dataclass(slots=True)
class Slowlog:
    """Keeps as many entries as the configuration says, the newest in front.

    Attributes
    ----------
    config
        Which says how slow is slow.
    now
        Gives the time: UNIX, in milliseconds.
    entries
        What is kept.
    """

    config: Config
    now: Callable[[], int]
    entries: deque[Slow] = field(default_factory=deque)
    _next: int = 0

    def ended(self, author: Author, words: list[bytes], seconds: float) -> None:
        """Keep a command if it took long."""
        if words[0].upper() == b"EXEC":  # what it carried out is told one by one
            return
        if not 0 <= self.config.slowlog_log_slower_than <= seconds * 1e6:
            return
        self.entries.appendleft(
            Slow(
                number=self._next,
                at=self.now() // 1000,
                microseconds=int(seconds * 1e6),
                words=_shortened(words),
                address=author.address,
                name=author.name,
            )
        )
        self._next += 1
        self.trim()
        facts = {"event": "slow command", "command": words[0].decode(errors="replace"), "seconds": seconds}
        _log.info("a command took long: %s, %.6f s", facts["command"], seconds, extra=facts)

    def trim(self) -> None:
        """Drop what is more than should be kept."""
        while len(self.entries) > self.config.slowlog_max_len:
            self.entries.pop()


def _shortened(words: list[bytes]) -> list[bytes]:
    """Cut a command as Redis does; of what may be a password nothing is shown."""
    if words[0].upper() in _SECRET:
        return [words[0], *[b"(redacted)"] * (len(words) - 1)]
    shown = [_cut(word) for word in words[:_WORDS]]
    if len(words) > _WORDS:
        shown[-1] = b"... (%d more arguments)" % (len(words) - _WORDS + 1)
    return shown


def _cut(word: bytes) -> bytes:
    if len(word) <= _BYTES:
        return word
    return b"%b... (%d more bytes)" % (word[:_BYTES], len(word) - _BYTES)
