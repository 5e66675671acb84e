"""Where the Redis is that keeps the keys."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from ...errors import SettingError

__all__ = ["Address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A Redis or Valkey, as a URL says it.

    Attributes
    ----------
    host, port
        Of the server; not used if there is a path.
    path
        Of its socket file; empty if there is none.
    secure
        Whether the connection is encrypted.
    user, password
        What it is told first; an empty password means that it asks for none.
    database
        The number of the database.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    secure: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0

    @classmethod
    def of(cls, url: str) -> Self:
        """Read ``redis://[[user]:password@]host[:port][/database]``, or ``rediss:``, ``valkey:``, ``unix:``.

        Raises
        ------
        SettingError
            If it is none of these.
        """
        parts = urlsplit(url)
        scheme = {"valkey": "redis", "valkeys": "rediss"}.get(parts.scheme, parts.scheme)
        try:
            path = parts.path if scheme == "unix" else ""
            if scheme not in ("redis", "rediss", "unix") or not (path.startswith("/") or parts.hostname):
                raise ValueError
            number = parts.path.strip("/") if scheme != "unix" else parts.query.removeprefix("db=")
            return cls(
                host=parts.hostname or "",
                port=parts.port or 6379,
                path=path,
                secure=scheme == "rediss",
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                database=int(number or 0),
            )
        except ValueError as error:
            why = "that is no address of a Redis, such as redis://localhost:6379/0"
            raise SettingError("keyspace", url, why) from error

    @property
    def name(self) -> str:
        """The URL without the password, for people."""
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis{'s' * self.secure}://{host}:{self.port}" + (
            f"/{self.database}" if self.database else ""
        )

    def greeting(self, protocol: int) -> list[tuple[bytes, ...]]:
        """Give what a connection says first."""
        said: list[tuple[bytes, ...]] = []
        if self.password:
            said.append(tuple(word.encode() for word in ("AUTH", self.user, self.password) if word))
        if self.database:
            said.append((b"SELECT", b"%d" % self.database))
        if protocol == 3:
            said.append((b"HELLO", b"3"))
        return said
