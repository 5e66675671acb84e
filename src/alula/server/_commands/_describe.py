"""COMMAND, by which clients ask what commands there are, and which of their words are keys."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._glob import matcher
from .._resp import Reply, Unordered
from .._words import said, shown
from ._table import Command, container

__all__ = ["table"]


def table(*commands: Command) -> Mapping[bytes, Command]:
    """Give the table of some commands and of COMMAND, which tells of all of them, by their names."""
    found: dict[bytes, Command] = {}

    def part(
        name: str, run: Callable[[Mapping[bytes, Command], list[bytes]], Reply], least: int, most: int | None
    ) -> Command:
        def handler(client: Client, words: list[bytes]) -> Reply:
            return run(found, words)

        return Command(name=name, run=handler, least=least, most=most, flags=_FLAGS)

    parts = (
        part("COUNT", _count, 2, 2),
        part("INFO", _info, 2, None),
        part("LIST", _list, 2, None),
        part("DOCS", _docs, 2, None),
        part("GETKEYS", _getkeys, 4, None),
    )
    described = container("COMMAND", *parts, flags=_FLAGS, alone=lambda client, words: _info(found, []))
    found |= {command.name.encode(): command for command in (*commands, described)}
    return found


def _count(found: Mapping[bytes, Command], words: list[bytes]) -> Reply:
    return len(found)


def _info(found: Mapping[bytes, Command], words: list[bytes]) -> Reply:
    return [_entry(command) for command in _named(found, words[2:])]


def _named(found: Mapping[bytes, Command], names: Iterable[bytes]) -> list[Command | None]:
    """Give commands by their names, ``config|get`` as well; all of them if there are no names."""
    asked = [name.upper().partition(b"|") for name in names]
    if not asked:
        return list(found.values())
    commands = [(found.get(name), bar, part) for name, bar, part in asked]
    return [command.parts.get(part) if bar and command else command for command, bar, part in commands]


def _entry(command: Command | None) -> Reply:
    if command is None:
        return None
    categories = Unordered(tuple(f"@{name}" for name in _categories(command)))
    parts: list[Reply] = [_entry(part) for part in command.parts.values()]
    name: Reply = command.name.lower().encode()
    flags = Unordered(command.flags)
    return [name, command.arity, flags, *command.keys, categories, [], [], parts]


_ORDER: Final = (
    "keyspace", "read", "write", "set", "list", "hash", "string", "pubsub", "admin", "fast", "slow",
    "dangerous", "connection", "transaction", "scripting",
)  # fmt: skip
_OF_GROUP: Final = {"generic": "keyspace", "transactions": "transaction"}
_ALSO: Final = {
    "COMMAND": ("connection",),
    "DBSIZE": ("keyspace",),
    "FLUSHALL": ("keyspace", "dangerous"),
    "FLUSHDB": ("keyspace", "dangerous"),
    "INFO": ("dangerous",),
    "KEYS": ("dangerous",),
    "LASTSAVE": ("admin", "dangerous"),
    "RESTORE": ("dangerous",),
    "ROLE": ("admin", "dangerous"),
    "SWAPDB": ("keyspace", "dangerous"),
    "WAIT": ("connection",),
}


def _categories(command: Command) -> list[str]:
    """Give the access categories of a command, in Redis' order."""
    found = {*command.flags, *_ALSO.get(command.name.partition("|")[0], ())}
    if not (command.parts or "connection" in found):
        found.add(_OF_GROUP.get(command.group, command.group))
    if "readonly" in command.flags and command.group != "scripting":
        found.add("read")
    if "fast" not in found:
        found.add("slow")
    if "admin" in found:
        found.add("dangerous")
    return [name for name in _ORDER if name in found]


def _list(found: Mapping[bytes, Command], words: list[bytes]) -> Reply:
    if len(words) == 2:
        return _names(found.values())
    if len(words) != 5 or said(words, 2) != b"FILTERBY":
        raise CommandError("ERR syntax error")
    match said(words, 3):
        case b"PATTERN":
            matches = matcher(words[4].lower())
            return _names(each for each in found.values() if matches(each.name.lower().encode()))
        case b"ACLCAT":
            return _names(each for each in found.values() if shown(words[4]).lower() in _categories(each))
        case b"MODULE":
            return _names(each for each in found.values() if each.group == "module" and words[4] == b"ai")
        case _:
            raise CommandError("ERR syntax error")


def _names(commands: Iterable[Command]) -> Reply:
    return [command.name.lower().encode() for command in commands]


def _docs(found: Mapping[bytes, Command], words: list[bytes]) -> Reply:
    return {
        command.name.lower().encode(): {b"group": command.group.encode()}
        for command in _named(found, words[2:])
        if command is not None
    }


def _getkeys(found: Mapping[bytes, Command], words: list[bytes]) -> Reply:
    called = words[2:]
    command = found.get(called[0].upper())
    if command is not None and command.parts and len(called) > 1:
        command = command.parts.get(called[1].upper())
    if command is None:
        raise CommandError("ERR Invalid command specified")
    if command.find is None and not command.keys[0]:
        raise CommandError("ERR The command has no key arguments")
    if not command.takes(len(called)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    keys = command.keys_of(called)
    if not keys:
        raise CommandError("ERR The command has no key arguments")
    return list(keys)


_FLAGS: Final = ("loading", "stale")
