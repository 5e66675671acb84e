"""A Redis or Valkey that keeps the keys of a tensor server, with its persistence and its replicas.

Each tensor, model and script is one string there, whose bytes `_image` describes. ``AI.*`` is carried out
here. Commands about connections and about this process are ours as well; all others are Redis' own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from ...errors import CommandError, SettingError, StoreUnavailableError
from .._client import Client, Services
from .._commands._all import TABLE
from .._commands._table import Command
from .._config import Config
from .._failures import as_error
from .._keyspace import Loader, MemoryKeyspace, Value
from .._later import Later, follow, when
from .._models import Model
from .._resp import Limits, Raw, Reply
from .._words import said
from ._address import Address
from ._carrier import Carrier, is_ours
from ._fetch import Fetcher
from ._link import Link, LostError
from ._passing import Passing, plain
from ._pipeline import Pipeline
from ._pool import Pool
from ._relay import SUBSCRIPTIONS, Relays
from ._replies import Answer, read
from ._rows import Rows
from ._together import Together, is_quick
from ._transaction import Execution
from ._view import Changes, Found, View

__all__ = ["RedisBehind", "RedisKeyspace"]

_OURS: Final = {
    *("AUTH", "CLIENT", "COMMAND", "ECHO", "HELLO", "MODULE", "PING", "QUIT", "SELECT", "SHUTDOWN"),
    *("SLOWLOG", "MULTI", "DISCARD", "RESET"),
}
"""Commands about this server's own connections, and about itself."""


