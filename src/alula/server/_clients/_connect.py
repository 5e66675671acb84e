"""redis-py, imported when the first client is made: what our clients are thin over."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from ...errors import MissingExtraError, SettingError, StoreUnavailableError

__all__ = [
    "AsyncCommands",
    "Commands",
    "Pipelining",
    "checked",
    "connect",
    "connect_async",
    "patience",
    "reached",
]

_SLICE: Final = 1.0  # seconds for which a server is asked to wait at a time


class Commands(Protocol):
    """A client of redis-py, or what does as well."""

    def execute_command(self, *words: Any) -> Any:
        """Send a command and give its reply; an error is raised."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class Pipeline(Protocol):
    """Commands that redis-py sends at once."""

    def execute_command(self, *words: Any) -> Any:
        """Add a command."""
        ...

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send them and give their replies; an error is raised, or is one of them."""
        ...


class Pipelining(Commands, Protocol):
    """A client that can send several commands at once."""

    def pipeline(self, *, transaction: bool) -> Pipeline:
        """Begin to gather commands."""
        ...


class AsyncCommands(Protocol):
    """A client of redis.asyncio, or what does as well."""

    async def execute_command(self, *words: Any) -> Any:
        """Send a command and give its reply; an error is raised."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


def connect(url: str) -> Commands:
    """Make a client of redis-py."""
    made: Commands = checked(_redis().Redis.from_url(url))
    return made


def connect_async(url: str) -> AsyncCommands:
    """Make a client of redis.asyncio."""
    made: AsyncCommands = checked(_redis().asyncio.Redis.from_url(url))
    return made


def _redis() -> Any:
    try:
        import redis.asyncio
    except ImportError as error:
        raise MissingExtraError("redis", "serve", "a client of a tensor server") from error
    return redis


@contextmanager
def reached(url: str, *, timeout: float | None = None) -> Iterator[Pipelining]:
    """Give a client for a while, which fails with an error of ours.

    Parameters
    ----------
    timeout
        Seconds to wait for each reply, and for the connection; any time by default.

    Raises
    ------
    StoreUnavailableError
        If the server cannot be reached, or goes away.
    SettingError
        If the URL is none.
    """
    redis = _redis()
    # To load a model takes as long as it takes, and what was sent twice would be done twice.
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    try:
        client: Pipelining = redis.Redis.from_url(
            url,
            decode_responses=False,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            socket_keepalive=True,
            retry=once,
        )
    except ValueError as error:
        raise SettingError("url", url.rpartition("@")[2], str(error)) from error
    try:
        yield client
    except redis.RedisError as error:
        raise StoreUnavailableError(url.rpartition("@")[2], str(error)) from error
    finally:
        client.close()


def checked(client: Any) -> Any:
    """Refuse a client that makes text of replies: tensors are none."""
    if _option(client, "decode_responses"):
        raise ValueError("decode_responses=True makes text of what is a tensor: leave it out")
    return client


def patience(client: Any) -> float:
    """Give the seconds for which the server may be asked to wait at a time."""
    limit = _option(client, "socket_timeout")
    return _SLICE if limit is None else min(_SLICE, limit / 2)


def _option(client: Any, name: str) -> Any:
    pool = getattr(client, "connection_pool", None)
    return getattr(pool, "connection_kwargs", {}).get(name)
