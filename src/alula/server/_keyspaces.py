"""Which keyspace a server has: the one that its configuration asks for."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from .._core._clock import SYSTEM, Clock
from ._config import Config
from ._foreign import RedisKeyspace
from ._keyspace import DurableKeyspace, Fsync, Keyspace, MemoryKeyspace

__all__ = ["open_keyspace"]


def open_keyspace(config: Config, url: str = "", *, clock: Clock = SYSTEM) -> Keyspace:
    """Open the keyspace that a configuration asks for.

    Parameters
    ----------
    config
        With `appendonly`, values are kept in the file `dbfilename` in the folder `dir`, and the disk has
        them as `appendfsync` says, which CONFIG SET may change; without, in memory alone.
    url
        Address of a Redis or Valkey that keeps the keys instead; see `RedisKeyspace`.
    clock
        Whose UNIX time says what has expired.

    Raises
    ------
    StoreUnavailableError
        If another server has the file open, which is named; or it cannot be opened and written.
    SettingError
        If the address is none.
    """
    if url:
        return RedisKeyspace(url)
    if not config.appendonly:
        return MemoryKeyspace(clock)
    keyspace = DurableKeyspace.open(
        Path(config.dir) / config.dbfilename, fsync=cast("Fsync", config.appendfsync), clock=clock
    )

    def follow(names: Iterable[str]) -> None:
        if "appendfsync" in names:
            keyspace.fsync = cast("Fsync", config.appendfsync)

    config.watchers.append(follow)
    return keyspace
