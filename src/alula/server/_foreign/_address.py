"""Where the Redis is that keeps the keys."""

import re
import ssl
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from ...errors import SettingError
from ._trust import Trust

__all__ = ["Address"]

_SECRET: Final = re.compile("//.*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A Redis or Valkey, as a URL says it.

    Attributes
    ----------
    host, port
        Of the server; not used if there is a path.
    path
        Of its socket file; empty if there is none.
    trust
        Whom an encrypted connection trusts; None if it is not encrypted.
    user, password
        What it is told first; an empty password means that it asks for none.
    database
        The number of the database.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    trust: Trust | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0

    @classmethod
    def of(cls, url: str) -> Self:
        """Read ``redis://[[user]:password@]host[:port][/database]``, or ``rediss:``, ``valkey:``, ``unix:``.

        Options behind a question mark are redis-py's: ``db``, and for ``rediss:`` ``ssl_ca_certs``,
        ``ssl_certfile``, ``ssl_keyfile``, ``ssl_cert_reqs`` (required, none) and ``ssl_check_hostname``.

        Raises
        ------
        SettingError
            If it is none of these, has another option, or names certificates that cannot be used.
        """
        parts = urlsplit(url)
        scheme = {"valkey": "redis", "valkeys": "rediss"}.get(parts.scheme, parts.scheme)
        try:
            path = parts.path if scheme == "unix" else ""
            if scheme not in ("redis", "rediss", "unix") or not (path.startswith("/") or parts.hostname):
                raise ValueError
            options = dict(parse_qsl(parts.query, keep_blank_values=True))
            number = options.pop("db", "") or (parts.path.strip("/") if not path else "")
            address = cls(
                host=parts.hostname or "",
                port=parts.port or 6379,
                path=unquote(path),
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                database=int(number or 0),
            )
        except ValueError as error:
            why = "that is no address of a Redis, such as redis://localhost:6379/0"
            raise SettingError("keyspace", _SECRET.sub("//***@", url), why) from error
        return address._with(options, secure=scheme == "rediss")

    def _with(self, options: dict[str, str], *, secure: bool) -> Self:
        """Take the options of a URL that are about encryption, and see that there are no others."""
        try:
            found = replace(self, trust=Trust.taken(options)) if secure else self
            if options:
                raise ValueError(f"there is no option {', '.join(options)}")
            found.context()
        except (OSError, ValueError) as error:
            why = f"its certificates cannot be read: {error}" if isinstance(error, OSError) else str(error)
            raise SettingError("keyspace", self.name, why) from error
        return found

    def context(self) -> ssl.SSLContext | None:
        """Give what encrypts connections; None if nothing does.

        Raises
        ------
        OSError
            If a file of certificates cannot be read, or holds none.
        """
        return None if self.trust is None else _context(self.trust)

    @property
    def name(self) -> str:
        """The URL without the password, for people."""
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        secure = self.trust is not None
        return f"redis{'s' * secure}://{host}:{self.port}" + (f"/{self.database}" if self.database else "")

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


@lru_cache(maxsize=16)
def _context(trust: Trust) -> ssl.SSLContext:
    """Read the files once, however many connections there are."""
    return trust.context()
