"""A tensor server elsewhere, spoken to as any client would: it is given models by ``AI.MODELSTORE``."""

from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import DeployError, MissingExtraError

__all__ = ["check_url", "remove_model", "store_model"]

_PATIENCE: Final = 10.0  # seconds for the server to answer
_CHUNK: Final = 511 << 20  # bytes that a server takes in one word


def check_url(url: str) -> None:
    """Raise `ValueError` unless the text is the address of a server: ``redis://host:port``."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError(f"server={url!r} is no address such as 'redis://localhost:6379'")


def store_model(url: str, key: str, tag: str, blob: bytes) -> None:
    """Give a model to the server at ``redis://host:port``, in place of what it has under that key.

    Raises
    ------
    DeployError
        If the server cannot be reached, or refuses the model; says why.
    MissingExtraError
        If redis is not installed.
    """
    view = memoryview(blob)
    chunks = [view[at : at + _CHUNK] for at in range(0, len(blob), _CHUNK)]
    _send(url, key, "AI.MODELSTORE", key, "ONNX", "CPU", "TAG", tag, "BLOB", *chunks)


def remove_model(url: str, key: str) -> None:
    """Take a model away from the server at ``redis://host:port``; raises as `store_model` does."""
    _send(url, key, "AI.MODELDEL", key)


def _send(url: str, key: str, *command: Any) -> None:
    try:
        import redis
    except ImportError as error:
        raise MissingExtraError("redis", "serve", "deploying to a server by its address") from error
    try:
        with redis.Redis.from_url(
            url, protocol=2, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        ) as client:
            client.execute_command(*command)
    except redis.ResponseError as error:
        raise DeployError(key, f"the server at {_place(url)} refused it: {error}") from error
    except redis.RedisError as error:
        raise DeployError(key, f"the server at {_place(url)} cannot be reached: {error}") from error


def _place(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]  # without the password that may stand before it
