"""Publishing messages, and subscribing to them."""

from collections.abc import Callable
from typing import Final

from .._client import Client
from .._glob import matcher
from .._pubsub import PubSub, Subscriber
from .._resp import Push, Reply, Several
from .._words import subcommand_error
from ._table import Command, container

__all__ = ["COMMANDS"]

_Change = Callable[[PubSub, Subscriber, bytes], None]


def _subscriber(client: Client) -> Subscriber:
    if client.subscriber is None:
        assert client.link is not None
        client.subscriber = Subscriber(client.link.push)
    return client.subscriber


def _subscribe(name: bytes, change: _Change) -> Callable[[Client, list[bytes]], Reply]:
    """Make SUBSCRIBE or PSUBSCRIBE: a message for each word says how many subscriptions there are then."""

    def run(client: Client, words: list[bytes]) -> Reply:
        subscriber = _subscriber(client)
        replies: list[Push] = []
        for word in words[1:]:
            change(client.services.pubsub, subscriber, word)
            replies.append(Push((name, word, subscriber.count)))
        client.update()
        return Several(tuple(replies))

    return run


def _unsubscribe(
    name: bytes, change: _Change, all_of: Callable[[Subscriber], list[bytes]]
) -> Callable[[Client, list[bytes]], Reply]:
    """Make UNSUBSCRIBE or PUNSUBSCRIBE: the same, and without a word it is about all of them."""

    def run(client: Client, words: list[bytes]) -> Reply:
        subscriber = _subscriber(client)
        replies: list[Push] = []
        for word in words[1:] or all_of(subscriber):
            change(client.services.pubsub, subscriber, word)
            replies.append(Push((name, word, subscriber.count)))
        client.update()
        return Several(tuple(replies) or (Push((name, None, subscriber.count)),))

    return run


def _publish(client: Client, words: list[bytes]) -> Reply:
    return client.services.pubsub.publish(words[1], words[2])


# ---------------------------------------------------------------------------------------- PUBSUB


def _channels(client: Client, words: list[bytes]) -> Reply:
    if len(words) > 3:
        raise subcommand_error(words)
    matches = matcher(words[2] if len(words) == 3 else b"*")
    return [channel for channel in client.services.pubsub.channels() if matches(channel)]


def _numsub(client: Client, words: list[bytes]) -> Reply:
    pubsub = client.services.pubsub
    return [each for word in words[2:] for each in (word, pubsub.listeners(word))]


def _numpat(client: Client, words: list[bytes]) -> Reply:
    return client.services.pubsub.patterns


_FLAGS: Final = ("pubsub", "noscript", "loading", "stale")
_ASKS: Final = ("pubsub", "loading", "stale")


def _command(name: str, run: Callable[[Client, list[bytes]], Reply], least: int) -> Command:
    return Command(name=name, run=run, least=least, flags=_FLAGS, group="pubsub")


COMMANDS = (
    _command("SUBSCRIBE", _subscribe(b"subscribe", PubSub.subscribe), 2),
    _command("PSUBSCRIBE", _subscribe(b"psubscribe", PubSub.psubscribe), 2),
    _command(
        "UNSUBSCRIBE",
        _unsubscribe(b"unsubscribe", PubSub.unsubscribe, lambda subscriber: list(subscriber.channels)),
        1,
    ),
    _command(
        "PUNSUBSCRIBE",
        _unsubscribe(b"punsubscribe", PubSub.punsubscribe, lambda subscriber: list(subscriber.patterns)),
        1,
    ),
    Command(name="PUBLISH", run=_publish, least=3, most=3, flags=(*_ASKS, "fast"), group="pubsub"),
    container(
        "PUBSUB",
        Command(name="CHANNELS", run=_channels, least=2, flags=_ASKS),
        Command(name="NUMSUB", run=_numsub, least=2, flags=_ASKS),
        Command(name="NUMPAT", run=_numpat, least=2, most=2, flags=_ASKS),
        group="pubsub",
    ),
)
