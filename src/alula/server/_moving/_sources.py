"""Where keys and commands come from: a server, a file of one that keeps its values, a snapshot, or a log."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...errors import CommandError
from .._clients._connect import Commands, Pipelining, reached
from .._dump import undump
from .._keyspace import kept_rows, unpack
from .._resp import Limits, Parser, ProtocolError
from ._rebuilding import CHUNK, Entry, Words, rebuilding
from ._snapshots import MAGIC, snapshot

__all__ = ["commands", "entries"]

_SQLITE: Final = b"SQLite format 3\0"
_PIECE: Final = 1 << 20
_TOGETHER: Final = 16  # keys whose values are asked for at once
_LIMITS: Final = Limits(bulk=1 << 40, words=1 << 40, request=1 << 41)


def entries(source: str) -> Iterator[Entry]:
    """Give all keys of a source that have not expired.

    Parameters
    ----------
    source
        The URL of a server, of which each key is as of its own moment; or a file, as of one moment: that of a
        server with ``--appendonly yes``, or a Redis' snapshot.

    Raises
    ------
    CommandError
        If something cannot be read, or cannot be had here, which is named.
    StoreUnavailableError
        If the server cannot be reached, or the file is that of a server and damaged.
    OSError
        If there is no such file.
    """
    found = _of_server(source) if "://" in source else _of_file(Path(source))
    for key, value, expires in found:
        if expires is None or expires > time.time() * 1000:
            yield key, value, expires


def commands(file: Path, chunk: int = CHUNK) -> Iterator[Words]:
    """Give the commands of a file, or those that make what it holds; `entries` says the rest."""
    with file.open("rb") as opened:
        if opened.read(1) != b"*":
            for entry in entries(str(file)):
                yield from rebuilding(entry, chunk)
            return
        opened.seek(0)
        parser = Parser(_LIMITS)
        while data := opened.read(_PIECE):
            parser.feed(data)
            yield from _whole(parser)
    if parser.held:
        raise CommandError("the file ends in the middle of a command")


def _whole(parser: Parser) -> Iterator[Words]:
    """Give the commands that are there whole; notes of when they were written are no commands."""
    try:
        while (words := parser.next()) is not None:
            if not words[0].startswith(b"#"):
                yield words
    except ProtocolError as error:
        raise CommandError(f"the file is damaged: {str(error).removeprefix('ERR ')}") from error


def _of_file(file: Path) -> Iterator[Entry]:
    with file.open("rb") as opened:
        front = opened.read(len(_SQLITE))
    if front == _SQLITE:
        for key, data, expires in kept_rows(file):
            yield key, unpack(data), expires
    elif front.startswith(MAGIC):
        yield from snapshot(file.read_bytes())
    else:
        raise CommandError(f"{file} is neither a file of values nor a snapshot")


# -------------------------------------------------------------------------------------- a server


def _of_server(url: str) -> Iterator[Entry]:
    with reached(url) as client:
        exact = _knows_times(client)
        for keys in _scanned(client):
            for at in range(0, len(keys), _TOGETHER):
                yield from _asked(client, keys[at : at + _TOGETHER], exact)


def _knows_times(client: Pipelining) -> bool:
    """Tell whether a server says when a key expires; before version 7 it only says how long that is."""
    pipeline = client.pipeline(transaction=False)
    pipeline.execute_command(b"PEXPIRETIME", b"")
    return isinstance(pipeline.execute(raise_on_error=False)[0], int)


def _scanned(client: Commands) -> Iterator[list[bytes]]:
    cursor, seen = b"0", set[bytes]()
    while True:
        cursor, keys = client.execute_command("SCAN", cursor, "COUNT", 256)
        new = [key for key in dict.fromkeys(keys) if key not in seen]
        seen.update(new)
        yield new
        if int(cursor) == 0:
            return


def _asked(client: Pipelining, keys: list[bytes], exact: bool) -> Iterator[Entry]:
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.execute_command(b"PEXPIRETIME" if exact else b"PTTL", key)
        pipeline.execute_command(b"DUMP", key)
    answers = pipeline.execute()
    since = 0 if exact else int(time.time() * 1000)
    for key, left, payload in zip(keys, answers[::2], answers[1::2], strict=True):
        if payload is None:  # it has gone meanwhile
            continue
        try:
            value = undump(payload)
        except CommandError as error:
            kind = client.execute_command("TYPE", key)
            what = kind.decode() if isinstance(kind, bytes) else kind
            raise CommandError(f"the key {key!r} holds a {what} that cannot be had here") from error
        yield key, value, since + left if left >= 0 else None
