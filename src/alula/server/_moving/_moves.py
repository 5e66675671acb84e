"""Moving keys: out of a source into a file of commands, and from a file into a server."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from .._clients._connect import reached
from ._rebuilding import CHUNK, Words, rebuilding
from ._sources import commands, entries

__all__ = ["Moved", "export_keys", "import_keys"]

_TOGETHER: Final = 64  # commands that are sent at once
_BYTES: Final = 1 << 20  # of them
_PASSED: Final = {b"MULTI", b"EXEC", b"SELECT"}  # of a Redis' own log; each command stands for itself here


@dataclass(frozen=True, slots=True)
class Moved:
    """What has come of an import.

    Attributes
    ----------
    commands
        How many were carried out.
    refused
        A line for each that the server has refused: its name, its key, and the error.
    """

    commands: int
    refused: list[str]


def export_keys(source: str, file: Path, *, chunk: int = CHUNK) -> int:
    """Write the commands that make all keys again, as a Redis does when it rewrites its append-only file.

    Parameters
    ----------
    source
        The URL of a server: of ours or of one with RedisAI, of which each key is as of its own moment. Or a
        file, as of one moment: ``keyspace.db``, also while its server runs, or a Redis' snapshot.
    file
        Where to. It is there whole or not at all.
    chunk
        Bytes of a model that stand in one word at most.

    Returns
    -------
    int
        The number of keys.

    Raises
    ------
    CommandError
        If a key holds what cannot be had here, which is named, or the source is damaged.
    StoreUnavailableError
        If the server cannot be reached.
    OSError
        If a file cannot be read or written.
    """
    count = 0
    with _whole(file) as target:
        for entry in entries(source):
            count += 1
            for words in rebuilding(entry, chunk):
                _write(target, words)
    return count


def import_keys(file: Path, url: str) -> Moved:
    """Send the commands of a file to a server, or those that make what the file holds.

    Keys that are there already are replaced. What the server refuses, a model whose backend it does not
    have for instance, is told, and the rest goes on.

    Parameters
    ----------
    file
        Commands, as `export_keys` writes them; or a source of `export_keys` that is a file.
    url
        Of the server, such as ``redis://localhost:6379``.

    Raises
    ------
    CommandError
        If the file is damaged, or holds what cannot be had here; what stands before that was sent.
    StoreUnavailableError
        If the server cannot be reached, or is gone before the end.
    OSError
        If the file cannot be read.
    """
    done, refused = 0, list[str]()
    with reached(url) as client:
        for row in _rows(commands(file)):
            pipeline = client.pipeline(transaction=False)
            for words in row:
                pipeline.execute_command(*words)
            for words, reply in zip(row, pipeline.execute(raise_on_error=False), strict=True):
                if isinstance(reply, Exception):
                    refused.append(f"{' '.join(map(_shown, words[:2]))}: {reply}")
                else:
                    done += 1
    return Moved(done, refused)


def _shown(word: bytes | memoryview) -> str:
    return bytes(word).decode(errors="backslashreplace")


def _rows(found: Iterable[Words]) -> Iterator[list[Words]]:
    """Put commands together that are sent at once."""
    row, size = list[Words](), 0
    for words in found:
        if bytes(words[0]).upper() in _PASSED:
            continue
        row.append(words)
        size += sum(map(len, words))
        if len(row) == _TOGETHER or size > _BYTES:
            yield row
            row, size = [], 0
    if row:
        yield row


def _write(target: BinaryIO, words: Words) -> None:
    target.write(b"*%d\r\n" % len(words))
    for word in words:
        target.write(b"$%d\r\n" % len(word))
        target.write(word)
        target.write(b"\r\n")


@contextmanager
def _whole(file: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name when everything is in it, and on the disk."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
