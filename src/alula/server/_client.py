"""What a command works with: the client that sent it, and the services that all clients share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ._background import Background
from ._config import Config
from ._devices import Devices
from ._keyspace import Keyspace, Value
from ._later import Later
from ._load_time import LoadTime
from ._measures import Measures
from ._meter import Meter
from ._models import Backend
from ._monitors import Monitors
from ._notifications import Notifications
from ._order import Order
from ._pause import Pause
from ._plans import Plans
from ._pubsub import PubSub, Subscriber
from ._resp import Limits, Parser, Reply
from ._settlement import Settlement
from ._slowlog import Slowlog
from ._stats import Stats
from ._tracking import Tracked, Tracking
from ._watch import Watch
from ._workers import Workers

__all__ = ["Call", "Client", "Foreign", "Link", "Pipeline", "Services", "Transaction"]


class Pipeline(Protocol):
    """Where the requests of one connection come from, and go to."""

    @property
    def parser(self) -> Parser:
        """Takes them out of what has come."""
        ...

    def dispatch(self, client: "Client", words: list[bytes]) -> Reply | Later:
        """Carry out a request, perhaps with those that follow it."""
        ...


class Foreign(Protocol):
    """How commands are carried out whose keys a Redis has: `Services.foreign`."""

    def carry_out(self, client: "Client", command: Any, words: list[bytes]) -> Reply | Later:
        """Carry out a command that the table has, or hand it on; give the reply, or what it will come by."""
        ...

    def pipeline(self, limits: Limits) -> Pipeline:
        """Give what takes the requests of a connection, as many at once as go together."""
        ...

    def pass_on(self, client: "Client", words: list[bytes]) -> Reply | Later:
        """Hand a command on to Redis."""
        ...

    def call(self, words: list[bytes], *, readonly: bool = False) -> Reply:
        """Carry out a command for a script; see `Call`."""
        ...

    def read(self, key: bytes) -> Value | None:
        """Give what is under a key, for any thread but the loop's."""
        ...

    def gone(self, client: "Client") -> None:
        """Let go of what a connection holds in Redis."""
        ...


class Call(Protocol):
    """How threads beside the server's own carry out commands: `Services.call`."""

    def __call__(self, words: list[bytes], *, readonly: bool = False) -> Reply:
        """Carry out a command that does not block, in one step; from any thread.

        Parameters
        ----------
        words
            The command, its name first.
        readonly
            Whether to refuse one that writes.

        Raises
        ------
        CommandError
            What the command answers with; ``Invalid argument`` if there is no such command, or not with
            so many words; or if the server has stopped.
        """
        ...


class Link(Protocol):
    """What a command may do to a connection, its own or another one."""

    address: str
    """Where the client is, ``host:port``."""

    local: str
    """Where it has connected to, ``host:port``."""

    began: float
    """When it was connected, by the monotonic clock."""

    since: float
    """When something was last carried out for it, by the same clock."""

    latest: bytes
    """The name of the last command, as the client wrote it."""

    @property
    def busy(self) -> bool:
        """Whether a command is being carried out elsewhere, and later ones wait."""
        ...

    @property
    def unread(self) -> int:
        """Bytes that wait to be read by the client."""
        ...

    def relimit(self) -> None:
        """Take requests as large as they may be now, by the configuration and by who the client is."""
        ...

    def push(self, message: Reply) -> None:
        """Send what answers no request."""
        ...

    def abort(self) -> None:
        """Close it now."""
        ...


