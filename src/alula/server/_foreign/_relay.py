"""What a client says and hears about channels, handed on by a connection of its own to Redis."""

from functools import partial

from .._client import Client
from .._later import Later
from .._resp import Raw, Reply, Several
from ._link import Link
from ._pool import Pool

__all__ = ["SUBSCRIPTIONS", "Relays"]

SUBSCRIPTIONS = {"PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUBSCRIBE", "SUNSUBSCRIBE", "UNSUBSCRIBE"}
"""Commands that change what a connection hears."""


class Relays:
    """The connections of clients that have subscribed to something.

    Parameters
    ----------
    pool
        Opens them.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._links = dict[Client, Link]()

    def carry_out(self, client: Client, words: list[bytes]) -> Reply | Later:
        """Hand on a command about subscriptions; its replies come by the relay, as do the messages."""
        link = self._links.get(client)
        if link is None:
            link = self._links[client] = self._pool.own(client.protocol)
            link.relay(partial(self._told, client))
        link.say(words)
        return Several(())

    def end(self, client: Client) -> None:
        """Close the connection of a client, if it has one."""
        link = self._links.pop(client, None)
        if link is not None:
            self._pool.drop(link)

    def _told(self, client: Client, message: bytes) -> None:
        assert client.link is not None
        if message:
            client.link.push(Raw(message))
        elif self._links.pop(client, None) is not None:
            client.link.abort()  # it would wait for messages that never come
