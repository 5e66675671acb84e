"""Commands about what outlives the process: one key's value as a payload, and the keyspace on the disk."""

from functools import partial
from typing import Any, Final

from ...errors import CommandError, StoreError
from ...graph import Done, Failed
from .._client import Client
from .._dump import dump, undump
from .._failures import as_error
from .._forms import ModelForm, ScriptForm
from .._keyspace import Value, kept, revived
from .._later import Later
from .._resp import Reply
from .._revive import load
from .._words import integer, said, shown
from ._debug import asleep, described
from ._table import Command

__all__ = ["COMMANDS"]


# ------------------------------------------------------------------------------ DUMP and RESTORE


def _dump(client: Client, words: list[bytes]) -> Reply:
    value = client.keyspace.read(words[1])
    return None if value is None else dump(kept(value))


def _restore(client: Client, words: list[bytes]) -> Reply | Later:
    """Make a key out of a payload; a model is loaded first, beside everything else."""
    replace, absolute = _options(words)
    key = words[1]
    _check_free(client, key, replace=replace)
    ttl = integer(words[2])
    if ttl is None:
        raise CommandError("ERR value is not an integer or out of range")
    if ttl < 0:
        raise CommandError("ERR Invalid TTL value, must be >= 0")
    found = undump(words[3])
    expires = None if not ttl else ttl if absolute else ttl + client.services.now()
    revive = partial(revived, found, partial(load, backends=client.services.backends))
    if client.atomic or not isinstance(found, ModelForm | ScriptForm):
        _put(client, key, revive(), expires)
        return "OK"
    later = Later()

    def ended(outcome: Done[Any] | Failed) -> None:
        try:
            if isinstance(outcome, Failed):
                raise outcome.error
            _check_free(client, key, replace=replace)
            _put(client, key, outcome.value, expires)
        except Exception as error:  # whatever a backend raised, the client is not left waiting
            later.settle(as_error(error))
        else:
            later.settle("OK")

    client.services.loaders.submit(revive, ended)
    return later


def _options(words: list[bytes]) -> tuple[bool, bool]:
    """Read what stands behind the payload; give whether to replace, and whether the time is absolute."""
    given, at = set[bytes](), 4
    while at < len(words):
        option = said(words, at)
        more = integer(words[at + 1]) if at + 1 < len(words) else None
        if option in (b"REPLACE", b"ABSTTL"):
            given.add(option)
            at += 1
            continue
        if option not in _LIMITS or at + 1 == len(words):
            raise CommandError("ERR syntax error")
        if more is None:
            raise CommandError("ERR value is not an integer or out of range")
        most, text = _LIMITS[option]
        if not 0 <= more <= most:
            raise CommandError(f"ERR Invalid {shown(option)} value, must be {text}")
        at += 2  # how long a key was idle counts for eviction only, and nothing is evicted
    return b"REPLACE" in given, b"ABSTTL" in given


_LIMITS: Final = {b"IDLETIME": ((1 << 63) - 1, ">= 0"), b"FREQ": (255, ">= 0 and <= 255")}


def _check_free(client: Client, key: bytes, *, replace: bool) -> None:
    if not replace and client.keyspace.read(key) is not None:
        raise CommandError("BUSYKEY Target key name already exists.")


def _put(client: Client, key: bytes, value: Value, expires: int | None) -> None:
    if expires is not None and expires <= client.services.now():  # it would be gone at once
        client.keyspace.delete([key])
    else:
        client.keyspace.put(key, value, expires=expires, event="restore")


# ---------------------------------------------------------------------------------- the disk


def _save(client: Client, words: list[bytes]) -> Reply:
    _settle(client)
    try:
        client.keyspace.save()
    except StoreError as error:
        raise CommandError(f"ERR {error}") from error
    return "OK"


def _background_save(client: Client, words: list[bytes]) -> Reply:
    if len(words) == 2 and said(words, 1) != b"SCHEDULE":
        raise CommandError("ERR syntax error")
    _save(client, words)
    return "Background saving started"


def _rewrite(client: Client, words: list[bytes]) -> Reply:
    _save(client, words)
    return "Background append only file rewriting started"


def _last_save(client: Client, words: list[bytes]) -> Reply:
    return int(client.keyspace.saved)


def _settle(client: Client) -> None:
    """Have everything kept that anybody has changed so far."""
    if client.keyspace.pending and (error := client.services.settlement.now()):
        raise error


_HELP: Final = [
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LOADAOF",
    "    Read all keys from the file again.",
    "OBJECT <key>",
    "    Say how a value is kept.",
    "RELOAD [NOSAVE]",
    "    Write all keys, and make each of them anew out of what was written.",
    "SLEEP <seconds>",
    "    Answer later, this client alone.",
]


def _debug(client: Client, words: list[bytes]) -> Reply | Later:
    match said(words, 1), len(words):
        case (b"RELOAD", 2) | (b"LOADAOF", 2):
            pass
        case (b"RELOAD", 3) if said(words, 2) in (b"NOSAVE", b"NOFLUSH", b"MERGE"):
            pass
        case b"SLEEP", 3:
            return asleep(client, words[2])
        case b"OBJECT", 3:
            return described(client, words[2])
        case b"HELP", 2:
            return list[Reply](_HELP)
        case _:
            what = f"ERR unknown subcommand or wrong number of arguments for '{shown(words[1])}'"
            raise CommandError(f"{what}. Try DEBUG HELP.")
    _settle(client)
    try:
        client.keyspace.reload()
    except StoreError as error:
        raise CommandError(f"ERR Error trying to load the keyspace: {error}") from error
    return "OK"


_ADMIN: Final = ("admin", "noscript")
COMMANDS = (
    Command(name="DUMP", run=_dump, least=2, most=2, flags=("readonly",), keys=(1, 1, 1), group="generic"),
    Command(
        name="RESTORE",
        run=_restore,
        least=4,
        flags=("write", "denyoom"),
        keys=(1, 1, 1),
        group="generic",
    ),
    Command(name="SAVE", run=_save, least=1, most=1, flags=(*_ADMIN, "no_async_loading", "no_multi")),
    Command(
        name="BGSAVE", run=_background_save, least=1, most=2, flags=(*_ADMIN, "no_async_loading", "no_multi")
    ),
    Command(
        name="BGREWRITEAOF", run=_rewrite, least=1, most=1, flags=(*_ADMIN, "no_async_loading", "no_multi")
    ),
    Command(name="LASTSAVE", run=_last_save, least=1, most=1, flags=("loading", "stale", "fast")),
    Command(name="DEBUG", run=_debug, least=2, flags=(*_ADMIN, "loading", "stale")),
)
