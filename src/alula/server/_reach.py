"""How scripts reach the server that they run in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._client import Client, Services
from ._keyspace import as_model
from ._models import Session
from ._resp import Reply

__all__ = ["ServerReach"]


@dataclass(frozen=True, slots=True)
class ServerReach:
    """Takes the calls of scripts to the server's thread; see `Reach`.

    Attributes
    ----------
    services
        Gives the server's services; asked only while it runs.
    ask
        Takes a step on the server's thread and gives what it gave.
    """

    services: Callable[[], Services]
    ask: Callable[[Callable[[], Any]], Any]

    def call(self, words: list[bytes], *, readonly: bool) -> Reply:
        """Carry out a command that does not block; see `Reach`."""
        return self.services().call(words, readonly=readonly)

    def session(self, key: bytes) -> Session:
        """Give the loaded model under a key; see `Reach`."""
        services = self.services()
        if services.foreign is not None:
            return as_model(services.foreign.read(key)).session
        found: Session = self.ask(lambda: self._session(key))
        return found

    def _session(self, key: bytes) -> Session:
        client = Client(services=self.services(), number=0, trusted=True, atomic=True)
        return as_model(client.keyspace.read(key)).session
