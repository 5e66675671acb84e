"""What a command works with: the client that sent it, and the services that all clients share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ._config import Config
from ._devices import Devices, Workers
from ._keyspace import Keyspace
from ._models import Backend
from ._plans import Plans
from ._stats import Stats

__all__ = ["Client", "Services"]


@dataclass(slots=True, kw_only=True)
class Services:
    """One running server, as commands see it.

    Attributes
    ----------
    keyspace
        Where tensors and models live.
    plans
        The plan cache.
    devices
        Where models run.
    loaders
        Threads that load models.
    backends
        By the name that AI.MODELSTORE calls them by, upper case; what is not there cannot be loaded.
    chunk
        Bytes of the pieces in which AI.MODELGET gives a blob.
    port
        Where it listens.
    uptime
        Gives the seconds since the start.
    config
        What CONFIG GET and SET read and change, the password for instance.
    stats
        Told of each operation that has run.
    clients
        Those that are connected now, by number.
    commands
        How many have been carried out.
    """

    keyspace: Keyspace
    plans: Plans
    devices: Devices
    loaders: Workers
    backends: Mapping[str, Backend]
    chunk: int
    port: int
    uptime: Callable[[], float]
    config: Config = field(default_factory=Config)
    stats: Stats = field(default_factory=Stats)
    clients: "dict[int, Client]" = field(default_factory=dict)
    commands: int = 0


@dataclass(slots=True, kw_only=True)
class Client:
    """One connection, as commands see it.

    Attributes
    ----------
    number
        Its id, never used again.
    name
        What CLIENT SETNAME called it; empty if it did not.
    trusted
        Whether it may use more than AUTH and HELLO.
    leaving
        Set by a command after whose reply the connection is closed.
    """

    services: Services
    number: int
    trusted: bool
    name: bytes = b""
    leaving: bool = False