class RedisKeyspace(MemoryKeyspace):
    """Says that a Redis keeps the keys; there are none here.

    What is changed through this server is told to those who listen.

    Parameters
    ----------
    url
        ``redis://[[user]:password@]host[:port][/database]``; ``rediss:`` encrypts, ``unix:`` names a socket
        file.

    Raises
    ------
    SettingError
        If it is none of these.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.address = Address.of(url)

    def check(self, config: Config) -> None:
        """See that nothing was set here that is Redis' own to do.

        Raises
        ------
        SettingError
            If the values were to be limited, or kept in a file.
        """
        if config.maxmemory:
            why = f"the values are at {self.address.name}, which has to limit them: set it there"
            raise SettingError("maxmemory", config.maxmemory, why)
        if config.appendonly:
            why = f"the values are at {self.address.name}, which has to keep them: set it there"
            raise SettingError("appendonly", "yes", why)

    def tell(self, changes: Changes) -> None:
        """Tell what has happened to some keys."""
        for event, keys in changes.events:
            self._tell(event, keys)


class RedisBehind:
    """Carries out commands on the keys of a Redis; this is `Services.foreign`.

    Parameters
    ----------
    loop
        The server's.
    services
        The server.
    keyspace
        Where Redis is, and who listens to changes.
    load
        Makes models and scripts ready.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, services: Services, keyspace: RedisKeyspace, load: Loader
    ) -> None:
        self._loop, self._services, self._address = loop, services, keyspace.address
        self._pool = Pool(keyspace.address)
        fetcher = Fetcher(self._pool, services.loaders, load)
        self._carrier = Carrier(self._pool, fetcher, self._publications, keyspace.tell)
        self._relays, self._passing = Relays(self._pool), Passing(self._pool, fetcher)
        self._special: dict[str, Callable[[Client, list[bytes]], Reply | Later]] = {
            "CONFIG": self._config,
            "DUMP": self._passing.dump,
            "EXEC": self._exec,
            "INFO": self._info,
            "MGET": self._passing.mget,
            "TYPE": self._passing.type,
            "UNWATCH": self._unwatch,
            "WATCH": self._watch,
        }
        apart = frozenset(_OURS | SUBSCRIPTIONS | (self._special.keys() - {"MGET", "TYPE"}))
        self._rows = Rows(self._carrier, apart)
        self._watching: dict[Client, Link] = {}
        self._letters = frozenset[str]()  # of notify-keyspace-events
        self._replica = False

    async def open(self) -> None:
        """See that Redis can be reached, and what it is.

        Raises
        ------
        StoreUnavailableError
            If not.
        """
        done: asyncio.Future[CommandError | None] = self._loop.create_future()
        self._look(done.set_result)
        if (error := await done) is not None:
            raise StoreUnavailableError(self._address.name, error.text.removeprefix("ERR "))

    def close(self) -> None:
        """Close all connections to Redis."""
        self._pool.close()

    def gone(self, client: Client) -> None:
        """Let go of what a client has in Redis."""
        self._relays.end(client)
        self._unwatch(client)

    # ---------------------------------------------------------------------------------- commands

    def carry_out(self, client: Client, command: Command, words: list[bytes]) -> Reply | Later:
        """Give the reply of a command, or what it will come by."""
        name = command.name
        if client.transaction is not None and name not in _AT_ONCE:
            client.transaction.queued.append((command, words))
            return "QUEUED"
        if name in ("DISCARD", "RESET", "QUIT"):
            self.gone(client)
        if name in _OURS:
            return command.run(client, words)
        if name in SUBSCRIPTIONS:
            return self._relays.carry_out(client, words)
        special = self._special.get(name)
        if special is not None:
            return special(client, words)
        if is_ours(command, words):
            return self._ours(client, command, words)
        return self._passing.string(client, words) or self.pass_on(client, words)

    def pipeline(self, limits: Limits) -> Pipeline:
        """Give what takes the requests of a connection, as many at once as go together."""
        return Pipeline(limits, lambda client, words: self._rows.of(client, words, replica=self._replica))

    def pass_on(self, client: Client, words: list[bytes]) -> Later:
        """Hand a command on to Redis, and its reply to the client."""
        return self._passing.pass_on(client, words)

    def _ours(self, client: Client, command: Command, words: list[bytes]) -> Reply | Later:
        """Carry out a command of ours; a replica refuses what may write, as Redis does."""
        if not self._replica or "write" not in command.flags:
            if is_quick(command, words):
                return Together(self._carrier, client, [(command, words)]).begin()
            return self._carrier.carry_out(client, command, words)
        later = Later()

        def looked(error: CommandError | None) -> None:
            if error is not None or self._replica:
                later.settle(error or CommandError(_READONLY))
                return
            reply = self._carrier.carry_out(client, command, words)
            follow(later, reply)

        self._look(looked)  # it may have been promoted meanwhile
        return later

    # ---------------------------------------------------------------------- commands with a twist

    def _config(self, client: Client, words: list[bytes]) -> Reply | Later:
        """CONFIG: the parameters of this server's own here, those of the keys in Redis."""
        names = [
            word.decode(errors="replace").lower() for word in words[2 :: 2 if said(words, 1) == b"SET" else 1]
        ]
        if names and all(name in _PARAMETERS for name in names):
            return TABLE[b"CONFIG"].run(client, words)
        later = self.pass_on(client, words)
        if said(words, 1) != b"SET":
            return later
        outer = Later()
        later.watch(lambda reply: self._look(lambda _: outer.settle(reply)))  # what is told may have changed
        return outer

    def _info(self, client: Client, words: list[bytes]) -> Reply | Later:
        """INFO: ours about modules and what hangs on them, the rest Redis'."""
        if len(words) == 2 and said(words, 1) in (b"MODULES", b"COMMANDSTATS", b"CLIENTS"):
            return TABLE[b"INFO"].run(client, words)
        return self.pass_on(client, words)

    # ------------------------------------------------------------------------------ transactions

    def _watch(self, client: Client, words: list[bytes]) -> Reply | Later:
        if client.transaction is not None:
            raise CommandError("ERR WATCH inside MULTI is not allowed")
        link = self._watching.get(client)
        if link is None:
            link = self._watching[client] = self._pool.own(client.protocol, patient=False)
        later = Later()
        link.send(words, lambda reply: later.settle(reply if isinstance(reply, LostError) else Raw(reply)))
        return later

    def _unwatch(self, client: Client, words: object = None) -> Reply:
        link = self._watching.pop(client, None)
        if link is not None:
            self._pool.drop(link)
        return "OK"

    def _exec(self, client: Client, words: list[bytes]) -> Reply | Later:
        transaction = client.transaction
        if transaction is None:
            raise CommandError("ERR EXEC without MULTI")
        client.transaction = None
        client.update()
        if transaction.broken:
            self._unwatch(client)
            raise CommandError("EXECABORT Transaction discarded because of previous errors.")
        execution = Execution(self._carrier, client, transaction.queued, self._watching.pop(client, None))
        execution.begin()
        return execution.later

    # --------------------------------------------------------------------------- other threads

    def call(self, words: list[bytes], *, readonly: bool = False) -> Reply:
        """Carry out a command for a script, from any thread but the loop's."""
        command = TABLE.get(words[0].upper()) if words else None
        if command is not None and (command.blocks or "noscript" in command.flags):
            raise CommandError("ERR This Redis command is not allowed from script")
        if readonly and (command is None or "write" in command.flags):
            raise CommandError("ERR Write commands are not allowed from read-only scripts.")
        client = Client(services=self._services, number=0, trusted=True)

        def begin(told: Callable[[Reply], None]) -> None:
            reply = self.pass_on(client, words) if command is None else self.carry_out(client, command, words)
            when(reply, told)

        reply = self.ask(begin)
        answer = plain(read(reply.data)) if isinstance(reply, Raw) else reply
        if isinstance(answer, CommandError):
            raise answer
        return answer

    def read(self, key: bytes) -> Value | None:
        """Give what is under a key, for any thread but the loop's.

        Raises
        ------
        CommandError
            If Redis cannot be reached.
        """
        found: list[Found] = []

        def begin(told: Callable[[Reply], None]) -> None:
            def fetched(answer: Found | CommandError) -> None:
                if isinstance(answer, CommandError):
                    told(answer)
                else:
                    found.append(answer)
                    told("OK")

            self._carrier.fetcher.fetch([key], fetched)

        reply = self.ask(begin)
        if isinstance(reply, CommandError):
            raise reply
        return View(found[0], None, self._carrier.send).read(key)

    async def put(self, key: bytes, model: Model | None) -> None:
        """Put a model under a key, or remove the one that is there.

        Raises
        ------
        CommandError
            If the key holds something else, or Redis cannot be reached.
        """
        done: asyncio.Future[CommandError | None] = self._loop.create_future()
        view = View({}, None, self._carrier.send)
        if model is None:
            view = View(await self._found(key), None, self._carrier.send)
            if not isinstance(view.read(key), Model):
                return
            view.delete([key])
            self._carrier.send(view.changes(), lambda error: done.set_result(_as_command(error)))
        else:
            view.store({key: model}, lambda error: done.set_result(_as_command(error)))
        if (error := await done) is not None:
            raise error

    async def _found(self, key: bytes) -> Found:
        done: asyncio.Future[Found | CommandError] = self._loop.create_future()
        self._carrier.fetcher.fetch([key], done.set_result)
        found = await done
        if isinstance(found, CommandError):
            raise found
        return found

    def ask(self, begin: Callable[[Callable[[Reply], None]], None]) -> Reply:
        """Begin something on the loop's thread and wait for its reply."""
        asked: Future[Reply] = Future()

        def step() -> None:
            try:
                begin(asked.set_result)
            except Exception as error:  # it belongs to the thread that asked
                asked.set_result(as_error(error))

        try:
            self._loop.call_soon_threadsafe(step)
            return asked.result(_PATIENCE)
        except (RuntimeError, FutureTimeoutError) as error:
            raise CommandError("ERR the server has stopped") from error

    # ------------------------------------------------------------------------------------- inside

    def _look(self, then: Callable[[CommandError | None], None]) -> None:
        """Find out whether Redis is a replica, and what it tells of."""

        def answered(answers: list[Answer] | LostError) -> None:
            if isinstance(answers, LostError):
                then(answers)
                return
            about, told = answers
            if isinstance(about, CommandError):
                then(about)
                return
            text = about if isinstance(about, bytes) else b""
            self._replica = b"role:slave" in text and b"slave_read_only:1" in text
            letters = told[1] if isinstance(told, list) and len(told) == 2 else b""
            self._letters = frozenset(letters.decode()) if isinstance(letters, bytes) else frozenset()
            then(None)

        asked = [(b"INFO", b"replication"), (b"CONFIG", b"GET", b"notify-keyspace-events")]
        self._pool.shared().send_all(asked, answered)

    def _publications(self, changes: Changes) -> list[tuple[bytes, ...]]:
        """Give what tells of tensors and models; of those Redis itself says only that strings are set."""
        if not self._letters & {"A", "d"}:
            return []
        number, said_of = self._address.database, list[tuple[bytes, ...]]()
        for event, keys in changes.events:
            for key in keys if event in _EVENTS else ():
                if "K" in self._letters:
                    said_of.append((b"PUBLISH", b"__keyspace@%d__:%b" % (number, key), event.encode()))
                if "E" in self._letters:
                    said_of.append((b"PUBLISH", b"__keyevent@%d__:%b" % (number, event.encode()), key))
        return said_of


_AT_ONCE: Final = {"MULTI", "EXEC", "DISCARD", "WATCH", "QUIT", "RESET"}
_EVENTS: Final = {"tensorset", "modelstore", "scriptstore"}
_PATIENCE: Final = 60.0  # seconds that a thread waits for Redis, which is longer than any link does
_READONLY: Final = "READONLY You can't write against a read only replica."
_PARAMETERS: Final = {
    *(
        "bind",
        "port",
        "unixsocket",
        "protected-mode",
        "requirepass",
        "maxclients",
        "timeout",
        "tcp-keepalive",
    ),
    *("client-output-buffer-limit", "client-query-buffer-limit", "proto-max-bulk-len", "slowlog-max-len"),
    *("slowlog-log-slower-than", "loglevel", "dag-parallel", "dag-async-max", "dag-records-max"),
}
"""Those of CONFIG that are about this server; all others are about the keys, and so Redis'."""


def _as_command(error: BaseException | None) -> CommandError | None:
    return None if error is None else as_error(error)
