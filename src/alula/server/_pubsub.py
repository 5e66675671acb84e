"""Channels: who listens to which, and messages to all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ._glob import matcher
from ._resp import Push

__all__ = ["PubSub", "Subscriber"]


@dataclass(slots=True, eq=False)
class Subscriber:
    """A client that subscribes, and to what.

    Attributes
    ----------
    push
        Sends it a message.
    channels, patterns
        Its subscriptions, in their order; `PubSub` keeps them.
    """

    push: Callable[[Push], None]
    channels: dict[bytes, None] = field(default_factory=dict)
    patterns: dict[bytes, None] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many subscriptions it has."""
        return len(self.channels) + len(self.patterns)


@dataclass(slots=True)
class _Pattern:
    matches: Callable[[bytes], bool]
    listeners: dict[Subscriber, None] = field(default_factory=dict)


@dataclass(slots=True)
class PubSub:
    """The subscriptions of all clients."""

    _channels: dict[bytes, dict[Subscriber, None]] = field(default_factory=dict)
    _patterns: dict[bytes, _Pattern] = field(default_factory=dict)

    def subscribe(self, subscriber: Subscriber, channel: bytes) -> None:
        """Let somebody have what is published on a channel."""
        subscriber.channels[channel] = None
        self._channels.setdefault(channel, {})[subscriber] = None

    def unsubscribe(self, subscriber: Subscriber, channel: bytes) -> None:
        """Let it have that no more, if it had."""
        if channel in subscriber.channels:
            del subscriber.channels[channel]
            _drop(self._channels, channel, self._channels[channel], subscriber)

    def psubscribe(self, subscriber: Subscriber, pattern: bytes) -> None:
        """Let somebody have what is published on any channel whose name matches a pattern."""
        subscriber.patterns[pattern] = None
        if pattern not in self._patterns:
            self._patterns[pattern] = _Pattern(matcher(pattern))
        self._patterns[pattern].listeners[subscriber] = None

    def punsubscribe(self, subscriber: Subscriber, pattern: bytes) -> None:
        """Let it have that no more, if it had."""
        if pattern in subscriber.patterns:
            del subscriber.patterns[pattern]
            _drop(self._patterns, pattern, self._patterns[pattern].listeners, subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """End all subscriptions of somebody."""
        for channel in list(subscriber.channels):
            self.unsubscribe(subscriber, channel)
        for pattern in list(subscriber.patterns):
            self.punsubscribe(subscriber, pattern)

    def publish(self, channel: bytes, message: bytes) -> int:
        """Send a message to all who listen to a channel; give how often it was sent."""
        sent = [(each, Push((b"message", channel, message))) for each in self._channels.get(channel, ())]
        for name, pattern in self._patterns.items():
            if pattern.matches(channel):
                found = Push((b"pmessage", name, channel, message))
                sent += [(each, found) for each in pattern.listeners]
        for subscriber, each in sent:
            subscriber.push(each)
        return len(sent)

    def channels(self) -> list[bytes]:
        """Give the channels that somebody listens to, patterns apart."""
        return list(self._channels)

    def listeners(self, channel: bytes) -> int:
        """Give how many listen to a channel, patterns apart."""
        return len(self._channels.get(channel, ()))

    @property
    def patterns(self) -> int:
        """How many different patterns somebody listens to."""
        return len(self._patterns)


def _drop(
    table: dict[bytes, Any], name: bytes, listeners: dict[Subscriber, None], subscriber: Subscriber
) -> None:
    """Remove one who listens, and the entry if it was the last."""
    del listeners[subscriber]
    if not listeners:
        del table[name]
