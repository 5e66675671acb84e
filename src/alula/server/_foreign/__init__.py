"""A Redis or Valkey behind the server, which keeps the keys."""

from ._redis import RedisBehind, RedisKeyspace

__all__ = ["RedisBehind", "RedisKeyspace"]
