"""Lists."""

from collections.abc import Callable
from functools import partial
from itertools import islice

from ...errors import CommandError
from .._client import Client
from .._keyspace import ListValue, as_list
from .._resp import NO_ARRAY, Reply
from .._words import number
from ._table import plain

__all__ = ["COMMANDS"]


def _pusher(event: str, *, there: bool = False) -> Callable[[Client, list[bytes]], Reply]:
    """Make LPUSH or RPUSH, whose event has the same name; or their kin for a list that is `there`."""
    left = event == "lpush"

    def run(client: Client, words: list[bytes]) -> Reply:
        keyspace, key = client.keyspace, words[1]
        items = as_list(keyspace.read(key))
        if items is None and there:
            return 0
        if items is None:
            items = ListValue(reversed(words[2:]) if left else words[2:])
            keyspace.put(key, items, event=event)
        else:
            items.extendleft(words[2:]) if left else items.extend(words[2:])
            keyspace.changed(key, event)
        return len(items)

    return run


def _popper(event: str) -> Callable[[Client, list[bytes]], Reply]:
    """Make LPOP or RPOP; the event has the same name."""
    left = event == "lpop"

    def run(client: Client, words: list[bytes]) -> Reply:
        keyspace, key = client.keyspace, words[1]
        count = _count(words[2]) if len(words) == 3 else None
        items = as_list(keyspace.read(key))
        if items is None:
            return None if count is None else NO_ARRAY
        if count == 0:
            return []
        pop = items.popleft if left else items.pop
        popped: list[Reply] = [pop() for _ in range(min(len(items), 1 if count is None else count))]
        keyspace.changed(key, event)
        return popped[0] if count is None else popped

    return run


def _count(word: bytes) -> int:
    try:
        count = number(word)
    except CommandError as error:
        raise CommandError("ERR value is out of range, must be positive") from error
    if count < 0:
        raise CommandError("ERR value is out of range, must be positive")
    return count


def _range(client: Client, words: list[bytes]) -> Reply:
    start, stop = number(words[2]), number(words[3])
    items = as_list(client.keyspace.read(words[1])) or ListValue()
    start = max(0, start + len(items)) if start < 0 else start
    stop = stop + len(items) if stop < 0 else stop
    return list(islice(items, start, max(start, min(stop, len(items)) + 1)) if start < len(items) else ())


def _length(client: Client, words: list[bytes]) -> Reply:
    return len(as_list(client.keyspace.read(words[1])) or ())


_command = partial(plain, "list")


COMMANDS = (
    _command("LPUSH", _pusher("lpush"), 3, None, ("write", "denyoom", "fast")),
    _command("RPUSH", _pusher("rpush"), 3, None, ("write", "denyoom", "fast")),
    _command("LPUSHX", _pusher("lpush", there=True), 3, None, ("write", "denyoom", "fast")),
    _command("RPUSHX", _pusher("rpush", there=True), 3, None, ("write", "denyoom", "fast")),
    _command("LPOP", _popper("lpop"), 2, 3, ("write", "fast")),
    _command("RPOP", _popper("rpop"), 2, 3, ("write", "fast")),
    _command("LRANGE", _range, 4, 4, ("readonly",)),
    _command("LLEN", _length, 2, 2, ("readonly", "fast")),
)
