"""The server: it joins the parts, owns their lives, and takes models from outside."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from .._core._clock import SYSTEM, Clock
from ..errors import CommandError, MissingExtraError, SettingError, StoreUnavailableError
from ._backends import BACKENDS_PATH, make_backends
from ._background import Background
from ._client import Client, Services
from ._commands import call
from ._config import Config
from ._connection import Connection
from ._devices import Devices
from ._foreign import RedisBehind, RedisKeyspace
from ._keyspace import Keyspace, MemoryKeyspace
from ._listen import Listeners
from ._load_time import AS_REDISAI, LoadTime, check_range
from ._meter import Meter
from ._metrics import Metrics, expose
from ._models import Backend, Model
from ._plans import Plans
from ._reach import ServerReach
from ._revive import load
from ._settlement import Settlement
from ._stats import Stats
from ._store import BACKENDS, Given, check_device
from ._sweeper import Sweeper
from ._workers import Workers

__all__ = ["Server"]

_T = TypeVar("_T")

_PATIENCE: Final = 60.0  # seconds that who deploys waits for a Redis that has the keys
_BEAT: Final = 0.1  # seconds from one look for expired keys to the next

_log = logging.getLogger("alula.server")


class Server:
    """A tensor server that speaks RESP; see `serve` for a process of its own.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes any free one. By default as the configuration says.
    password
        What clients must say first; None lets everybody in who can reach the port.
    load_time
        How much runs at once, and how much a run may take.
    config
        What CONFIG GET and SET read and change; host, port and password go there. By default as Redis has it.
    listening
        Sockets that listen already, in place of host and port; the server closes them in the end.
    metrics_port
        Where numbers are given to Prometheus, at the first of the addresses; 0 takes any free port, None
        gives them nowhere.
    keyspace
        Where tensors and models live; in memory by default.
    backends
        What loads models, by the name that AI.MODELSTORE calls it by; ONNX and TORCH by default, each
        imported when it is first needed.
    clock
        By which timeouts are measured.

    Attributes
    ----------
    asked
        Set when a client has sent SHUTDOWN; whoever runs the server waits for it and then stops.

    Raises
    ------
    SettingError
        If the port is none.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        password: str | None = None,
        load_time: LoadTime = AS_REDISAI,
        config: Config | None = None,
        listening: Sequence[socket.socket] = (),
        metrics_port: int | None = None,
        keyspace: Keyspace | None = None,
        backends: Mapping[str, Backend] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        config = Config() if config is None else config
        config.bind, config.port = host or config.bind, config.port if port is None else port
        check_range("port", config.port, least=0, most=65535)
        self._load_time = load_time
        self._config, self._clock, self._given = config, clock, listening
        if password is not None:
            self._config.requirepass = password
        self._keyspace = MemoryKeyspace(clock) if keyspace is None else keyspace
        if isinstance(self._keyspace, RedisKeyspace):
            self._keyspace.check(config)
        reach = ServerReach(lambda: self._services, self._ask)
        self._backends = make_backends(load_time, reach) if backends is None else backends
        self._load = partial(load, backends=self._backends)
        self._keyspace.start(self._load)
        self._behind: RedisBehind | None = None  # what has the keys, if the keyspace says that it does not
        self._early: dict[bytes, Model | None] = {}  # deployed before it could be reached
        self._connections: set[Connection] = set()
        config.watchers.append(self._configured)
        self._numbers = 0
        self._loop: asyncio.AbstractEventLoop | None = None  # set when it has started
        self._over = False  # it has begun to stop
        self._waiting: set[Future[Any]] = set()  # for steps that other threads asked for
        self._lock = threading.Lock()  # guards the three above
        self._services: Services
        self._listeners = Listeners(config)
        self._sweeper = Sweeper(self._connections, config, clock)
        self._metrics_port = metrics_port
        self._metrics: Metrics | None = None
        self._beat: asyncio.TimerHandle  # at which expired keys are removed
        self._empty: asyncio.Event
        self.asked = asyncio.Event()

    @property
    def port(self) -> int:
        """Where it listens; of port 0, the one it was given, once it has started."""
        return self._listeners.port

    @property
    def metrics_port(self) -> int | None:
        """Where its numbers are, once it has started; None if they are nowhere."""
        return self._metrics_port if self._metrics is None else self._metrics.port

    # ----------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Listen and serve on the running loop; returns when clients can connect.

        Raises
        ------
        SettingError
            If nobody can listen there: the port is taken, or the host is not this machine.
        StoreUnavailableError
            If a Redis is to keep the keys, and cannot be reached.
        """
        loop = asyncio.get_running_loop()
        self._empty = asyncio.Event()
        self._services = self._make_services(loop)  # a client may be there as soon as anyone listens
        try:
            if self._behind is not None:
                await self._begin_behind(self._behind)
            if self._metrics_port is not None:
                host = self._config.bind.split()[0]
                self._metrics = expose(self._services, loop, host, self._metrics_port)
            await self._listeners.start(self._connected, self._given)
        except (SettingError, MissingExtraError, StoreUnavailableError, CommandError):
            self._close_metrics()
            self._close_keys()
            raise
        self._services.port = self._config.port = self.port
        self._sweeper.start()
        config = self._config
        guarded = config.requirepass or config.protected_mode
        if not guarded and set(config.bind.split()) - {"127.0.0.1", "::1", "localhost"}:
            _log.warning("%s:%s takes commands from everybody: no password is set", config.bind, self.port)
        with self._lock:
            self._loop = loop
        self._beat = loop.call_later(_BEAT, self._reap, loop)

    async def _begin_behind(self, behind: RedisBehind) -> None:
        """See that the keys can be reached, and put there what was deployed."""
        await behind.open()
        for key, model in self._early.items():
            await behind.put(key, model)

    def _close_keys(self) -> None:
        if self._behind is not None:
            self._behind.close()
        self._keyspace.close()

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        """Remove what has expired, again and again."""
        self._beat = loop.call_later(_BEAT, self._reap, loop)
        self._keyspace.reap()
        self._services.settlement.now()

    def _make_services(self, loop: asyncio.AbstractEventLoop) -> Services:
        start = self._clock.monotonic()
        stats, settlement = Stats(), Settlement(loop, self._keyspace)
        path = self._load_time.backends_path or BACKENDS_PATH
        devices = Devices(
            loop,
            slots=self._load_time.threads_per_queue,
            width=self._load_time.width,
            clock=self._clock,
            config=self._config,
            stats=stats,
        )
        services = Services(
            keyspace=self._keyspace,
            plans=Plans(),
            devices=devices,
            background=Background(loop, devices, self._config, settlement.keep),
            stats=stats,
            loaders=Workers(loop, limit=1, name="alula-load"),
            backends=self._backends,
            chunk=self._load_time.model_chunk_size,
            backends_path=path.encode(errors="surrogateescape"),
            config=self._config,
            load_time=self._load_time,
            port=self.port,
            uptime=lambda: self._clock.monotonic() - start,
            now=lambda: int(self._clock.time() * 1000),
            shutdown=self.asked.set,
        )
        services.call = partial(call, services, self._ask)
        services.settlement = settlement
        services.meter = Meter(self._keyspace, self._config, services.update)
        services.devices.device("CPU")  # it is there from the start, others when something is stored for them
        if isinstance(self._keyspace, RedisKeyspace):
            self._behind = services.foreign = RedisBehind(loop, services, self._keyspace, self._load)
        return services

    async def stop(self, grace: float = 5.0) -> None:
        """Listen no more, let commands that run have their replies, then close everything.

        Parameters
        ----------
        grace
            Seconds after which connections are closed whatever they wait for.
        """
        with self._lock:
            self._over = True
            waiting, self._waiting = self._waiting, set()
        for asked in waiting:
            asked.set_exception(_not_running())
        self._listeners.close()
        self._services.pause.end()
        self._services.background.close()
        self._sweeper.stop()
        self._services.meter.close()
        self._close_metrics()
        self._beat.cancel()
        for connection in list(self._connections):
            connection.leave()
        if self._connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), grace)
        for connection in list(self._connections):
            connection.abort()
        await self._listeners.wait_closed()
        self._close_keys()
        self._services.loaders.close(timeout=0.1)
        self._services.devices.close(timeout=0.1)

    @property
    def stuck(self) -> bool:
        """Whether, after `stop`, a run goes on that nothing can end: a script without end, for instance.

        Python cannot end orderly then, as the run's thread cannot: it aborts, whatever its exit status
        was to be. A process that is there for the server alone leaves by `os._exit`.
        """
        return self._services.devices.stuck

    def _close_metrics(self) -> None:
        if self._metrics is not None:
            self._metrics.close()

    # -------------------------------------------------------------------------------- connections

    def _connected(self) -> Connection:
        self._numbers += 1
        trusted = not self._config.requirepass
        client = Client(services=self._services, number=self._numbers, trusted=trusted)
        connection = Connection(client, self._lost)
        self._connections.add(connection)
        return connection

    def _configured(self, changed: frozenset[str]) -> None:
        if changed & {"proto_max_bulk_len", "client_query_buffer_limit"}:
            for connection in self._connections:
                connection.relimit()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    # ------------------------------------------------------------------------ models from outside

    def deploy(
        self, name: str, blob: bytes, *, backend: str = "ONNX", device: str = "CPU", tag: str = ""
    ) -> None:
        """Load a model and put it under a key, in place of the one that is there; from any thread.

        Clients see the old model or the new one, and runs that have begun keep theirs. The model is
        loaded on the calling thread. Before `start` it is there for the first client.

        Parameters
        ----------
        name
            The key.
        blob
            The model's file.
        backend
            ``ONNX`` or ``TORCH``.
        device
            ``CPU``, ``GPU``, or one of them with a number: ``GPU:1``.
        tag
            Anything; a version, for instance.

        Raises
        ------
        CommandError
            If the backend or the device is unknown, the blob cannot be loaded, the key holds a tensor,
            it cannot be kept, or the server stopped meanwhile; the text is the reply that AI.MODELSTORE
            would give.
        """
        if backend.upper() not in BACKENDS:
            raise CommandError("ERR unsupported backend")
        check_device(device.encode())
        given = Given(backend=backend.upper(), device=device.encode(), tag=tag.encode(), blob=blob)
        model = given.model(given.load(self._backends))
        self._place(name.encode(), model)

    def undeploy(self, name: str) -> None:
        """Remove a model, if it is there; runs that have begun keep it. From any thread."""
        self._place(name.encode(), None)

    def _place(self, key: bytes, model: Model | None) -> None:
        """Put a model under a key, or remove the one that is there, wherever the keys are."""
        if not isinstance(self._keyspace, RedisKeyspace):
            self._ask(partial(self._remove, key) if model is None else partial(self._put, key, model))
            return
        with self._lock:
            if self._over:
                raise _not_running()
            if self._loop is None or self._behind is None:
                self._early[key] = model
                return
        placed = asyncio.run_coroutine_threadsafe(self._behind.put(key, model), self._loop)
        if not _is_here(self._loop):
            placed.result(_PATIENCE)

    def _put(self, key: bytes, model: Model) -> None:
        self._keyspace.write({key: model})
        self._settle()

    def _remove(self, key: bytes) -> None:
        if isinstance(self._keyspace.read(key), Model):
            self._keyspace.delete([key])
            self._settle()

    def _settle(self) -> None:
        """Have what was changed kept, beside what clients have changed."""
        self._keyspace.touched = False
        if self._loop is None:
            self._keyspace.settle()
        elif error := self._services.settlement.now():
            raise error

    def _ask(self, step: Callable[[], _T]) -> _T:
        """Take a step on the server's thread and give its end: nobody else touches the keyspace."""
        with self._lock:
            if self._over:
                raise _not_running()
            if self._loop is None or _is_here(self._loop):
                return step()
            asked: Future[_T] = Future()
            self._waiting.add(asked)
            self._loop.call_soon_threadsafe(self._take, step, asked)
        return asked.result()

    def _take(self, step: Callable[[], _T], asked: "Future[_T]") -> None:
        with self._lock:
            if asked not in self._waiting:
                return
            self._waiting.remove(asked)
        try:
            asked.set_result(step())
        except Exception as error:  # it belongs to the thread that asked
            asked.set_exception(error)


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether this is the thread on which a loop runs."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _not_running() -> CommandError:
    return CommandError("ERR the server has stopped")
