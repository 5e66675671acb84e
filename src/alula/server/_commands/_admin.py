"""Commands about the server as a whole: its configuration, its end, and what it does not have."""

from collections.abc import Callable
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._resp import Reply, Several
from .._slowlog import Slow
from .._words import integer, number, shown, subcommand_error
from ._table import Command, container

__all__ = ["COMMANDS"]


def _time(client: Client, words: list[bytes]) -> Reply:
    now = client.services.now()
    return [b"%d" % (now // 1000), b"%d" % (now % 1000 * 1000)]


def _role(client: Client, words: list[bytes]) -> Reply:
    return [b"master", 0, []]


def _wait(client: Client, words: list[bytes]) -> Reply:
    """Answer at once: there are no replicas, and none will come."""
    if integer(words[2]) is None:
        raise CommandError("ERR timeout is not an integer or out of range")
    if number(words[2]) < 0:
        raise CommandError("ERR timeout is negative")
    number(words[1])
    return 0


def _no_scripts(client: Client, words: list[bytes]) -> Reply:
    raise CommandError("ERR Cannot run RedisAI command within a transaction or a LUA script")


_ENDINGS: Final = {b"NOSAVE", b"SAVE", b"NOW", b"FORCE"}


def _shutdown(client: Client, words: list[bytes]) -> Reply:
    asked = {word.upper() for word in words[1:]}
    if asked == {b"ABORT"}:
        raise CommandError("ERR No shutdown in progress.")
    if not asked <= _ENDINGS or asked >= {b"SAVE", b"NOSAVE"}:
        raise CommandError("ERR syntax error")
    client.leaving = True
    client.services.shutdown()
    return Several(())  # the end of the connection is the answer


def _modules(client: Client, words: list[bytes]) -> Reply:
    return [{b"name": b"ai", b"ver": 999999, b"path": b"", b"args": []}]


# ---------------------------------------------------------------------------------------- CONFIG


def _config_get(client: Client, words: list[bytes]) -> Reply:
    found = client.services.config.get(words[2:])
    return {name.encode(): value.encode(errors="surrogateescape") for name, value in found.items()}


def _config_set(client: Client, words: list[bytes]) -> Reply:
    if len(words) % 2:
        raise CommandError("ERR wrong number of arguments for 'config|set' command")
    client.services.config.set(
        (shown(name), shown(value)) for name, value in zip(words[2::2], words[3::2], strict=True)
    )
    client.services.slowlog.trim()
    return "OK"


def _config_rewrite(client: Client, words: list[bytes]) -> Reply:
    raise CommandError("ERR The server is running without a config file")


def _config_resetstat(client: Client, words: list[bytes]) -> Reply:
    client.services.commands = 0
    return "OK"


# --------------------------------------------------------------------------------------- SLOWLOG


def _slowlog_get(client: Client, words: list[bytes]) -> Reply:
    if len(words) > 3:
        raise subcommand_error(words)
    count = 10
    if len(words) == 3:
        found = integer(words[2])
        if found is None or found < -1:
            raise CommandError("ERR count should be greater than or equal to -1")
        count = found
    entries = list(client.services.slowlog.entries)
    return [_shown(entry) for entry in (entries if count == -1 else entries[:count])]


def _shown(entry: Slow) -> Reply:
    words: list[Reply] = list(entry.words)
    return [entry.number, entry.at, entry.microseconds, words, entry.address.encode(), entry.name]


def _slowlog_reset(client: Client, words: list[bytes]) -> Reply:
    client.services.slowlog.entries.clear()
    return "OK"


_ADMIN: Final = ("admin", "noscript", "loading", "stale")
_QUIET: Final = ("loading", "stale", "fast")
_SCRIPT: Final = ("noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys")


def _part(
    name: str,
    run: Callable[[Client, list[bytes]], Reply],
    least: int,
    most: int | None = None,
    flags: tuple[str, ...] = _ADMIN,
) -> Command:
    return Command(name=name, run=run, least=least, most=most, flags=flags)


COMMANDS = (
    Command(name="TIME", run=_time, least=1, most=1, flags=_QUIET),
    Command(name="ROLE", run=_role, least=1, most=1, flags=("noscript", *_QUIET)),
    Command(name="WAIT", run=_wait, least=3, most=3, flags=("noscript",), group="generic"),
    Command(name="SHUTDOWN", run=_shutdown, least=1, flags=(*_ADMIN, "no_multi", "allow_busy")),
    Command(name="EVAL", run=_no_scripts, least=3, flags=_SCRIPT, group="scripting"),
    Command(name="EVALSHA", run=_no_scripts, least=3, flags=_SCRIPT, group="scripting"),
    Command(name="EVAL_RO", run=_no_scripts, least=3, flags=("readonly", *_SCRIPT), group="scripting"),
    Command(name="EVALSHA_RO", run=_no_scripts, least=3, flags=("readonly", *_SCRIPT), group="scripting"),
    container("MODULE", _part("LIST", _modules, 2, 2, ("admin", "noscript"))),
    container(
        "CONFIG",
        _part("GET", _config_get, 3),
        _part("SET", _config_set, 4),
        _part("REWRITE", _config_rewrite, 2, 2),
        _part("RESETSTAT", _config_resetstat, 2, 2),
    ),
    container(
        "SLOWLOG",
        _part("GET", _slowlog_get, 2, None, ("admin", "loading", "stale")),
        _part(
            "LEN",
            lambda client, words: len(client.services.slowlog.entries),
            2,
            2,
            ("admin", "loading", "stale"),
        ),
        _part("RESET", _slowlog_reset, 2, 2, ("admin", "loading", "stale")),
    ),
)
