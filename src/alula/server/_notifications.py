"""Keyspace notifications: what happens to keys, told on channels to whoever subscribed to them.

Which classes of events are told says ``notify-keyspace-events``. While it is empty nobody listens to
the keyspace.
"""

from collections.abc import Sequence
from typing import Final

from ._config import Config
from ._keyspace import Keyspace
from ._pubsub import PubSub

__all__ = ["Notifications"]

_CLASSES: Final = {
    "$": ("set", "append", "incrby", "incrbyfloat", "setrange"),
    "d": ("tensorset", "modelstore", "scriptstore"),
    "g": ("del", "expire", "persist", "rename_from", "rename_to", "restore", "copy_to"),
    "h": ("hset", "hdel", "hincrby", "hincrbyfloat"),
    "l": ("lpush", "rpush", "lpop", "rpop", "linsert", "lset", "lrem", "ltrim"),
    "s": ("sadd", "srem", "spop", "sinterstore", "sunionstore", "sdiffstore"),
    "x": ("expired",),
}
_CLASS_OF: Final = {event: letter for letter, events in _CLASSES.items() for event in events}
_ALL: Final = "g$lshzxetd"  # what A stands for


class Notifications:
    """Listens to a keyspace as long as any class of events is to be told.

    Parameters
    ----------
    keyspace
        Whose events are told.
    pubsub
        To whom.
    config
        Which says what; it is watched.
    """

    def __init__(self, keyspace: Keyspace, pubsub: PubSub, config: Config) -> None:
        self._keyspace, self._pubsub, self._config = keyspace, pubsub, config
        self._letters: frozenset[str] = frozenset()
        config.watchers.append(self._configured)
        self._configured(frozenset({"notify_keyspace_events"}))

    def _configured(self, changed: frozenset[str]) -> None:
        if "notify_keyspace_events" not in changed:
            return
        letters = frozenset(self._config.notify_keyspace_events.replace("A", _ALL))
        before, now = bool(self._letters & {"K", "E"}), bool(letters & {"K", "E"})
        self._letters = letters
        if now and not before:
            self._keyspace.listen(self._heard)
        elif before and not now:
            self._keyspace.unlisten(self._heard)

    def _heard(self, event: str, keys: Sequence[bytes]) -> None:
        if _CLASS_OF.get(event) not in self._letters:
            return
        name = event.encode()
        for key in keys:
            if "K" in self._letters:
                self._pubsub.publish(b"__keyspace@0__:" + key, name)
            if "E" in self._letters:
                self._pubsub.publish(b"__keyevent@0__:" + name, key)
