"""CLIENT TRACKING: who keeps copies of values on their side is told when those are good no more.

By default the server remembers which keys a client has read, and tells it once of each that changes; with
BCAST it remembers nothing, and tells of all keys that begin with one of the client's prefixes. Only
keys that are in this process are looked after.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ._keyspace import Keyspace
from ._pubsub import Subscriber
from ._resp import Push, Reply

__all__ = ["Tracked", "Tracking"]

_MOST: Final = 1_000_000  # keys that are remembered; beyond it, any one is told of and forgotten
_CHANNEL: Final = b"__redis__:invalidate"


@dataclass(slots=True, kw_only=True)
class Tracked:
    """How a client wants to be told.

    Attributes
    ----------
    redirect
        The number of the client that is told in its place; 0 is none.
    bcast
        Whether it is told of all keys that begin with one of `prefixes`.
    prefixes
        Those; the empty one is any key.
    optin
        Whether only what is read right after CLIENT CACHING YES is remembered.
    optout
        Whether what is read right after CLIENT CACHING NO is not.
    noloop
        Whether it is not told of what it changes itself.
    caching
        Whether CLIENT CACHING was the command before.
    broken
        Whether there was once no client to redirect to.
    """

    redirect: int = 0
    bcast: bool = False
    prefixes: dict[bytes, None] = field(default_factory=dict)
    optin: bool = False
    optout: bool = False
    noloop: bool = False
    caching: bool = False
    broken: bool = False

    @property
    def remembers(self) -> bool:
        """Whether the keys of the next command that reads are to be remembered."""
        return not self.bcast and self.caching is self.optin


class _Link(Protocol):
    def push(self, message: Reply) -> None: ...


class _Client(Protocol):
    """What is needed of a client."""

    @property
    def number(self) -> int: ...

    @property
    def protocol(self) -> int: ...

    @property
    def link(self) -> _Link | None: ...

    @property
    def subscriber(self) -> Subscriber | None: ...

    @property
    def tracked(self) -> Tracked | None: ...


class Tracking:
    """Tells clients of keys that have changed.

    Parameters
    ----------
    keyspace
        Which it listens to while anybody is to be told.
    clients
        All that are connected, by number.

    Attributes
    ----------
    acting
        Whose command is being carried out, if that client is one of those to be told.
    """

    def __init__(self, keyspace: Keyspace, clients: Mapping[int, _Client]) -> None:
        self._keyspace, self._clients = keyspace, clients
        self._told: dict[int, _Client] = {}
        self._readers: dict[bytes, set[int]] = {}
        self._news: list[
            tuple[Sequence[bytes], _Client | None]
        ] = []  # for those with BCAST, at the end of a turn
        self.acting: _Client | None = None

    def add(self, client: _Client) -> None:
        """Tell a client from now on, as its `Tracked` says."""
        if not self._told:
            self._keyspace.listen(self._heard)
        self._told[client.number] = client

    def remove(self, client: _Client) -> None:
        """Tell it no more; what it has read is forgotten when that changes."""
        if self._told.pop(client.number, None) is not None and not self._told:
            self._keyspace.unlisten(self._heard)
            self._readers.clear()

    def remember(self, client: _Client, keys: Iterable[bytes]) -> None:
        """Take down that a client reads some keys."""
        for key in keys:
            self._readers.setdefault(key, set()).add(client.number)
        while len(self._readers) > _MOST:
            self._invalidate(next(iter(self._readers)))

    # -------------------------------------------------------------------------------------- changes

    def _heard(self, event: str, keys: Sequence[bytes]) -> None:
        if event == "flush":
            self._readers.clear()
            for client in list(self._told.values()):
                self._send(client, None)
            return
        for key in keys:
            self._invalidate(key)
        if any(client.tracked is not None and client.tracked.bcast for client in self._told.values()):
            if not self._news:
                asyncio.get_running_loop().call_soon(self._broadcast)
            self._news.append((keys, self.acting))

    def _invalidate(self, key: bytes) -> None:
        """Tell those who have read a key, each of them once."""
        for number in self._readers.pop(key, ()):
            client = self._told.get(number)
            tracked = None if client is None else client.tracked
            if client is None or tracked is None or tracked.bcast:
                continue
            if not (tracked.noloop and client is self.acting):
                self._send(client, [key])

    def _broadcast(self) -> None:
        news, self._news = self._news, []
        for client in list(self._told.values()):
            tracked = client.tracked
            if tracked is None or not tracked.bcast:
                continue
            changed = {key for keys, by in news for key in keys if not (tracked.noloop and by is client)}
            for prefix in tracked.prefixes:
                if found := sorted(key for key in changed if key.startswith(prefix)):
                    self._send(client, found)

    # ------------------------------------------------------------------------------------- messages

    def _send(self, client: _Client, keys: Sequence[bytes] | None) -> None:
        """Tell a client, or who hears it in its place, of keys that have changed; None is all of them."""
        tracked = client.tracked
        assert tracked is not None
        to: _Client | None = self._clients.get(tracked.redirect) if tracked.redirect else client
        named: Reply = None if keys is None else list(keys)
        if to is None:
            tracked.broken = True
            self._push(client, Push((b"tracking-redir-broken", tracked.redirect)), only=3)
        elif to.protocol == 3:
            self._push(to, Push((b"invalidate", named)))
        elif tracked.redirect and to.subscriber is not None and to.subscriber.count:
            self._push(to, Push((b"message", _CHANNEL, named)))

    def _push(self, client: _Client, message: Push, *, only: int = 0) -> None:
        """Send a message: to who is being served behind its reply."""
        if client.link is None or (only and client.protocol != only):
            return
        if client is self.acting:
            asyncio.get_running_loop().call_soon(client.link.push, message)
        else:
            client.link.push(message)
