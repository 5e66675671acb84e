"""Commands that are Redis' own: handed on as they are, unless they would show what a tensor is there.

To Redis a tensor is a string. To everybody else it is none: whatever looks into strings is told so.
"""

from functools import partial
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._dump import dump as payload
from .._keyspace import MAGIC, kept
from .._later import Later, follow
from .._resp import Raw, Reply
from ._fetch import Fetcher
from ._link import Link, LostError
from ._pool import Pool
from ._replies import Answer, read, split
from ._survey import FRONT, is_image
from ._view import OTHER, Found

__all__ = ["ALONE", "Passing", "changes_what_it_reads", "nothing", "plain"]

_WAITING: Final = {
    *("BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "XREAD"),
    *("XREADGROUP", "WAIT", "WAITAOF", "DEBUG", "MIGRATE"),
}
"""Commands for which Redis may take any time."""

_REFUSED: Final = {"MONITOR", "PSYNC", "REPLCONF", "SYNC"}
"""Commands that make a connection something else."""

_NUMBERS: Final = {"DECR", "DECRBY", "INCR", "INCRBY", "INCRBYFLOAT"}
"""Commands that take a string for a number, which a tensor is not to Redis either."""

_READING: Final = {"BITCOUNT", "BITFIELD_RO", "BITPOS", "GETBIT", "GETRANGE", "STRLEN", "SUBSTR"}
"""Commands that look into a string; their key comes first."""

_CHANGING: Final = {"APPEND", "BITFIELD", "GETDEL", "GETEX", "GETSET", "SETBIT", "SETRANGE"}
"""Commands that change a string, or remove it, after they have looked into it."""

ALONE: Final = _WAITING | _REFUSED
"""Commands that do not go over the connection that everybody shares."""

_TYPES: Final = {b"T": "AI_TENSOR", b"M": "AI__MODEL", b"S": "AI_SCRIPT"}
_TRIES: Final = 100


class Passing:
    """Hands commands on.

    Parameters
    ----------
    pool, fetcher
        How Redis is reached.
    """

    def __init__(self, pool: Pool, fetcher: Fetcher) -> None:
        self._pool, self._fetcher = pool, fetcher

    def pass_on(self, client: Client, words: list[bytes]) -> Later:
        """Hand a command on to Redis, and its reply to the client."""
        name = words[0].upper().decode(errors="replace")
        if name in _REFUSED:
            raise CommandError(f"ERR {name} cannot be handed on: connect to the Redis behind this server")
        waits = name in _WAITING
        link = self._pool.own(client.protocol) if waits else self._pool.shared(client.protocol)
        later = Later(partial(self._pool.drop, link) if waits else nothing)

        def answered(reply: bytes | LostError) -> None:
            if waits:
                self._pool.drop(link)
            later.settle(reply if isinstance(reply, LostError) else Raw(reply))

        link.send(words, answered)
        return later

    def type(self, client: Client, words: list[bytes]) -> Later:
        """TYPE: a string may be one of ours."""
        later, key = Later(), words[1] if len(words) == 2 else b""

        def answered(answers: list[Answer] | LostError) -> None:
            if isinstance(answers, LostError):
                later.settle(answers)
                return
            kind, front = answers
            front = front if isinstance(front, bytes) else b""
            ours = is_image(front)
            later.settle(_TYPES.get(front[-1:], "string") if ours else plain(kind))

        if len(words) != 2:
            return self.pass_on(client, words)
        link = self._pool.shared(client.protocol)
        link.send_all([(b"TYPE", key), (b"GETRANGE", key, b"0", FRONT)], answered)
        return later

    def dump(self, client: Client, words: list[bytes]) -> Later:
        """DUMP: of ours, the payload that other servers of tensors read."""
        if len(words) != 2:
            return self.pass_on(client, words)
        later, key = Later(), words[1]

        def fetched(found: Found | CommandError) -> None:
            value = found if isinstance(found, CommandError) else found[key]
            if value is None or isinstance(value, CommandError):
                later.settle(value)
            elif value is OTHER or isinstance(value, bytes):
                follow(later, self.pass_on(client, words))
            else:
                later.settle(payload(kept(value)))  # type: ignore[arg-type]  # a tensor, model or script

        self._fetcher.fetch([key], fetched)
        return later

    def mget(self, client: Client, words: list[bytes]) -> Later:
        """MGET: one of ours is no string, and so nothing."""
        later = Later()

        def answered(reply: bytes | LostError) -> None:
            if isinstance(reply, LostError) or (items := split(reply)) is None:
                later.settle(reply if isinstance(reply, LostError) else Raw(reply))
                return
            values = [plain(read(item)) for item in items]
            later.settle([None if isinstance(each, bytes) and is_image(each) else each for each in values])

        self._pool.shared(client.protocol).send(words, answered)
        return later

    def string(self, client: Client, words: list[bytes]) -> Later | None:
        """Hand on a command that looks into a string, unless that is one of ours; None if it is no such."""
        name, later = words[0].upper().decode(errors="replace"), Later()
        if changes_what_it_reads(name, words):
            self._looked_into(later, client, words, _TRIES)
        elif name in _READING:
            self._read(later, client, words)
        elif name in _NUMBERS:
            self._number(later, client, words)
        elif name == "GET":
            self._get(later, client, words)
        else:
            return None
        return later

    def _get(self, later: Later, client: Client, words: list[bytes]) -> None:
        """Hand on a command, unless its reply shows one of ours."""

        def answered(reply: bytes | LostError) -> None:
            ours = isinstance(reply, bytes) and _shows_image(reply)
            later.settle(CommandError.wrongtype() if ours else _handed(reply))

        self._pool.shared(client.protocol).send(words, answered)

    def _number(self, later: Later, client: Client, words: list[bytes]) -> None:
        """Hand on a command that refuses what is no number, and see what that was."""
        fronts: list[bytes | LostError] = []

        def answered(reply: bytes | LostError) -> None:
            front = fronts[0] if fronts else b""
            refused = isinstance(reply, bytes) and reply.startswith(b"-ERR value is not ")
            ours = refused and isinstance(front, bytes) and _shows_image(front)
            later.settle(CommandError.wrongtype() if ours else _handed(reply))

        link = self._pool.shared(client.protocol)
        link.send((b"GETRANGE", *words[1:2], b"0", FRONT), fronts.append)
        link.send(words, answered)

    def _read(self, later: Later, client: Client, words: list[bytes]) -> None:
        """Hand on a command that only reads, with a look at what it reads."""

        def executed(reply: bytes | LostError) -> None:
            items = None if isinstance(reply, LostError) else split(reply)
            if items is None:
                later.settle(reply if isinstance(reply, LostError) else Raw(refused[0] if refused else reply))
                return
            front = read(items[0])
            ours = isinstance(front, bytes) and is_image(front)
            later.settle(CommandError.wrongtype() if ours else Raw(items[1]))

        refused: list[bytes] = []
        link = self._pool.shared(client.protocol)
        link.send((b"MULTI",), nothing)
        link.send((b"GETRANGE", words[1] if len(words) > 1 else b"", b"0", FRONT), nothing)
        link.send(words, partial(_refusal, refused))
        link.send((b"EXEC",), executed)

    def _looked_into(self, later: Later, client: Client, words: list[bytes], tries: int) -> None:
        self._pool.take(partial(self._look_into, later, client, words, tries), client.protocol)

    def _look_into(self, later: Later, client: Client, words: list[bytes], tries: int, link: Link) -> None:
        def looked(answers: list[Answer] | LostError) -> None:
            front = answers if isinstance(answers, LostError) else answers[1]
            if isinstance(front, LostError) or (isinstance(front, bytes) and is_image(front)):
                self._pool.give(link, watching=True)
                later.settle(front if isinstance(front, LostError) else CommandError.wrongtype())
                return
            link.send((b"MULTI",), nothing)
            link.send(words, partial(_refusal, refused))
            link.send((b"EXEC",), executed)

        refused: list[bytes] = []

        def executed(reply: bytes | LostError) -> None:
            self._pool.give(link)
            items = None if isinstance(reply, LostError) else split(reply)
            if items is not None:
                later.settle(Raw(items[0]))
            elif isinstance(reply, LostError):
                later.settle(reply)
            elif refused or not tries:
                later.settle(Raw(refused[0] if refused else reply))
            else:
                self._looked_into(later, client, words, tries - 1)

        key = words[1] if len(words) > 1 else b""
        link.send_all([(b"WATCH", key), (b"GETRANGE", key, b"0", FRONT)], looked)


def _refusal(refused: list[bytes], reply: bytes | LostError) -> None:
    """Take note of an error with which Redis has refused to queue a command."""
    if isinstance(reply, bytes) and reply.startswith(b"-"):
        refused.append(reply)


def changes_what_it_reads(name: str, words: list[bytes]) -> bool:
    """Tell whether a command gives what it changes, so that somebody has to look at that before."""
    return name in _CHANGING or (name == "SET" and b"GET" in [word.upper() for word in words[3:]])


def _handed(reply: bytes | LostError) -> Reply:
    return reply if isinstance(reply, LostError) else Raw(reply)


def _shows_image(reply: bytes) -> bool:
    return reply.startswith(b"$") and is_image(reply[reply.find(b"\n") + 1 :][: len(MAGIC)])


def nothing(*_: object) -> None:
    """Pass: what comes is of no interest."""


def plain(answer: Answer) -> Reply:
    """Give an answer that was read as a reply."""
    return [plain(each) for each in answer] if isinstance(answer, list) else answer