@dataclass(slots=True, kw_only=True)
class Services:
    """One running server, as commands see it.

    Attributes
    ----------
    keyspace
        Where values live. Commands reach it through `Client.keyspace`.
    plans
        The plan cache.
    devices
        Where models run.
    background
        Runs that nobody waits for.
    loaders
        Threads that load models.
    backends
        By the name that AI.MODELSTORE calls them by, upper case; what is not there cannot be loaded.
    chunk
        Bytes of the pieces in which AI.MODELGET gives a blob.
    backends_path
        What AI.CONFIG was told of where backends are; nothing is looked for there.
    port
        Where it listens.
    uptime
        Gives the seconds since the start.
    config
        What CONFIG GET and SET read and change, the password for instance.
    load_time
        What was fixed when the server started.
    stats
        Told of each operation that has run.
    measures
        Counts how long they take, from when somebody first asks; see `measure`.
    clients
        Those that are connected now, by number.
    commands
        How many have been carried out.
    now
        Gives the time: UNIX, in milliseconds.
    pubsub
        Who listens to what.
    slowlog
        The commands that took long.
    shutdown
        Asks whoever runs the server to stop it.
    order
        In which SCAN goes through the keys.
    monitors
        Who is told of every command.
    pause
        What CLIENT PAUSE holds up.
    tracking
        Who is told of keys that have changed; nobody if `foreign` has the keys.
    meter
        Counts the bytes that values hold. Set when the server starts.
    call
        Carries out a command for a script; see `Call`. Set when the server starts.
    settlement
        Where replies wait until what they tell of is kept. Set when the server starts.
    foreign
        Carries out commands if a Redis has the keys; None if `keyspace` has them.
    """

    keyspace: Keyspace
    plans: Plans
    devices: Devices
    background: Background
    loaders: Workers
    backends: Mapping[str, Backend]
    chunk: int
    backends_path: bytes
    port: int
    uptime: Callable[[], float]
    now: Callable[[], int]
    shutdown: Callable[[], None]
    config: Config = field(default_factory=Config)
    load_time: LoadTime = field(default_factory=LoadTime)
    stats: Stats = field(default_factory=Stats)
    measures: Measures | None = None
    clients: "dict[int, Client]" = field(default_factory=dict)
    commands: int = 0
    pubsub: PubSub = field(default_factory=PubSub)
    monitors: Monitors = field(default_factory=Monitors)
    pause: Pause = field(init=False)
    tracking: Tracking = field(init=False)
    slowlog: Slowlog = field(init=False)
    order: Order = field(init=False)
    meter: Meter = field(init=False)
    call: Call = field(init=False)
    settlement: Settlement = field(init=False)
    foreign: Foreign | None = None

    def __post_init__(self) -> None:
        self.slowlog = Slowlog(self.config, self.now)
        self.order = Order(self.keyspace)
        self.pause = Pause(self.update)
        self.tracking = Tracking(self.keyspace, self.clients)
        Notifications(self.keyspace, self.pubsub, self.config)
        self.background.listeners.append(self._tell_end)

    def measure(self) -> Measures:
        """Give what counts how long operations take; it begins to when this is first called."""
        if self.measures is None:
            self.measures = Measures(since=self.now() / 1000)
            self.stats.listeners.append(self.measures)
        return self.measures

    def update(self) -> None:
        """Have every client find out whether it is free."""
        for client in self.clients.values():
            client.update()

    def _tell_end(self, number: bytes, state: str) -> None:
        """Let who subscribed to a run in the background hear of its end."""
        self.pubsub.publish(b"__aidag@0__:" + number, state.encode())


@dataclass(slots=True, eq=False)
class Transaction:
    """What has been sent since MULTI.

    Attributes
    ----------
    queued
        The commands, as the table declares them, with their words.
    broken
        Whether one could not be queued, so that EXEC refuses all of them.
    size
        Bytes of all their words.
    """

    queued: list[tuple[Any, list[bytes]]] = field(default_factory=list)
    broken: bool = False
    size: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Client:
    """One connection, as commands see it.

    Attributes
    ----------
    services
        What it shares with the others.
    number
        Its id, never used again.
    trusted
        Whether it may use more than AUTH and HELLO.
    link
        Its connection; None for a script, whose calls come from no connection.
    keyspace
        Where the values are that commands read and write, and the only way to them.
    protocol
        The version of RESP that it speaks.
    name
        What CLIENT SETNAME called it; empty if it did not.
    library, library_version
        What CLIENT SETINFO called the program's library.
    leaving
        Set by a command after whose reply the connection is closed.
    atomic
        Whether the command is part of a transaction, or a script's: nothing may happen between its
        begin and its reply, so it must not answer later.
    transaction
        What MULTI has begun, None outside of it.
    watch
        The watch over keys that a transaction rests on.
    subscriber
        What it subscribes to, once it has.
    tracked
        How it is told of keys that have changed; None if it is not.
    monitors
        Whether it is told of every command.
    muted
        Replies that it is not to hear, that of the command at work first; below zero all of them.
    free
        Whether a command is carried out without another look at the above; see `update`.
    """

    services: Services
    number: int
    trusted: bool
    link: Link | None = None
    keyspace: Keyspace = field(init=False)
    protocol: Literal[2, 3] = 2
    name: bytes = b""
    library: bytes = b""
    library_version: bytes = b""
    leaving: bool = False
    atomic: bool = False
    transaction: Transaction | None = None
    watch: Watch | None = None
    subscriber: Subscriber | None = None
    tracked: Tracked | None = None
    monitors: bool = False
    muted: int = 0
    free: bool = field(init=False)

    def __post_init__(self) -> None:
        self.keyspace = self.services.keyspace
        self.update()

    def update(self) -> None:
        """Find out whether the client is `free`: to be called after any change that this depends on."""
        services = self.services
        guarded = self.listens_only or services.meter.limited or services.foreign is not None
        looked_at = services.monitors or services.pause.on or self.tracked is not None
        self.free = self.trusted and self.transaction is None and not (guarded or looked_at)

    @property
    def address(self) -> str:
        """Where it is, ``host:port``; empty for a script."""
        return "" if self.link is None else self.link.address

    @property
    def listens_only(self) -> bool:
        """Whether it subscribes in RESP2, where a reply could be taken for a message."""
        return self.protocol == 2 and self.subscriber is not None and self.subscriber.count > 0

    def gone(self) -> None:
        """Let go of what a connection holds in the server, once it is no more."""
        if self.watch is not None:
            self.watch.end()
        if self.subscriber is not None:
            self.services.pubsub.leave(self.subscriber)
        self.ignore()
        if self.services.foreign is not None:
            self.services.foreign.gone(self)

    def ignore(self) -> None:
        """Tell it no more of keys that have changed, nor of commands."""
        if self.tracked is not None:
            self.services.tracking.remove(self)
            self.tracked = None
        if self.monitors:
            self.monitors = False
            self.services.monitors.remove(self)
            self.services.update()
        self.update()
